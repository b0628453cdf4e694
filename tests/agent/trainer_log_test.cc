// What trainers print for people, on its way to the server.
#include "worker/agent/trainer_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/agent/agent_fixture.h"
#include "tests/support/matchers.h"

namespace halving {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::IsEmpty;

v1::TrainerLog Get(const TrainerLogBuffer& buffer) {
  return buffer.Unacknowledged().value_or(v1::TrainerLog());
}

TEST(TrainerLogBuffer, LinesAreNumberedFromOneAndKeptUntilTheyAreAcknowledged) {
  TrainerLogBuffer buffer;
  EXPECT_EQ(buffer.Unacknowledged(), std::nullopt);
  buffer.Add("a");
  buffer.Add("");
  const v1::TrainerLog first = Get(buffer);
  EXPECT_EQ(first.first_line(), 1);
  EXPECT_THAT(first.lines(), ElementsAre("a", ""));

  buffer.Add("c");
  EXPECT_THAT(Get(buffer).lines(), ElementsAre("a", "", "c"));
  buffer.Acknowledge(first);
  EXPECT_EQ(Get(buffer).first_line(), 3);
  EXPECT_THAT(Get(buffer).lines(), ElementsAre("c"));
  buffer.Acknowledge(first);  // Again, which says nothing new.
  buffer.Acknowledge(v1::TrainerLog());
  EXPECT_THAT(Get(buffer).lines(), ElementsAre("c"));
  buffer.Acknowledge(Get(buffer));
  EXPECT_EQ(buffer.Unacknowledged(), std::nullopt);
}

TEST(TrainerLogBuffer, OfTooManyLinesTheOldestAreDroppedAndTheNumbersShowIt) {
  TrainerLogBuffer buffer;
  for (int i = 1; i <= 1000; ++i) buffer.Add(absl::StrCat(i, std::string(996, '.')));
  const v1::TrainerLog log = Get(buffer);
  size_t bytes = 0;
  for (const std::string& line : log.lines()) bytes += line.size();
  EXPECT_LE(bytes, TrainerLogBuffer::kMaxBytes);
  EXPECT_GT(bytes, TrainerLogBuffer::kMaxBytes - 2 * 1016 - 16 * log.lines_size());
  EXPECT_EQ(log.first_line() + log.lines_size() - 1, 1000);
  EXPECT_EQ(log.lines(0).substr(0, 3), absl::StrCat(log.first_line()));
}

TEST(TrainerLogBuffer, WhatIsAcknowledgedMayHaveBeenDroppedMeanwhile) {
  TrainerLogBuffer buffer;
  buffer.Add("first");
  const v1::TrainerLog sent = Get(buffer);
  for (int i = 0; i < 1000; ++i) buffer.Add(std::string(1000, '.'));
  const int64_t before = Get(buffer).first_line();
  buffer.Acknowledge(sent);
  EXPECT_EQ(Get(buffer).first_line(), before);
}

TEST(TrainerLogBuffer, EmptyLinesAreBoundedToo) {
  TrainerLogBuffer buffer;
  for (int i = 0; i < 100'000; ++i) buffer.Add("");
  EXPECT_LE(Get(buffer).lines_size(), 4096);
  EXPECT_LT(Get(buffer).ByteSizeLong(), TrainerLogBuffer::kMaxBytes);
}

TEST(TrainerLogBuffer, ALineIsCutAndMadeValidUtf8) {
  TrainerLogBuffer buffer;
  buffer.Add(std::string(5000, 'x'));
  buffer.Add("caf\xC3\xA9 \xFF");
  const v1::TrainerLog log = Get(buffer);
  EXPECT_EQ(log.lines(0), std::string(TrainerLogBuffer::kMaxLineBytes, 'x') + "...");
  EXPECT_EQ(log.lines(1), "caf\xC3\xA9 \xEF\xBF\xBD");
}

TEST(TrainerLogBuffer, AProgressBarIsKeptAsItWasDrawnLast) {
  TrainerLogBuffer buffer;
  buffer.Add("10%\r50%\r  100%\r");
  buffer.Add("    indented, by Windows\r");
  EXPECT_THAT(Get(buffer).lines(), ElementsAre("  100%", "    indented, by Windows"));
}

TEST(TrainerLogBuffer, ItSaysOnceThatItIsHalfFull) {
  TrainerLogBuffer buffer;
  int said = 0;
  for (int i = 0; i < 40; ++i) said += buffer.Add(std::string(1000, '.')) ? 1 : 0;
  EXPECT_EQ(said, 1);
  EXPECT_TRUE(buffer.IsHalfFull());
  buffer.Acknowledge(Get(buffer));
  EXPECT_FALSE(buffer.IsHalfFull());
  for (int i = 0; i < 40; ++i) said += buffer.Add(std::string(1000, '.')) ? 1 : 0;
  EXPECT_EQ(said, 2);
}

// An agent on top of it.
class AgentLogTest : public AgentTest {
 protected:
  // The lines of a lease by their numbers, from all reports that were sent.
  std::map<int64_t, std::string> LinesOf(const std::string& lease_id) {
    std::map<int64_t, std::string> lines;
    for (const v1::ReportRequest& report : server_.reports()) {
      if (report.lease_id() != lease_id) continue;
      for (int i = 0; i < report.log().lines_size(); ++i) {
        const auto [at, added] =
            lines.emplace(report.log().first_line() + i, report.log().lines(i));
        EXPECT_EQ(at->second, report.log().lines(i)) << "two lines " << at->first;
      }
    }
    return lines;
  }
};

using Lines = std::map<int64_t, std::string>;

TEST_F(AgentLogTest, AResultCarriesWhatIsNoEventOfStdoutAndAllOfStderr) {
  server_.Add(MakeScripted(1, {Step("stderr", "loading"), PrintEpoch(1), Print("  so far, so good"),
                               Print("{\"not\":\"ours\"}"), PrintEpoch(2), PrintDone()}));
  StartAgent();
  EXPECT_THAT(AwaitFinal(1)[0].completed().error(), 0.5);
  std::vector<std::string> lines;
  for (const auto& [number, line] : LinesOf("lease-1")) lines.push_back(line);
  // The two come through pipes of their own.
  EXPECT_THAT(lines,
              testing::UnorderedElementsAre("loading", "  so far, so good", "{\"not\":\"ours\"}"));
  EXPECT_EQ(LinesOf("lease-1").begin()->first, 1);
}

TEST_F(AgentLogTest, AFailureCarriesTheLastWordsOfATrainerThatDies) {
  server_.Add(MakeScripted(
      1, {Step("stderr", "Traceback"), Step("stderr", "ValueError: no"), Step("exit", 1)}));
  StartAgent();
  const v1::ReportRequest report = AwaitFinal(1)[0];
  EXPECT_TRUE(report.has_failed());
  EXPECT_EQ(LinesOf("lease-1"), (Lines{{1, "Traceback"}, {2, "ValueError: no"}}));
}

TEST_F(AgentLogTest, LastWordsOfStderrComeBehindWhatWasPrintedBefore) {
  server_.Add(MakeScripted(1, {Step("stderr", "warning"), Print("before"),
                               Step("stderr", "Traceback"), Step("exit", 1)}));
  StartAgent();
  AwaitFinal(1);
  ASSERT_EQ(LinesOf("lease-1").size(), 3U);
  EXPECT_EQ(LinesOf("lease-1")[3], "Traceback");
}

TEST_F(AgentLogTest, ATrialThatIsGivenBackCarriesThemToo) {
  server_.Add(MakeScripted(1, {Print("hello"), Step("save", temp_.File("here")), Step("hang")}));
  StartAgent();
  ASSERT_TRUE(AwaitFile(temp_.File("here")));
  EXPECT_THAT(LeaveAndJoin(), IsOk());
  EXPECT_TRUE(AwaitFinal(1)[0].has_returned());
  EXPECT_EQ(LinesOf("lease-1"), (Lines{{1, "hello"}}));
}

TEST_F(AgentLogTest, LinesBelongToTheJobThatPrintedThemThoughTheProgramIsTheSame) {
  server_.Add(MakeScripted(1, {Print("of one"), PrintEpoch(1), PrintEpoch(2), PrintDone()}));
  server_.Add(MakeScripted(2, {Print("of two"), PrintEpoch(1), PrintEpoch(2), PrintDone()}));
  server_.Add(MakeScripted(3, {PrintEpoch(1), PrintEpoch(2), PrintDone()}));
  StartAgent();
  const std::vector<v1::ReportRequest> reports = AwaitFinal(3);
  EXPECT_EQ(LinesOf("lease-1"), (Lines{{1, "of one"}}));
  EXPECT_EQ(LinesOf("lease-2"), (Lines{{1, "of two"}}));
  EXPECT_THAT(LinesOf("lease-3"), IsEmpty());
  EXPECT_FALSE(reports[2].has_log());
}

TEST_F(AgentLogTest, ABeatCarriesLinesAndTheNextOneOnlyThoseThatAreNew) {
  v1::Assignment assignment =
      MakeScripted(1, {Print("first"), Step("await", temp_.File("go")), Print("second"),
                       PrintEpoch(1), PrintEpoch(2), PrintDone()});
  assignment.mutable_lease()->set_seconds(1);
  server_.Add(assignment);
  StartAgent();
  ASSERT_TRUE(Eventually([&] { return !LinesOf("lease-1").empty(); }));
  const auto reports = server_.progress_reports();
  EXPECT_THAT(reports.back().log().lines(), ElementsAre("first"));
  // Once it was answered.
  ASSERT_TRUE(Eventually([&] { return server_.progress_reports().size() > reports.size(); }));
  WriteFile(temp_.File("go"), "");
  AwaitFinal(1);
  EXPECT_EQ(LinesOf("lease-1"), (Lines{{1, "first"}, {2, "second"}}));
  int times = 0;
  for (const v1::ReportRequest& report : server_.reports()) {
    for (const std::string& line : report.log().lines()) times += line == "first" ? 1 : 0;
  }
  EXPECT_EQ(times, 1);
}

TEST_F(AgentLogTest, LinesOfAReportThatFailedAreSentAgain) {
  server_.set_on_report(
      [](const v1::ReportRequest& request, int) -> std::optional<FakeServer::Answer> {
        if (!request.has_progress()) return std::nullopt;
        return FakeServer::Answer{{grpc::StatusCode::UNAVAILABLE, "not now"}, {}};
      });
  v1::Assignment assignment = MakeScripted(1, {Print("first"), Step("await", temp_.File("go")),
                                               PrintEpoch(1), PrintEpoch(2), PrintDone()});
  assignment.mutable_lease()->set_seconds(1);
  server_.Add(assignment);
  StartAgent();
  ASSERT_TRUE(Eventually([&] { return !LinesOf("lease-1").empty(); }));
  WriteFile(temp_.File("go"), "");
  const v1::ReportRequest report = AwaitFinal(1)[0];
  EXPECT_EQ(report.log().first_line(), 1);
  EXPECT_THAT(report.log().lines(), ElementsAre("first"));
}

TEST_F(AgentLogTest, ManyLinesDoNotWaitForTheBeat) {
  std::vector<nlohmann::json> script;
  for (int i = 0; i < 40; ++i) script.push_back(Print(std::string(1000, '.')));
  script.push_back(Step("await", temp_.File("go")));
  script.push_back(PrintDone());
  server_.Add(MakeScripted(1, script));  // The first beat comes after 20 s.
  StartAgent();
  EXPECT_TRUE(Eventually([&] { return !LinesOf("lease-1").empty(); }, absl::Seconds(15)));
  WriteFile(temp_.File("go"), "");
  AwaitFinal(1);
  EXPECT_EQ(LinesOf("lease-1").size(), 40U);
}

}  // namespace
}  // namespace halving
