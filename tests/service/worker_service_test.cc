// Suggest and Report as a worker meets them, over the wire.
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/service/messages.h"
#include "tests/service/server_fixture.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

// ---- Suggest

TEST(SuggestTest, GivesAllThatATrainerNeeds) {
  ServerFixture f;
  v1::StudySpec spec = FlatSpec("s", 1);
  *spec.mutable_objective_options() =
      Parse<google::protobuf::Struct>("fields { key: 'classes' value { number_value: 10 } }");
  *spec.add_initial_configs() =
      Parse<google::protobuf::Struct>("fields { key: 'x' value { number_value: 0.25 } }");
  ASSERT_THAT(f.Create(spec), IsOk());
  const v1::Assignment got = f.Take("a", "r1");
  EXPECT_EQ(got.study(), "s");
  EXPECT_EQ(got.trial_id(), 1);
  EXPECT_EQ(got.attempt(), 1);
  EXPECT_EQ(got.objective(), "lenet");
  EXPECT_EQ(got.objective_options().fields().at("classes").number_value(), 10);
  EXPECT_EQ(got.config().fields().at("x").number_value(), 0.25);
  EXPECT_EQ(got.from_epoch(), 0);
  EXPECT_EQ(got.to_epoch(), 1);
  EXPECT_EQ(got.checkpoint_id(), "");
  EXPECT_EQ(got.lease().seconds(), 60);
  EXPECT_GE(got.seed(), 0);
  EXPECT_THAT(got.lease_id(), testing::Not(testing::IsEmpty()));
}

TEST(SuggestTest, GoesOnFromACheckpoint) {
  ServerFixture f;
  v1::StudySpec spec = FlatSpec("s", 2);
  spec.mutable_halving()->set_max_epochs(2);  // Rungs of one and two epochs: two trials, then one.
  spec.mutable_limits()->set_max_evaluations(3);
  ASSERT_THAT(f.Create(spec), IsOk());
  for (const std::string id : {"1", "2"}) {
    const v1::Assignment got = f.Take("a", id);
    ASSERT_THAT(f.Report(ReportOf(got.lease_id(), absl::StrCat("completed { error: 0.", id,
                                                               " checkpoint_id: 'c", id, "' }"))),
                IsOk());
  }
  const v1::Assignment promoted = f.Take("a", "3");
  EXPECT_EQ(promoted.trial_id(), 1);
  EXPECT_EQ(promoted.from_epoch(), 1);
  EXPECT_EQ(promoted.to_epoch(), 2);
  EXPECT_EQ(promoted.checkpoint_id(), "c1");
}

TEST(SuggestTest, WithoutWorkAndWaitSaysWhenToAskAgain) {
  ServerFixture f;
  const absl::StatusOr<v1::SuggestResponse> response = f.Suggest(AskOf("a", "r1"));
  ASSERT_THAT(response, IsOk());
  EXPECT_FALSE(response->has_assignment());
  EXPECT_FALSE(response->draining());
  EXPECT_GT(response->retry_after().seconds(), 0);
}

TEST(SuggestTest, WaitsForWork) {
  ServerFixture f;
  auto waiting = f.StartSuggest(AskOf("a", "r1", 30));
  f.AwaitWorkers(1);
  ASSERT_THAT(f.Create(FlatSpec("s", 1)), IsOk());
  const absl::StatusOr<v1::SuggestResponse> response = waiting.get();
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->assignment().trial_id(), 1);
}

TEST(SuggestTest, WaitsNoLongerThanItSays) {
  ServerFixture f;
  auto waiting = f.StartSuggest(AskOf("a", "r1", 3));
  f.AwaitWorkers(1);
  f.Pass(absl::Seconds(3));
  const absl::StatusOr<v1::SuggestResponse> response = waiting.get();
  ASSERT_THAT(response, IsOk());
  EXPECT_FALSE(response->has_assignment());
  EXPECT_FALSE(response->has_retry_after()) << "it has waited already";
}

TEST(SuggestTest, WaitsNoLongerThanThirtySeconds) {
  ServerFixture f;
  auto waiting = f.StartSuggest(AskOf("a", "r1", 3600));
  f.AwaitWorkers(1);
  f.Pass(absl::Seconds(30));
  EXPECT_THAT(waiting.get(), IsOk());
}

TEST(SuggestTest, SentAgainGivesTheSameLease) {
  ServerFixture f;
  ASSERT_THAT(f.Create(FlatSpec("s", 3)), IsOk());
  EXPECT_EQ(f.Take("a", "r1").lease_id(), f.Take("a", "r1").lease_id());
  EXPECT_EQ(f.Take("a", "r2").trial_id(), 2);
}

TEST(SuggestTest, OfAProcessThatWasReplacedIsRefused) {
  ServerFixture f;
  ASSERT_THAT(f.Create(FlatSpec("s", 3)), IsOk());
  v1::SuggestRequest old = AskOf("a", "r1");
  old.set_incarnation("1");
  v1::SuggestRequest fresh = AskOf("a", "r2");
  fresh.set_incarnation("2");
  ASSERT_THAT(f.Suggest(old), IsOk());
  ASSERT_THAT(f.Suggest(fresh), IsOk());
  old.set_request_id("r3");
  EXPECT_THAT(f.Suggest(old), StatusIs(StatusCode::kFailedPrecondition, HasSubstr("\"a\"")));
}

TEST(SuggestTest, OfAWrongShapeIsRefused) {
  ServerFixture f;
  EXPECT_THAT(f.Suggest(AskOf("a b", "r1")),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("worker_id is \"a b\"")));
  EXPECT_THAT(f.Suggest(AskOf("a", "r1", -1)),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("wait is -1 s")));
}

TEST(SuggestTest, WhoseCallerLeftGetsNoTrial) {
  ServerFixture f;
  grpc::ClientContext context;
  std::future<grpc::Status> left = std::async(std::launch::async, [&f, &context] {
    v1::SuggestResponse response;
    return f.workers->Suggest(&context, AskOf("a", "r1", 30), &response);
  });
  f.AwaitWorkers(1);
  context.TryCancel();
  EXPECT_EQ(left.get().error_code(), grpc::StatusCode::CANCELLED);
  f.LetTheServerRead();
  ASSERT_THAT(f.Create(FlatSpec("s", 1)), IsOk());
  EXPECT_EQ(f.Take("b", "r2").trial_id(), 1);
}

TEST(SuggestTest, WhoseDeadlineIsOverGetsNoTrial) {
  ServerFixture f;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now());  // Before the server has read it.
  v1::SuggestResponse response;
  EXPECT_EQ(f.workers->Suggest(&context, AskOf("a", "r1", 30), &response).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  f.LetTheServerRead();
  ASSERT_THAT(f.Create(FlatSpec("s", 1)), IsOk());
  EXPECT_EQ(f.Take("b", "r2").trial_id(), 1);
}

// Each call is made and cancelled at once, so that it is caught at every stage of its life.
TEST(SuggestTest, ManyCallersWhoLeaveAtAnyTimeLeaveNothingBehind) {
  ServerFixture f;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&f, caller] {
      for (int i = 0; i < 100; ++i) {
        grpc::ClientContext context;
        std::thread cancel([&context] { context.TryCancel(); });
        v1::SuggestResponse response;
        f.workers->Suggest(&context, AskOf("a", absl::StrCat(caller, "-", i), 30), &response);
        cancel.join();
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  f.LetTheServerRead();
  ASSERT_THAT(f.Create(FlatSpec("s", 1)), IsOk());
  EXPECT_EQ(f.Take("b", "r").trial_id(), 1);
}

// ---- Report

TEST(ReportTest, WithNextGetsTheNextTrial) {
  ServerFixture f;
  ASSERT_THAT(f.Create(FlatSpec("s", 2)), IsOk());
  v1::ReportRequest request = CompletedOf(f.Take("a", "r1").lease_id(), 0.5);
  *request.mutable_next() = AskOf("a", "r2", 30);
  const absl::StatusOr<v1::ReportResponse> response = f.Report(request);
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->directive(), v1::DIRECTIVE_CONTINUE);
  EXPECT_EQ(response->next().assignment().trial_id(), 2);
  const absl::StatusOr<v1::ReportResponse> again = f.Report(request);
  ASSERT_THAT(again, IsOk());
  EXPECT_TRUE(again->duplicate());
  EXPECT_EQ(again->next().assignment().lease_id(), response->next().assignment().lease_id());
}

TEST(ReportTest, WhoseNextFindsNoWorkSaysWhenToAskAgain) {
  ServerFixture f;
  ASSERT_THAT(f.Create(FlatSpec("s", 1)), IsOk());
  v1::ReportRequest request = CompletedOf(f.Take("a", "r1").lease_id(), 0.5);
  *request.mutable_next() = AskOf("a", "r2");
  const absl::StatusOr<v1::ReportResponse> response = f.Report(request);
  ASSERT_THAT(response, IsOk());
  ASSERT_TRUE(response->has_next());
  EXPECT_FALSE(response->next().has_assignment());
  EXPECT_GT(response->next().retry_after().seconds(), 0);
}

TEST(ReportTest, WithoutNextGetsNone) {
  ServerFixture f;
  ASSERT_THAT(f.Create(FlatSpec("s", 2)), IsOk());
  const absl::StatusOr<v1::ReportResponse> response =
      f.Report(CompletedOf(f.Take("a", "r1").lease_id(), 0.5));
  ASSERT_THAT(response, IsOk());
  EXPECT_FALSE(response->has_next());
}

TEST(ReportTest, WhoseNextIsOfAWrongShapeCountsAllTheSame) {
  ServerFixture f;
  ASSERT_THAT(f.Create(FlatSpec("s", 2)), IsOk());
  v1::ReportRequest request = CompletedOf(f.Take("a", "r1").lease_id(), 0.5);
  *request.mutable_next() = AskOf("a b", "r2");
  const absl::StatusOr<v1::ReportResponse> response = f.Report(request);
  ASSERT_THAT(response, IsOk());
  EXPECT_FALSE(response->has_next());
  EXPECT_EQ(f.Status("s").evaluations(), 1);
}

TEST(ReportTest, ShowsInTheTrial) {
  ServerFixture f;
  v1::StudySpec spec = FlatSpec("s", 1);
  spec.mutable_halving()->set_min_epochs(3);
  spec.mutable_halving()->set_max_epochs(3);
  ASSERT_THAT(f.Create(spec), IsOk());
  const std::string lease = f.Take("a", "r1").lease_id();
  ASSERT_THAT(f.Report(ReportOf(lease, R"(progress {
                 points { epoch: 1 error: 0.5 } points { epoch: 2 error: nan }
                 checkpoint_id: 'c2' checkpoint_epoch: 2 })")),
              IsOk());
  EXPECT_EQ(f.Status("s").running(0).epoch(), 2);
  EXPECT_TRUE(f.Trial("s", 1).has_checkpoint());
  ASSERT_THAT(f.Report(ReportOf(lease, R"(completed {
                 error: 0.25 points { epoch: 3 error: 0.25 } train_time { seconds: 7 }
                 metrics { key: 'test_error' value: 0.3 } })")),
              IsOk());
  const v1::Trial trial = f.Trial("s", 1);
  EXPECT_EQ(trial.curve_size(), 3);
  ASSERT_EQ(trial.results_size(), 1);
  EXPECT_EQ(trial.results(0).epochs(), 3);
  EXPECT_EQ(trial.results(0).error(), 0.25);
  EXPECT_EQ(trial.results(0).train_time().seconds(), 7);
  EXPECT_EQ(trial.results(0).worker_id(), "a");
  EXPECT_EQ(trial.results(0).metrics().at("test_error"), 0.3);
}

TEST(ReportTest, OfAWrongShapeOrEpochIsRefusedAndTheLeaseLives) {
  ServerFixture f;
  ASSERT_THAT(f.Create(FlatSpec("s", 1)), IsOk());
  const std::string lease = f.Take("a", "r1").lease_id();
  for (const std::string outcome :
       {"", "completed {}", "progress { points { epoch: 2 error: 1 } }",
        "progress { points { epoch: 0 error: 1 } }",
        "progress { checkpoint_id: 'c' checkpoint_epoch: 2 }", "progress {} next {}"}) {
    EXPECT_THAT(f.Report(ReportOf(lease, outcome)), StatusIs(StatusCode::kInvalidArgument))
        << outcome;
  }
  EXPECT_THAT(f.Report(CompletedOf(lease, 0.5)), IsOk());
}

TEST(ReportTest, ThatIsRefusedWhileTheDiskIsFullIsADuplicateAfterwards) {
  ServerFixture f;
  ASSERT_THAT(f.Create(FlatSpec("s", 1)), IsOk());
  const std::string lease = f.Take("a", "r1").lease_id();
  f.journal.FillDisk();
  EXPECT_THAT(f.Report(CompletedOf(lease, 0.5)),
              StatusIs(StatusCode::kUnavailable,
                       AllOf(HasSubstr("disk"), HasSubstr("Send the same request again"))));
  EXPECT_THAT(f.Suggest(AskOf("a", "r2", 30)), StatusIs(StatusCode::kUnavailable));
  f.journal.MakeRoom();
  f.Pass(absl::Seconds(1));
  const absl::StatusOr<v1::ReportResponse> again = f.Report(CompletedOf(lease, 0.5));
  ASSERT_THAT(again, IsOk());
  EXPECT_TRUE(again->duplicate());
}

}  // namespace
}  // namespace halving
