// Every call of StudyService, when it goes well and when it is refused, over the wire.
#include <future>
#include <set>
#include <string>
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
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;

class StudyServiceTest : public testing::Test {
 protected:
  v1::StudyState StateOf(const std::string& name) { return f.Status(name).study().state(); }

  ServerFixture f;
};

// ---- life of a study

TEST_F(StudyServiceTest, CreateFillsInDefaultsAndSeed) {
  const absl::StatusOr<v1::Study> study = f.Create(FlatSpec("s", 4));
  ASSERT_THAT(study, IsOk());
  EXPECT_EQ(study->state(), v1::STUDY_STATE_RUNNING);
  EXPECT_NE(study->spec().seed(), 0u);
  EXPECT_EQ(study->spec().halving().prefactor(), 1);
  EXPECT_EQ(study->spec().halving().policy(), v1::POLICY_HALVING);
  EXPECT_EQ(study->spec().searcher(), v1::SEARCHER_RANDOM);
  EXPECT_EQ(study->spec().retry().max_attempts(), 3);
  EXPECT_EQ(study->create_time().seconds(), 1'700'000'000);
  EXPECT_FALSE(study->has_end_time());
}

TEST_F(StudyServiceTest, CreateAgainReturnsTheStudyThatIsThere) {
  const absl::StatusOr<v1::Study> first = f.Create(FlatSpec("s", 4));
  const absl::StatusOr<v1::Study> again = f.Create(FlatSpec("s", 4));
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->spec().seed(), first->spec().seed());
}

TEST_F(StudyServiceTest, CreateOfAnotherSpecUnderAUsedNameIsRefused) {
  ASSERT_THAT(f.Create(FlatSpec("s", 4)), IsOk());
  EXPECT_THAT(f.Create(FlatSpec("s", 5)), StatusIs(StatusCode::kAlreadyExists, HasSubstr("\"s\"")));
}

TEST_F(StudyServiceTest, CreateOfASpecThatIsWrongIsRefused) {
  EXPECT_THAT(f.Create(v1::StudySpec()), StatusIs(StatusCode::kInvalidArgument));
  v1::StudySpec endless = FlatSpec("s", 0);
  EXPECT_THAT(f.Create(endless), StatusIs(StatusCode::kInvalidArgument, HasSubstr("limits")));
  EXPECT_THAT(f.Call(&StudyStub::CreateStudy, v1::CreateStudyRequest()),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("name")));
}

TEST_F(StudyServiceTest, EveryPolicyIsServedAndAshaHasNoRounds) {
  for (int policy = v1::POLICY_HALVING; policy <= v1::Policy_MAX; ++policy) {
    v1::StudySpec spec = FlatSpec(absl::StrCat("s", policy), 4);
    spec.mutable_halving()->set_policy(static_cast<v1::Policy>(policy));
    EXPECT_THAT(f.Create(spec), IsOk()) << v1::Policy_Name(spec.halving().policy());
  }
  v1::StudySpec spec = FlatSpec("s", 4);
  spec.mutable_halving()->set_policy(v1::POLICY_ASHA);
  spec.mutable_limits()->set_max_rounds(2);
  EXPECT_THAT(f.Create(spec), StatusIs(StatusCode::kInvalidArgument, HasSubstr("max_rounds is 2")));
}

TEST_F(StudyServiceTest, AWarmStartBeginsWithTheBestConfigsAndMayBeRepeated) {
  ASSERT_THAT(f.Create(FlatSpec("first", 4)), IsOk());
  v1::StudySpec spec = FlatSpec("second", 4);
  spec.mutable_warm_start()->set_study("first");
  EXPECT_THAT(f.Create(spec), StatusIs(StatusCode::kFailedPrecondition, HasSubstr("no result")));
  const v1::Assignment first = f.Take("w", "r1");
  ASSERT_THAT(f.Report(CompletedOf(first.lease_id(), 0.5)), IsOk());
  const absl::StatusOr<v1::Study> study = f.Create(spec);
  ASSERT_THAT(study, IsOk());
  EXPECT_EQ(study->spec().warm_start().trials(), 5);
  ASSERT_EQ(study->spec().initial_configs_size(), 1);
  EXPECT_EQ(study->spec().initial_configs(0).fields().at("x").number_value(),
            first.config().fields().at("x").number_value());
  const v1::Assignment better = f.Take("w", "r2");
  ASSERT_THAT(f.Report(CompletedOf(better.lease_id(), 0.25)), IsOk());
  EXPECT_THAT(f.Create(spec), IsOk()) << "what the other one has found since does not matter";
  spec.mutable_warm_start()->set_study("third");
  spec.set_name("fourth");
  EXPECT_THAT(f.Create(spec), StatusIs(StatusCode::kNotFound, HasSubstr("warm_start.study")));
}

TEST_F(StudyServiceTest, PlanSaysWhatASpecWouldDoAndCreatesNothing) {
  v1::PlanStudyRequest request;
  *request.mutable_study() = FlatSpec("s", 30);
  request.mutable_study()->mutable_halving()->set_min_epochs(2);
  request.mutable_study()->mutable_halving()->set_max_epochs(10);
  const absl::StatusOr<v1::StudyPlan> plan = f.Call(&StudyStub::PlanStudy, request);
  ASSERT_THAT(plan, IsOk());
  std::vector<int64_t> epochs;
  std::vector<int64_t> trials;
  for (const v1::PlannedRung& rung : plan->rungs()) {
    epochs.push_back(rung.epochs());
    trials.push_back(rung.trials());
  }
  EXPECT_THAT(epochs, ElementsAre(2, 4, 8, 10));
  EXPECT_THAT(trials, ElementsAre(8, 4, 2, 1));
  EXPECT_EQ(plan->evaluations_per_round(), 15);
  EXPECT_EQ(plan->epochs_per_round(), 34);
  EXPECT_EQ(plan->rounds(), 2);
  EXPECT_THAT(f.Named(&StudyStub::GetStudy, "s"), StatusIs(StatusCode::kNotFound));
  request.mutable_study()->mutable_halving()->set_eta(1);
  EXPECT_THAT(f.Call(&StudyStub::PlanStudy, request),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("eta is 1")));
}

TEST_F(StudyServiceTest, PauseAndResumeMayBeRepeated) {
  ASSERT_THAT(f.Create(FlatSpec("s", 4)), IsOk());
  for (int i = 0; i < 2; ++i) {
    const absl::StatusOr<v1::Study> paused = f.Named(&StudyStub::PauseStudy, "s");
    ASSERT_THAT(paused, IsOk());
    EXPECT_EQ(paused->state(), v1::STUDY_STATE_PAUSED);
  }
  EXPECT_FALSE(f.Suggest(AskOf("a", "r1"))->has_assignment());
  for (int i = 0; i < 2; ++i) {
    const absl::StatusOr<v1::Study> resumed = f.Named(&StudyStub::ResumeStudy, "s");
    ASSERT_THAT(resumed, IsOk());
    EXPECT_EQ(resumed->state(), v1::STUDY_STATE_RUNNING);
  }
  EXPECT_TRUE(f.Suggest(AskOf("a", "r2"))->has_assignment());
}

TEST_F(StudyServiceTest, StopEndsAStudyForGood) {
  ASSERT_THAT(f.Create(FlatSpec("s", 4)), IsOk());
  f.Take("a", "r1");
  const absl::StatusOr<v1::Study> stopped = f.Named(&StudyStub::StopStudy, "s");
  ASSERT_THAT(stopped, IsOk());
  EXPECT_EQ(stopped->state(), v1::STUDY_STATE_STOPPED);
  EXPECT_THAT(stopped->end_reason(), HasSubstr("stopped"));
  EXPECT_TRUE(stopped->has_end_time());
  EXPECT_THAT(f.Named(&StudyStub::StopStudy, "s"), IsOk()) << "may be repeated";
  EXPECT_EQ(f.Trial("s", 1).state(), v1::TRIAL_STATE_STOPPED);
  EXPECT_THAT(f.Named(&StudyStub::PauseStudy, "s"), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_THAT(f.Named(&StudyStub::ResumeStudy, "s"), StatusIs(StatusCode::kFailedPrecondition));
}

TEST_F(StudyServiceTest, ExtendReopensACompletedStudy) {
  ASSERT_THAT(f.Create(FlatSpec("s", 1)), IsOk());
  ASSERT_THAT(f.Report(CompletedOf(f.Take("a", "r1").lease_id(), 0.5)), IsOk());
  EXPECT_EQ(StateOf("s"), v1::STUDY_STATE_COMPLETED);
  const auto extend = [this](int64_t evaluations) {
    v1::ExtendStudyRequest request;
    request.set_name("s");
    request.mutable_limits()->set_max_evaluations(evaluations);
    return f.Call(&StudyStub::ExtendStudy, request);
  };
  const absl::StatusOr<v1::Study> extended = extend(2);
  ASSERT_THAT(extended, IsOk());
  EXPECT_EQ(extended->state(), v1::STUDY_STATE_RUNNING);
  EXPECT_EQ(extended->spec().limits().max_evaluations(), 2);
  EXPECT_EQ(f.Take("a", "r2").trial_id(), 2);
  EXPECT_THAT(extend(1), StatusIs(StatusCode::kInvalidArgument, HasSubstr("2 to 1")));
  EXPECT_THAT(extend(0), StatusIs(StatusCode::kInvalidArgument));
  ASSERT_THAT(f.Named(&StudyStub::StopStudy, "s"), IsOk());
  EXPECT_THAT(extend(9), StatusIs(StatusCode::kFailedPrecondition, HasSubstr("STOPPED")));
}

TEST_F(StudyServiceTest, DeleteRemovesAStudyThatHasEnded) {
  ASSERT_THAT(f.Create(FlatSpec("s", 4)), IsOk());
  EXPECT_THAT(
      f.Named(&StudyStub::DeleteStudy, "s"),
      StatusIs(StatusCode::kFailedPrecondition, AllOf(HasSubstr("RUNNING"), HasSubstr("stop it"))));
  ASSERT_THAT(f.Named(&StudyStub::StopStudy, "s"), IsOk());
  ASSERT_THAT(f.Named(&StudyStub::DeleteStudy, "s"), IsOk());
  EXPECT_THAT(f.Named(&StudyStub::GetStudy, "s"), StatusIs(StatusCode::kNotFound));
}

// Both may be in one batch, at whose end there is no study left to show.
TEST_F(StudyServiceTest, StopAnsweredOnceTheStudyIsDeletedSaysSo) {
  ASSERT_THAT(f.Create(FlatSpec("s", 4)), IsOk());
  HeldEngine held(*f.engine);
  auto stop =
      std::async(std::launch::async, [this] { return f.Named(&StudyStub::StopStudy, "s"); });
  f.LetTheServerRead();
  auto remove =
      std::async(std::launch::async, [this] { return f.Named(&StudyStub::DeleteStudy, "s"); });
  f.LetTheServerRead();
  held.Release();
  EXPECT_THAT(remove.get(), IsOk());
  EXPECT_THAT(stop.get(), AnyOf(IsOk(), StatusIs(StatusCode::kNotFound, HasSubstr("deleted"))));
}

TEST_F(StudyServiceTest, EveryCallThatNamesAStudyIsNotFoundWithoutIt) {
  const auto not_found = [](const auto& result) {
    EXPECT_THAT(result, StatusIs(StatusCode::kNotFound, HasSubstr("\"none\"")));
  };
  not_found(f.Named(&StudyStub::GetStudy, "none"));
  not_found(f.Named(&StudyStub::GetStatus, "none"));
  not_found(f.Named(&StudyStub::ListTrials, "none"));
  not_found(f.Named(&StudyStub::GetTrial, "none"));
  not_found(f.Named(&StudyStub::PauseStudy, "none"));
  not_found(f.Named(&StudyStub::ResumeStudy, "none"));
  not_found(f.Named(&StudyStub::StopStudy, "none"));
  not_found(f.Named(&StudyStub::DeleteStudy, "none"));
  not_found(f.Named(&StudyStub::ExtendStudy, "none"));
  Watcher watcher(f, WatchOf("none"));
  EXPECT_THAT(watcher.End(), StatusIs(StatusCode::kNotFound, HasSubstr("\"none\"")));
}

// The message would be too large for the trailing metadata, and the code lost with it.
TEST_F(StudyServiceTest, AnErrorThatQuotesALongNameStillArrives) {
  const std::string name = std::string(100'000, 'x');
  EXPECT_THAT(f.Named(&StudyStub::GetStudy, name),
              StatusIs(StatusCode::kNotFound, HasSubstr("more bytes")));
  std::string umlauts;
  for (int i = 0; i < 50'000; ++i) umlauts += "\xc3\xa4";  // Three characters a byte when sent.
  EXPECT_THAT(f.Named(&StudyStub::GetStudy, umlauts), StatusIs(StatusCode::kNotFound));
}

// ---- looking

TEST_F(StudyServiceTest, StatusShowsHowItStands) {
  ASSERT_THAT(f.Create(FlatSpec("s", 4)), IsOk());
  ASSERT_THAT(f.Report(CompletedOf(f.Take("a", "r1").lease_id(), 0.5)), IsOk());
  f.Take("b", "r2");
  f.Pass(absl::Seconds(7));
  const v1::StudyStatus status = f.Status("s");
  EXPECT_EQ(status.study().spec().name(), "s");
  EXPECT_EQ(status.best().id(), 1);
  EXPECT_EQ(status.evaluations(), 1);
  EXPECT_EQ(status.epochs_trained(), 1);
  EXPECT_EQ(status.running_total(), 1);
  ASSERT_EQ(status.running_size(), 1);
  EXPECT_EQ(status.running(0).trial_id(), 2);
  EXPECT_EQ(status.running(0).worker_id(), "b");
  EXPECT_EQ(status.running(0).running_for().seconds(), 7);
  EXPECT_EQ(status.progress(), 0.25);
  EXPECT_GT(status.utilisation(), 0);
}

TEST_F(StudyServiceTest, GetTrialOfANumberThatIsNoneIsNotFound) {
  ASSERT_THAT(f.Create(FlatSpec("s", 4)), IsOk());
  f.Take("a", "r1");
  for (const int64_t id : {int64_t{0}, int64_t{-1}, int64_t{2}, INT64_MAX, INT64_MIN}) {
    v1::GetTrialRequest request;
    request.set_name("s");
    request.set_trial_id(id);
    EXPECT_THAT(f.Call(&StudyStub::GetTrial, request),
                StatusIs(StatusCode::kNotFound,
                         AllOf(HasSubstr(absl::StrCat("no trial ", id)), HasSubstr("1 to 1"))));
  }
}

TEST_F(StudyServiceTest, ListsShowWhatThereIs) {
  ASSERT_THAT(f.Create(FlatSpec("s", 4)), IsOk());
  ASSERT_THAT(f.Create(FlatSpec("t", 4)), IsOk());
  f.Take("a", "r1");
  const auto studies = f.Call(&StudyStub::ListStudies, v1::ListStudiesRequest());
  ASSERT_THAT(studies, IsOk());
  EXPECT_EQ(studies->studies_size(), 2);
  const auto trials = f.Named(&StudyStub::ListTrials, "s");
  ASSERT_THAT(trials, IsOk());
  ASSERT_EQ(trials->trials_size(), 1);
  EXPECT_EQ(trials->trials(0).state(), v1::TRIAL_STATE_RUNNING);
  EXPECT_EQ(trials->trials(0).worker_id(), "a");
  const auto workers = f.Call(&StudyStub::ListWorkers, v1::ListWorkersRequest());
  ASSERT_THAT(workers, IsOk());
  ASSERT_EQ(workers->workers_size(), 1);
  EXPECT_EQ(workers->workers(0).worker_id(), "a");
  EXPECT_EQ(workers->workers(0).study(), "s");
}

TEST_F(StudyServiceTest, PagesOfTrialsCoverEachOnceWhicheverTheOrder) {
  ASSERT_THAT(f.Create(FlatSpec("s", 20)), IsOk());
  for (int i = 0; i < 20; ++i) {
    const std::string lease = f.Take("a", absl::StrCat(i)).lease_id();
    if (i % 4 == 3) {
      ASSERT_THAT(f.Report(ReportOf(lease, "failed {}")), IsOk());
    } else {
      ASSERT_THAT(f.Report(CompletedOf(lease, i % 3 * 0.1)), IsOk());
    }
  }
  for (const bool by_error : {false, true}) {
    for (const bool failed_only : {false, true}) {
      std::vector<int64_t> ids;
      v1::ListTrialsRequest request;
      request.set_name("s");
      request.set_page_size(3);
      request.set_by_error(by_error);
      if (failed_only) request.add_states(v1::TRIAL_STATE_FAILED);
      do {
        const auto page = f.Call(&StudyStub::ListTrials, request);
        ASSERT_THAT(page, IsOk());
        for (const v1::Trial& trial : page->trials()) ids.push_back(trial.id());
        request.set_page_token(page->next_page_token());
      } while (!request.page_token().empty());
      EXPECT_EQ(ids.size(), failed_only ? 5u : 20u);
      EXPECT_EQ(std::set<int64_t>(ids.begin(), ids.end()).size(), ids.size());
    }
  }
}

TEST_F(StudyServiceTest, ListsRefusePagesThatAreNone) {
  ASSERT_THAT(f.Create(FlatSpec("s", 4)), IsOk());
  const auto refused = [](const auto& result) {
    EXPECT_THAT(result, StatusIs(StatusCode::kInvalidArgument, HasSubstr("page_")));
  };
  refused(f.Call(&StudyStub::ListTrials, Parse<v1::ListTrialsRequest>("name: 's' page_size: -1")));
  refused(
      f.Call(&StudyStub::ListTrials, Parse<v1::ListTrialsRequest>("name: 's' page_token: 'x'")));
  refused(f.Call(&StudyStub::ListStudies, Parse<v1::ListStudiesRequest>("page_size: 1001")));
  refused(f.Call(&StudyStub::ListStudies, Parse<v1::ListStudiesRequest>("page_token: 'x'")));
  refused(f.Call(&StudyStub::ListWorkers, Parse<v1::ListWorkersRequest>("page_size: -1")));
}

// ---- a full disk

TEST_F(StudyServiceTest, EverythingIsUnavailableWhileTheDiskIsFull) {
  ASSERT_THAT(f.Create(FlatSpec("s", 4)), IsOk());
  f.journal.FillDisk();
  EXPECT_THAT(f.Create(FlatSpec("t", 4)), StatusIs(StatusCode::kUnavailable));
  EXPECT_THAT(f.Named(&StudyStub::GetStatus, "s"), StatusIs(StatusCode::kUnavailable));
  EXPECT_THAT(f.Named(&StudyStub::PauseStudy, "s"), StatusIs(StatusCode::kUnavailable));
  EXPECT_THAT(f.Call(&StudyStub::ListWorkers, v1::ListWorkersRequest()),
              StatusIs(StatusCode::kUnavailable));
  Watcher watcher(f, WatchOf("s"));
  EXPECT_THAT(watcher.End(), StatusIs(StatusCode::kUnavailable));
  f.journal.MakeRoom();
  f.Pass(absl::Seconds(1));
  EXPECT_THAT(f.Create(FlatSpec("t", 4)), IsOk()) << "the same again: it was decided";
  EXPECT_EQ(StateOf("s"), v1::STUDY_STATE_RUNNING) << "this one was not";
}

}  // namespace
}  // namespace halving
