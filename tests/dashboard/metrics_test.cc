// What /metrics counts.
#include <future>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "tests/dashboard/dashboard_fixture.h"

namespace halving {
namespace {

class MetricsTest : public testing::Test {
 protected:
  // Of the series of just that name and those labels; -1: there is none.
  double Value(const std::string& series) {
    for (const absl::string_view line : absl::StrSplit(f.Get("/metrics").body, '\n')) {
      double value = 0;
      const size_t end = line.rfind(' ');
      if (line.substr(0, end) == series && absl::SimpleAtod(line.substr(end + 1), &value)) {
        return value;
      }
    }
    return -1;
  }

  DashboardFixture f;
};

TEST_F(MetricsTest, AsksAndReportsAreCountedByWhatCameOfThem) {
  ASSERT_THAT(f.Create(TwoRungs("s", 30)), IsOk());
  const v1::Assignment first = f.Take("w", "1");
  ASSERT_THAT(f.Report(ReportOf(first.lease_id(), "progress {}")), IsOk());
  v1::ReportRequest done = CompletedOf(first.lease_id(), 0.5);
  *done.mutable_next() = AskOf("w", "2");
  ASSERT_THAT(f.Report(done), IsOk());
  ASSERT_THAT(f.Report(CompletedOf(first.lease_id(), 0.5)), IsOk());
  EXPECT_FALSE(f.Report(CompletedOf(first.lease_id(), 0.25)).ok());
  EXPECT_FALSE(f.Suggest(AskOf("", "x")).ok());
  EXPECT_EQ(Value("halving_asks_total{result=\"assigned\"}"), 2);
  EXPECT_EQ(Value("halving_asks_total{result=\"refused\"}"), 1);
  EXPECT_EQ(Value("halving_reports_total{outcome=\"progress\",result=\"counted\"}"), 1);
  EXPECT_EQ(Value("halving_reports_total{outcome=\"completed\",result=\"counted\"}"), 1);
  EXPECT_EQ(Value("halving_reports_total{outcome=\"completed\",result=\"duplicate\"}"), 1);
  EXPECT_EQ(Value("halving_reports_total{outcome=\"completed\",result=\"refused\"}"), 1);
  EXPECT_EQ(Value("halving_rpcs_total{code=\"ALREADY_EXISTS\",method=\"Report\"}"), 1);
  EXPECT_EQ(Value("halving_rpcs_total{code=\"OK\",method=\"CreateStudy\"}"), 1);
  EXPECT_EQ(Value("halving_rpc_duration_seconds_count{method=\"Report\"}"), 4);
}

TEST_F(MetricsTest, AnAskThatWaitedIsTimedApart) {
  auto waiting = f.StartSuggest(AskOf("w", "1", 20));
  f.AwaitWorkers(1);
  ServerFixture::Await("it waits", [this] { return Value("halving_waiting_asks") == 1; });
  ASSERT_THAT(f.Create(TwoRungs("s", 30)), IsOk());
  ASSERT_THAT(waiting.get(), IsOk());
  EXPECT_EQ(Value("halving_ask_wait_seconds_count"), 1);
  EXPECT_EQ(Value("halving_rpc_duration_seconds_count{method=\"Suggest\"}"), -1);
  EXPECT_EQ(Value("halving_workers{state=\"busy\"}"), 1);
}

TEST_F(MetricsTest, WhatHappensToTrialsIsCounted) {
  ASSERT_THAT(f.Create(TwoRungs("s", 30)), IsOk());
  f.Finish(0.5);
  f.Finish(0.25);  // The rung is full: one goes on.
  f.Take("lost", "1");
  f.Pass(absl::Minutes(2));
  EXPECT_EQ(Value("halving_promotions_total"), 1);
  EXPECT_EQ(Value("halving_leases_lost_total"), 1);
  EXPECT_EQ(Value("halving_attempts_failed_total{cause=\"lease_expired\"}"), 1);
  EXPECT_EQ(Value("halving_epochs_trained_total"), 2);
  EXPECT_EQ(Value("halving_study_trials{study=\"s\",state=\"queued\"}"), 1);
  EXPECT_EQ(Value("halving_study_best_error{study=\"s\"}"), 0.25);
  EXPECT_EQ(Value("halving_study_evaluations{study=\"s\"}"), 2);
  EXPECT_GT(Value("halving_journal_commit_duration_seconds_count"), 3);
  EXPECT_EQ(Value("halving_journal_events_total"), static_cast<double>(f.journal.events().size()));
  EXPECT_EQ(Value("halving_journal_bytes"), 7);
  EXPECT_EQ(Value("halving_checkpoint_bytes"), 8);
  EXPECT_EQ(Value("halving_checkpoint_limit_bytes"), 9);
  EXPECT_GT(Value("process_resident_memory_bytes"), 1e6);
}

TEST_F(MetricsTest, ACallThatDoesNotExistHasNoSeries) {
  grpc::GenericStub stub(f.channel);
  grpc::ClientContext context;
  const grpc::Slice nothing;
  grpc::ByteBuffer request(&nothing, 1);
  grpc::ByteBuffer response;
  std::promise<grpc::Status> called;
  stub.UnaryCall(&context, "/halving.v1.StudyService/Evil", {}, &request, &response,
                 [&called](grpc::Status status) { called.set_value(std::move(status)); });
  EXPECT_EQ(called.get_future().get().error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_THAT(f.Get("/metrics").body, testing::Not(testing::HasSubstr("Evil")));
}

TEST_F(MetricsTest, EpochsOfDeletedStudiesStayInTheSum) {
  ASSERT_THAT(f.Create(FlatSpec("s", 1)), IsOk());
  f.Finish(0.5);
  EXPECT_EQ(Value("halving_epochs_trained_total"), 1);
  ASSERT_THAT(f.Named(&StudyStub::DeleteStudy, "s"), IsOk());
  EXPECT_EQ(Value("halving_epochs_trained_total"), 1);
  EXPECT_EQ(Value("halving_studies{state=\"completed\"}"), 0);
}

TEST_F(MetricsTest, OnlyTheNewestStudiesThatHaveNotEndedHaveSeries) {
  for (int i = 0; i < 103; ++i) {
    ASSERT_THAT(f.Create(FlatSpec(absl::StrCat("s", i), 1)), IsOk());
  }
  ASSERT_EQ(f.Post("/api/v1/studies/s102/stop").status, 200);
  std::set<std::string> studies;
  for (const absl::string_view line : absl::StrSplit(f.Get("/metrics").body, '\n')) {
    if (absl::StartsWith(line, "halving_study_evaluations{")) studies.emplace(line);
  }
  EXPECT_EQ(studies.size(), 100);
  EXPECT_EQ(Value("halving_study_evaluations{study=\"s101\"}"), 0);
  EXPECT_EQ(Value("halving_study_evaluations{study=\"s2\"}"), 0);
  EXPECT_EQ(Value("halving_study_evaluations{study=\"s1\"}"), -1);
  EXPECT_EQ(Value("halving_study_evaluations{study=\"s102\"}"), -1) << "it has ended";
  EXPECT_EQ(Value("halving_studies{state=\"running\"}"), 102);
}

}  // namespace
}  // namespace halving
