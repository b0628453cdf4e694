// Lines of trainers, from reports to GetTrialLog, over the wire.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/service/trial_log_view.h"
#include "tests/service/messages.h"
#include "tests/service/server_fixture.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class TrialLogTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(f.Create(FlatSpec("s", 3)), IsOk()); }

  absl::StatusOr<v1::TrialLog> Get(const std::string& study, int64_t trial) {
    v1::GetTrialLogRequest request;
    request.set_name(study);
    request.set_trial_id(trial);
    return f.Call(&StudyStub::GetTrialLog, request);
  }
  // "attempt 1 by w from 3: [a][b]"
  std::vector<std::string> Show(int64_t trial, const std::string& study = "s") {
    const absl::StatusOr<v1::TrialLog> got = Get(study, trial);
    EXPECT_THAT(got, IsOk());
    const v1::TrialLog log = got.value_or(v1::TrialLog());
    std::vector<std::string> shown;
    for (const v1::AttemptLog& attempt : log.attempts()) {
      std::string text = absl::StrCat("attempt ", attempt.attempt(), " by ", attempt.worker_id(),
                                      " from ", attempt.first_line(), ": ");
      for (const std::string& line : attempt.lines()) absl::StrAppend(&text, "[", line, "]");
      shown.push_back(std::move(text));
    }
    return shown;
  }
  absl::StatusOr<v1::ReportResponse> Report(const v1::Assignment& held, const std::string& report) {
    return f.Report(ReportOf(held.lease_id(), report));
  }

  ServerFixture f;
};

TEST_F(TrialLogTest, LinesOfProgressAndOutcomeAreThereWithTheirAttemptAndWorker) {
  const v1::Assignment first = f.Take("w1", "r1");
  EXPECT_THAT(Show(1), IsEmpty());
  ASSERT_THAT(Report(first, "progress {} log { first_line: 1 lines: 'a' lines: 'b' }"), IsOk());
  EXPECT_THAT(Show(1), ElementsAre("attempt 1 by w1 from 1: [a][b]"));
  ASSERT_THAT(
      Report(first, "failed { retryable: true } log { first_line: 2 lines: 'b' lines: 'c' }"),
      IsOk());
  const v1::Assignment second = f.Take("w2", "r2");
  ASSERT_EQ(second.trial_id(), 1);
  ASSERT_THAT(Report(second, "completed { error: 1 } log { first_line: 1 lines: 'z' }"), IsOk());
  EXPECT_THAT(Show(1),
              ElementsAre("attempt 1 by w1 from 1: [a][b][c]", "attempt 2 by w2 from 1: [z]"));
  EXPECT_EQ(absl::FromUnixSeconds(Get("s", 1)->attempts(0).update_time().seconds()),
            absl::FromUnixSeconds(absl::ToUnixSeconds(f.clock.Now())));
}

TEST_F(TrialLogTest, TheWorkerIsKnownWhenTheOnlyReportEndsTheAttempt) {
  const std::string log = " log { first_line: 1 lines: 'a' }";
  for (const std::string outcome :
       {"completed { error: 1 }", "failed { retryable: true }", "returned {}", "failed {}"}) {
    const v1::Assignment held = f.Take("w", outcome);
    ASSERT_THAT(Report(held, outcome + log), IsOk()) << outcome;
    EXPECT_THAT(Show(held.trial_id()),
                testing::Contains(absl::StrCat("attempt ", held.attempt(), " by w from 1: [a]")))
        << outcome;
  }
}

TEST_F(TrialLogTest, AReportThatComesLateHasItsLinesAndItsWorker) {
  const v1::Assignment held = f.Take("w", "r");
  f.Pass(absl::Seconds(61));
  ASSERT_EQ(f.Trial("s", 1).failures(), 1);
  ASSERT_THAT(Report(held, "failed {} log { first_line: 1 lines: 'a' }"), IsOk());
  EXPECT_THAT(Show(1), ElementsAre("attempt 1 by w from 1: [a]"));
}

TEST_F(TrialLogTest, ARepeatedReportAddsNothing) {
  const v1::Assignment held = f.Take("w", "r");
  const std::string report = "completed { error: 1 } log { first_line: 1 lines: 'a' }";
  ASSERT_THAT(Report(held, report), IsOk());
  const absl::StatusOr<v1::ReportResponse> again = Report(held, report);
  ASSERT_THAT(again, IsOk());
  EXPECT_TRUE(again->duplicate());
  EXPECT_THAT(Show(1), ElementsAre("attempt 1 by w from 1: [a]"));
}

TEST_F(TrialLogTest, ARefusedReportLeavesNoLines) {
  const v1::Assignment held = f.Take("w", "r");
  ASSERT_THAT(Report(held, "completed { error: 1 }"), IsOk());
  EXPECT_THAT(Report(held, "completed { error: 2 } log { first_line: 1 lines: 'a' }"),
              StatusIs(StatusCode::kAlreadyExists));
  EXPECT_THAT(Show(1), IsEmpty());
}

TEST_F(TrialLogTest, UnknownStudiesAndTrialsAreNotFound) {
  EXPECT_THAT(Get("nobody", 1), StatusIs(StatusCode::kNotFound, HasSubstr("no study \"nobody\"")));
  EXPECT_THAT(Get("s", 1), StatusIs(StatusCode::kNotFound, HasSubstr("no trial 1; it has 1 to 0")));
}

TEST_F(TrialLogTest, ADeletedStudyLeavesNothing) {
  const v1::Assignment held = f.Take("w", "r");
  ASSERT_THAT(Report(held, "progress {} log { first_line: 1 lines: 'a' }"), IsOk());
  f.logs.Flush();
  const auto stop = &StudyStub::StopStudy;
  ASSERT_THAT((f.Named<v1::StopStudyRequest, v1::Study>(stop, "s")), IsOk());
  const auto remove = &StudyStub::DeleteStudy;
  ASSERT_THAT((f.Named<v1::DeleteStudyRequest, v1::DeleteStudyResponse>(remove, "s")), IsOk());
  EXPECT_THAT(Get("s", 1), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(f.logs.Read(1, 1), IsEmpty());
}

TEST_F(TrialLogTest, TooMuchIsCutAndNeverRefused) {
  const v1::Assignment held = f.Take("w", "r");
  v1::ReportRequest report = ReportOf(held.lease_id(), "progress {} log { first_line: 1 }");
  for (int i = 0; i < 1000; ++i) report.mutable_log()->add_lines(std::string(1000, '.'));
  report.mutable_log()->add_lines(std::string(100'000, 'x'));
  ASSERT_THAT(f.Report(report), IsOk());
  const absl::StatusOr<v1::TrialLog> log = Get("s", 1);
  ASSERT_THAT(log, IsOk());
  ASSERT_EQ(log->attempts_size(), 1);
  const v1::AttemptLog& attempt = log->attempts(0);
  EXPECT_EQ(attempt.first_line() + attempt.lines_size() - 1, 1001);
  EXPECT_LE(attempt.ByteSizeLong(), 66U << 10);
  EXPECT_GE(attempt.ByteSizeLong(), 60U << 10);
  EXPECT_THAT(attempt.lines(attempt.lines_size() - 1),
              std::string(8192, 'x') + " [91808 more bytes]");
}

// Pure parts.

TEST(PrintedBy, LinesWithoutANumberBeginAtOne) {
  v1::TrainerLog log;
  log.add_lines("a");
  EXPECT_EQ(PrintedBy(log, {}).first_line, 1);
  log.set_first_line(-7);
  EXPECT_EQ(PrintedBy(log, {}).first_line, 1);
}

TEST(PrintedBy, EmptyLinesAreBoundedToo) {
  v1::TrainerLog log;
  log.set_first_line(1);
  for (int i = 0; i < 1'000'000; ++i) log.add_lines("");
  const PrintedLines printed = PrintedBy(log, {});
  EXPECT_LE(printed.lines.size(), 16384U);
  EXPECT_EQ(printed.first_line + static_cast<int64_t>(printed.lines.size()), 1'000'001);
}

TEST(PrintedBy, NumbersDoNotOverflow) {
  v1::TrainerLog log;
  log.set_first_line(INT64_MAX);
  for (int i = 0; i < 100'000; ++i) log.add_lines("");
  EXPECT_EQ(PrintedBy(log, {}).first_line, INT64_MAX);
}

}  // namespace
}  // namespace halving
