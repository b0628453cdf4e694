// Jobs, their checkpoints and how they end.
#include "worker/agent/agent.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "tests/agent/agent_fixture.h"
#include "tests/support/matchers.h"

namespace halving {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

TEST_F(AgentTest, TrainsAndAsksForTheNextInItsReport) {
  server_.Add(MakeAssignment(1));
  server_.Add(MakeAssignment(2));
  StartAgent();
  const std::vector<v1::ReportRequest> reports = AwaitFinal(2);
  ASSERT_TRUE(AwaitAsks(2));
  EXPECT_THAT(LeaveAndJoin(), IsOk());

  const v1::Completed& completed = reports[0].completed();
  EXPECT_EQ(reports[0].lease_id(), "lease-1");
  EXPECT_EQ(completed.error(), 0.5);
  EXPECT_EQ(completed.metrics().at("m"), 2);
  EXPECT_TRUE(completed.has_train_time());
  EXPECT_GT(completed.train_time().nanos() + completed.train_time().seconds(), 0);
  EXPECT_THAT(completed.checkpoint_id(), StartsWith("s.1.2."));
  EXPECT_EQ(ReadFile(absl::StrCat(checkpoint_dir(), "/", completed.checkpoint_id())), "epoch 2");
  EXPECT_EQ(reports[1].lease_id(), "lease-2");

  const std::vector<v1::SuggestRequest> asks = server_.asks();
  ASSERT_EQ(asks.size(), 3U) << "the second trial came with the answer to the first report";
  EXPECT_EQ(asks[2].request_id(), asks[1].request_id()) << "on leaving, what was open is looked at";
  const v1::SuggestRequest& next = reports[0].next();
  EXPECT_EQ(asks[0].wait().seconds(), 20);
  EXPECT_EQ(next.wait().seconds(), 0) << "the answer to a report is not held up";
  for (const v1::SuggestRequest& ask : {asks[0], asks[1], next}) {
    EXPECT_EQ(ask.worker_id(), "w");
    EXPECT_EQ(ask.host(), "box");
    EXPECT_EQ(ask.device(), "cpu");
    EXPECT_THAT(ask.objectives(), ElementsAre("fake"));
    EXPECT_EQ(ask.incarnation(), asks[0].incarnation());
    EXPECT_FALSE(ask.incarnation().empty());
  }
  EXPECT_NE(asks[0].request_id(), next.request_id());
  EXPECT_NE(asks[1].request_id(), next.request_id());
}

TEST_F(AgentTest, EveryPointIsReportedOnce) {
  v1::Assignment assignment = MakeAssignment(1);
  assignment.set_to_epoch(50);
  server_.Add(assignment);
  StartAgent();
  AwaitFinal(1);
  std::vector<int64_t> epochs;
  for (const v1::ReportRequest& report : server_.reports()) {
    for (const v1::CurvePoint& point : report.progress().points()) epochs.push_back(point.epoch());
    for (const v1::CurvePoint& point : report.completed().points()) epochs.push_back(point.epoch());
  }
  ASSERT_EQ(epochs.size(), 50U);
  EXPECT_EQ(epochs.front(), 1);
  EXPECT_TRUE(std::is_sorted(epochs.begin(), epochs.end()));
}

TEST_F(AgentTest, JobLineSaysAllThatTheTrainerNeeds) {
  v1::Assignment assignment =
      MakeScripted(7, {Step("save", temp_.File("saved")), PrintEpoch(1), PrintDone()});
  server_.Add(assignment);
  StartAgent();
  AwaitFinal(1);
  json job = json::parse(ReadFile(temp_.File("saved"))).at("job");
  EXPECT_THAT(job.at("checkpoint_out").get<std::string>(), StartsWith(checkpoint_dir()));
  job.erase("checkpoint_out");
  job.erase("options");
  EXPECT_EQ(job.dump(), R"({"config":{"batch_size":128,"learning_rate":0.5},"from_epoch":0,)"
                        R"("objective":"fake","seed":17,"study":"s","to_epoch":2,"trial_id":7})");
}

TEST_F(AgentTest, NextRungGoesOnFromTheCheckpointAndSupersedesIt) {
  server_.Add(MakeAssignment(1));
  StartAgent();
  const std::string first = AwaitFinal(1)[0].completed().checkpoint_id();
  v1::Assignment promoted = MakeAssignment(1);
  promoted.set_lease_id("lease-1b");
  promoted.set_from_epoch(2);
  promoted.set_to_epoch(4);
  promoted.set_checkpoint_id(first);
  server_.Add(promoted);
  const v1::Completed completed = AwaitFinal(2)[1].completed();
  EXPECT_EQ(completed.error(), 0.25);
  ASSERT_TRUE(Eventually([&] { return Checkpoints().count(first) == 0; }));
  EXPECT_THAT(Checkpoints(), ElementsAre(completed.checkpoint_id()));
}

TEST_F(AgentTest, CheckpointStaysWhenTheReportIsRefused) {
  WriteFile(temp_.File("x"), "");
  std::filesystem::create_directory(checkpoint_dir());
  WriteFile(checkpoint_dir() + "/old.ckpt", "epoch 1");
  v1::Assignment assignment = MakeAssignment(1);
  assignment.set_from_epoch(1);
  assignment.set_checkpoint_id("old.ckpt");
  server_.set_on_report([](const v1::ReportRequest& request, int) {
    if (!request.has_completed()) return std::optional<FakeServer::Answer>();
    return std::optional<FakeServer::Answer>(
        {{grpc::StatusCode::FAILED_PRECONDITION, "handed out again"}, {}});
  });
  server_.Add(assignment);
  StartAgent();
  AwaitFinal(1);
  ASSERT_TRUE(AwaitAsks(2));
  EXPECT_EQ(Checkpoints().count("old.ckpt"), 1U) << "the newer attempt may start from it";
}

TEST_F(AgentTest, CheckpointOfARefusedResultIsRemoved) {
  server_.set_on_report([](const v1::ReportRequest& request, int) {
    if (!request.has_completed()) return std::optional<FakeServer::Answer>();
    return std::optional<FakeServer::Answer>(
        {{grpc::StatusCode::FAILED_PRECONDITION, "handed out again"}, {}});
  });
  server_.Add(MakeAssignment(1));
  StartAgent();
  EXPECT_THAT(AwaitFinal(1)[0].completed().checkpoint_id(), StartsWith("s.1.2."));
  EXPECT_TRUE(Eventually([&] { return Checkpoints().empty(); }));
}

// Epoch 2 is the last one: its checkpoint leaves nothing to train, so that only the first is of use
// to the next attempt.
TEST_F(AgentTest, ATrainerThatDiesBeforeItsResultLeavesTheCheckpointBefore) {
  std::filesystem::create_directory(checkpoint_dir());
  server_.Add(MakeScripted(1, {PrintEpoch(1), Step("checkpoint", "epoch 1"), PrintCheckpoint(1),
                               Step("await", temp_.File("go")), Step("checkpoint", "epoch 2"),
                               PrintCheckpoint(2), Step("exit", 1)}));
  StartAgent();
  ASSERT_TRUE(Eventually([&] { return Checkpoints().size() == 1; }));
  WriteFile(temp_.File("go"), "");
  EXPECT_TRUE(AwaitFinal(1)[0].failed().retryable());
  const v1::Progress last = server_.progress_reports().back().progress();
  EXPECT_EQ(last.checkpoint_epoch(), 1);
  EXPECT_THAT(Checkpoints(), ElementsAre(last.checkpoint_id()));
}

TEST_F(AgentTest, AResultWithoutACheckpointOfItsEpochIsPrecededByTheNewestOne) {
  server_.Add(MakeScripted(
      1, {PrintEpoch(1), Step("checkpoint", "epoch 1"), PrintCheckpoint(1), PrintDone()}));
  StartAgent();
  EXPECT_THAT(AwaitFinal(1)[0].completed().checkpoint_id(), IsEmpty());
  ASSERT_FALSE(server_.progress_reports().empty());
  const v1::Progress last = server_.progress_reports().back().progress();
  EXPECT_EQ(last.checkpoint_epoch(), 1);
  EXPECT_THAT(Checkpoints(), ElementsAre(last.checkpoint_id()));
}

TEST_F(AgentTest, MissingCheckpointGivesTheTrialBack) {
  v1::Assignment assignment = MakeAssignment(1);
  assignment.set_from_epoch(1);
  assignment.set_checkpoint_id("s.1.1.feed.ckpt");
  server_.Add(assignment);
  StartAgent();
  const v1::Returned returned = AwaitFinal(1)[0].returned();
  EXPECT_EQ(returned.unusable_checkpoint_id(), "s.1.1.feed.ckpt");
  EXPECT_THAT(returned.reason(),
              HasSubstr(absl::StrCat("not in --checkpoint-dir ", checkpoint_dir(), " (worker w)")));
}

TEST_F(AgentTest, CheckpointIdThatIsAPathGivesTheTrialBack) {
  WriteFile(temp_.File("outside"), "epoch 1");
  v1::Assignment assignment = MakeAssignment(1);
  assignment.set_from_epoch(1);
  assignment.set_checkpoint_id("../outside");
  server_.Add(assignment);
  StartAgent();
  EXPECT_EQ(AwaitFinal(1)[0].returned().unusable_checkpoint_id(), "../outside");
}

TEST_F(AgentTest, CheckpointThatTheTrainerCannotUseGivesTheTrialBack) {
  std::filesystem::create_directory(checkpoint_dir());
  WriteFile(checkpoint_dir() + "/bad.ckpt", "garbage");
  v1::Assignment assignment = MakeAssignment(1);
  assignment.set_from_epoch(1);
  assignment.set_checkpoint_id("bad.ckpt");
  server_.Add(assignment);
  StartAgent();
  const v1::Returned returned = AwaitFinal(1)[0].returned();
  EXPECT_EQ(returned.unusable_checkpoint_id(), "bad.ckpt");
  EXPECT_THAT(returned.reason(), HasSubstr("not a checkpoint of mine"));
}

TEST_F(AgentTest, CrashIsRetryableWithItsStderrAndKeepsItsCheckpoint) {
  server_.Add(MakeScripted(1, {PrintEpoch(1), Step("checkpoint", "epoch 1"), PrintCheckpoint(1),
                               Step("stderr", "CUDA error: out of memory"), Step("signal", 11)}));
  StartAgent();
  const v1::Failed failed = AwaitFinal(1)[0].failed();
  EXPECT_TRUE(failed.retryable());
  EXPECT_THAT(failed.reason(), AllOf(HasSubstr("was killed by signal 11 (SIGSEGV)"),
                                     HasSubstr("CUDA error: out of memory")));
  const v1::Progress last = server_.progress_reports().back().progress();
  EXPECT_EQ(last.checkpoint_epoch(), 1);
  EXPECT_THAT(Checkpoints(), ElementsAre(last.checkpoint_id()));
}

TEST_F(AgentTest, WorkerWhoseTrainerKeepsCrashingSlowsDown) {
  std::atomic<absl::Time> second_crash = absl::InfiniteFuture();
  std::atomic<absl::Time> next_ask = absl::InfinitePast();
  server_.set_on_report([&](const v1::ReportRequest& request, int) {
    if (request.lease_id() == "lease-2") second_crash = Clock::Real()->Now();
    return std::optional<FakeServer::Answer>();
  });
  server_.set_on_suggest([&](const v1::SuggestRequest&, int nth, v1::SuggestResponse*) {
    if (nth == 2) next_ask = Clock::Real()->Now();
    return grpc::Status::OK;
  });
  for (const int64_t id : {1, 2, 3}) server_.Add(MakeScripted(id, {Step("exit", 1)}));
  StartAgent();
  const std::vector<v1::ReportRequest> reports = AwaitFinal(3);
  EXPECT_FALSE(reports[0].has_next());
  EXPECT_FALSE(reports[1].has_next());
  EXPECT_GE(next_ask.load() - second_crash.load(), absl::Seconds(1))
      << "or one broken machine would fail every trial of a study";
}

TEST_F(AgentTest, ReasonThatIsNotUtf8StillArrives) {
  WriteFile(temp_.File("noise"), "caf\xE9\n");
  StartAgent(absl::Seconds(10), absl::StrCat("cat ", temp_.File("noise"), " >&2; exit 3"));
  server_.Add(MakeAssignment(1));
  EXPECT_THAT(AwaitFinal(1)[0].failed().reason(),
              AllOf(HasSubstr("status 3"), HasSubstr("caf\xEF\xBF\xBD")));
}

TEST_F(AgentTest, MalformedLineFailsForGood) {
  server_.Add(MakeScripted(1, {Print("{\"epoch\":\"one\"}"), Step("hang")}));
  StartAgent();
  const v1::Failed failed = AwaitFinal(1)[0].failed();
  EXPECT_FALSE(failed.retryable());
  EXPECT_THAT(failed.reason(), HasSubstr("one"));
}

TEST_F(AgentTest, FailureIsPassedOnAsTheTrainerSaysIt) {
  server_.Add(MakeScripted(1, {Print(R"({"failed":{"reason":"no such GPU","retryable":true}})")}));
  server_.Add(MakeScripted(2, {Print(R"({"failed":{"reason":"batch_size"}})")}));
  StartAgent();
  const std::vector<v1::ReportRequest> reports = AwaitFinal(2);
  EXPECT_EQ(reports[0].failed().reason(), "no such GPU");
  EXPECT_TRUE(reports[0].failed().retryable());
  EXPECT_EQ(reports[1].failed().reason(), "batch_size");
  EXPECT_FALSE(reports[1].failed().retryable());
}

TEST_F(AgentTest, DivergedTrainingIsAResult) {
  server_.Add(MakeScripted(
      1, {Print("{\"epoch\":1,\"error\":Infinity}"), Print("{\"done\":{\"error\":NaN}}")}));
  StartAgent();
  const v1::Completed completed = AwaitFinal(1)[0].completed();
  ASSERT_TRUE(completed.has_error());
  EXPECT_TRUE(std::isnan(completed.error()));
  EXPECT_THAT(completed.checkpoint_id(), IsEmpty());
}

TEST_F(AgentTest, OnlyACheckpointOfTheLastEpochIsNamed) {
  server_.Add(MakeScripted(1, {PrintEpoch(1), Step("checkpoint", "epoch 1"), PrintCheckpoint(1),
                               PrintEpoch(2), PrintDone()}));
  StartAgent();
  EXPECT_THAT(AwaitFinal(1)[0].completed().checkpoint_id(), IsEmpty());
}

TEST_F(AgentTest, NewerCheckpointReplacesTheOneBefore) {
  server_.Add(MakeScripted(1, {Step("checkpoint", "epoch 1"), PrintCheckpoint(1),
                               Step("checkpoint", "epoch 2"), PrintCheckpoint(2), PrintDone()}));
  StartAgent();
  const std::string id = AwaitFinal(1)[0].completed().checkpoint_id();
  ASSERT_TRUE(Eventually([&] { return Checkpoints().size() == 1; }));
  EXPECT_EQ(ReadFile(absl::StrCat(checkpoint_dir(), "/", id)), "epoch 2");
}

TEST_F(AgentTest, FileThatWasOverwrittenBeforeItWasTakenHoldsTheLaterEpoch) {
  // Both lines are there when the worker comes to read, and one file.
  server_.Add(MakeScripted(1, {Step("checkpoint", "epoch 2"),
                               Print("{\"checkpoint\":{\"epoch\":1}}\n"
                                     "{\"checkpoint\":{\"epoch\":2}}"),
                               PrintDone()}));
  StartAgent();
  const std::string id = AwaitFinal(1)[0].completed().checkpoint_id();
  EXPECT_THAT(id, StartsWith("s.1.2."));
  EXPECT_EQ(ReadFile(absl::StrCat(checkpoint_dir(), "/", id)), "epoch 2");
}

TEST_F(AgentTest, NonsenseAssignmentIsRefused) {
  v1::Assignment backwards = MakeAssignment(1);
  backwards.set_from_epoch(3);
  backwards.set_checkpoint_id("x");
  server_.Add(backwards);
  v1::Assignment from_nothing = MakeAssignment(2);
  from_nothing.set_from_epoch(1);
  server_.Add(from_nothing);
  StartAgent();
  const std::vector<v1::ReportRequest> reports = AwaitFinal(2);
  EXPECT_THAT(reports[0].failed().reason(), HasSubstr("from epoch 3 to 2"));
  EXPECT_THAT(reports[1].failed().reason(), HasSubstr("without a checkpoint_id"));
}

}  // namespace
}  // namespace halving
