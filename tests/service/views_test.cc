// What people see: pages that cover everything once, and studies in which nothing has happened yet.
#include "server/service/views.h"

#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/service/translate.h"
#include "tests/service/messages.h"
#include "tests/support/matchers.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAreArray;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// A scheduler with one worker.
class ViewsTest : public testing::Test {
 protected:
  Answer Do(const Command& command) {
    std::vector<Event> events;
    absl::StatusOr<Answer> answer = scheduler_.Execute(command, now_, &events);
    EXPECT_THAT(answer, IsOk());
    return answer.ok() ? *std::move(answer) : Answer{};
  }
  void Create(const v1::StudySpec& spec) {
    const absl::StatusOr<StudySpec> read = FromProto(spec);
    ASSERT_THAT(read, IsOk());
    Do(CreateStudy{.spec = *read, .fallback_seed = 7});
  }
  Assignment Take() {
    const Answer answer = Do(Ask{.worker = "w", .request_id = absl::StrCat(++asks_)});
    EXPECT_TRUE(answer.assignment.has_value());
    return answer.assignment.value_or(Assignment{});
  }
  void Finish(double error, Metrics metrics = {}) {
    Do(Report{.lease = Take().lease,
              .outcome = Completed{.error = error, .metrics = std::move(metrics)}});
  }
  const Study& study() const { return *scheduler_.FindStudy("s"); }

  // Page after page, each within its size, until there is no other.
  std::vector<int64_t> AllPages(v1::ListTrialsRequest request) {
    std::vector<int64_t> ids;
    do {
      v1::ListTrialsResponse response;
      EXPECT_THAT(ListTrials(study(), request, &response), IsOk());
      EXPECT_LE(response.trials_size(), request.page_size() == 0 ? 100 : request.page_size());
      for (const v1::Trial& trial : response.trials()) ids.push_back(trial.id());
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    return ids;
  }

  Scheduler scheduler_;
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  int asks_ = 0;
};

// ---- trials by id and by error

// 25 trials: results with ties, NaN and infinities, failures, and some that still run.
class TrialPagesTest : public ViewsTest {
 protected:
  void SetUp() override {
    Create(FlatSpec("s", 25));
    for (const double error : {0.5, 0.1, 0.5, kNan, 0.3, HUGE_VAL, 0.1, 0.2, 0.5, -HUGE_VAL}) {
      Finish(error);
    }
    for (int i = 0; i < 5; ++i) {
      Do(Report{.lease = Take().lease, .outcome = Failed{.reason = "r", .retryable = false}});
    }
    for (int i = 0; i < 4; ++i) Take();
  }
};

TEST_F(TrialPagesTest, ByIdCoverEachTrialOnce) {
  std::vector<int64_t> all(19);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i) + 1;
  for (const int size : {0, 1, 2, 7, 18, 19, 20, 1000}) {
    v1::ListTrialsRequest request;
    request.set_page_size(size);
    EXPECT_THAT(AllPages(request), ElementsAreArray(all)) << "pages of " << size;
  }
}

TEST_F(TrialPagesTest, ByErrorCoverEachTrialOnceBestFirst) {
  v1::ListTrialsRequest request;
  request.set_by_error(true);
  const std::vector<int64_t> all = AllPages(request);
  ASSERT_THAT(all, SizeIs(19));
  EXPECT_EQ(std::set<int64_t>(all.begin(), all.end()).size(), 19u);
  EXPECT_THAT(std::vector<int64_t>(all.begin(), all.begin() + 7), ElementsAre(2, 7, 8, 5, 1, 3, 9));
  EXPECT_THAT(std::vector<int64_t>(all.begin() + 7, all.begin() + 10),
              UnorderedElementsAreArray({4, 6, 10}));
  for (const int size : {1, 2, 7, 18, 19, 20, 1000}) {
    request.set_page_size(size);
    EXPECT_THAT(AllPages(request), ElementsAreArray(all)) << "pages of " << size;
  }
}

TEST_F(TrialPagesTest, OfSomeStatesCoverThoseOnce) {
  for (const bool by_error : {false, true}) {
    for (const int size : {1, 2, 3, 1000}) {
      auto request =
          Parse<v1::ListTrialsRequest>("states: TRIAL_STATE_FAILED states: TRIAL_STATE_RUNNING");
      request.set_by_error(by_error);
      request.set_page_size(size);
      EXPECT_THAT(AllPages(request),
                  UnorderedElementsAreArray({11, 12, 13, 14, 15, 16, 17, 18, 19}))
          << "pages of " << size << ", by error: " << by_error;
    }
  }
}

TEST_F(TrialPagesTest, OfAStateThatNoTrialIsInAreEmpty) {
  EXPECT_THAT(AllPages(Parse<v1::ListTrialsRequest>("states: TRIAL_STATE_WAITING")), IsEmpty());
}

TEST_F(TrialPagesTest, RefuseSizesOutOfBounds) {
  for (const int size : {-1, 1001}) {
    v1::ListTrialsRequest request;
    request.set_page_size(size);
    v1::ListTrialsResponse response;
    EXPECT_THAT(ListTrials(study(), request, &response),
                StatusIs(StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(absl::StrCat("page_size is ", size)), HasSubstr("1000"))));
  }
}

TEST_F(TrialPagesTest, RefuseTokensThatAreNoneOfTheirs) {
  for (const bool by_error : {false, true}) {
    for (const std::string token :
         {"x", "-1", "1.5", "26", "9223372036854775807", "99999999999999999999", "e.", "e.1.2",
          "e.1.2.3.4", "e.x.2.3", "e.0.9221120237041090560.3"}) {
      v1::ListTrialsRequest request;
      request.set_page_token(token);
      request.set_by_error(by_error);
      v1::ListTrialsResponse response;
      EXPECT_THAT(ListTrials(study(), request, &response),
                  StatusIs(StatusCode::kInvalidArgument, HasSubstr("next_page_token")))
          << token << ", by error: " << by_error;
    }
  }
}

TEST_F(TrialPagesTest, RefuseTheTokensOfTheOtherOrder) {
  v1::ListTrialsRequest request;
  request.set_page_size(3);
  for (const bool by_error : {false, true}) {
    request.set_by_error(by_error);
    request.clear_page_token();
    v1::ListTrialsResponse response;
    ASSERT_THAT(ListTrials(study(), request, &response), IsOk());
    request.set_by_error(!by_error);
    request.set_page_token(response.next_page_token());
    EXPECT_THAT(ListTrials(study(), request, &response), StatusIs(StatusCode::kInvalidArgument));
  }
}

// A client takes no message above 4 MiB.
TEST_F(ViewsTest, APageOfLargeTrialsEndsEarlyAndGoesOn) {
  Create(FlatSpec("s", 120));
  Metrics metrics;
  for (int i = 0; i < 64; ++i) metrics.emplace_back(absl::StrCat(std::string(250, 'm'), i), i);
  for (int i = 0; i < 110; ++i) Finish(0.5, metrics);
  for (const bool by_error : {false, true}) {
    v1::ListTrialsRequest request;
    request.set_page_size(1000);
    request.set_by_error(by_error);
    v1::ListTrialsResponse response;
    ASSERT_THAT(ListTrials(study(), request, &response), IsOk());
    EXPECT_LT(response.ByteSizeLong(), 2u << 20);
    EXPECT_THAT(response.next_page_token(), testing::Not(IsEmpty()));
    EXPECT_THAT(AllPages(request), SizeIs(110));
  }
}

// ---- studies and workers

TEST_F(ViewsTest, PagesOfStudiesCoverEachOnceOldestFirst) {
  for (int i = 0; i < 9; ++i) Create(FlatSpec(absl::StrCat("s", i), 1));
  for (const int size : {0, 1, 4, 9, 10}) {
    std::vector<std::string> names;
    v1::ListStudiesRequest request;
    request.set_page_size(size);
    do {
      v1::ListStudiesResponse response;
      ASSERT_THAT(ListStudies(scheduler_, "", request, &response), IsOk());
      for (const v1::Study& study : response.studies()) names.push_back(study.spec().name());
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    EXPECT_THAT(names, ElementsAre("s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8")) << size;
  }
}

TEST_F(ViewsTest, APageOfLargeStudiesEndsEarlyAndGoesOn) {
  for (int i = 0; i < 6; ++i) {
    v1::StudySpec spec = FlatSpec(absl::StrCat("s", i), 1);
    (*spec.mutable_objective_options()->mutable_fields())["note"].set_string_value(
        std::string(800'000, 'x'));
    Create(spec);
  }
  v1::ListStudiesRequest request;
  int studies = 0;
  do {
    v1::ListStudiesResponse response;
    ASSERT_THAT(ListStudies(scheduler_, "", request, &response), IsOk());
    EXPECT_LT(response.ByteSizeLong(), 2u << 20);
    studies += response.studies_size();
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(studies, 6);
}

TEST_F(ViewsTest, PagesOfWorkersCoverEachOnce) {
  for (int i = 0; i < 9; ++i) Do(Ask{.worker = absl::StrCat("w", i), .request_id = "r"});
  for (const int size : {0, 1, 4, 9, 10}) {
    std::vector<std::string> names;
    v1::ListWorkersRequest request;
    request.set_page_size(size);
    do {
      v1::ListWorkersResponse response;
      ASSERT_THAT(ListWorkers(scheduler_, "", now_, request, &response), IsOk());
      for (const v1::Worker& worker : response.workers()) names.push_back(worker.worker_id());
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    EXPECT_THAT(names, ElementsAre("w0", "w1", "w2", "w3", "w4", "w5", "w6", "w7", "w8")) << size;
  }
}

TEST_F(ViewsTest, AWorkerShowsWhatItHoldsOrSinceWhenItIsIdle) {
  Create(FlatSpec("s", 2));
  Finish(0.5);
  now_ += absl::Seconds(5);
  v1::ListWorkersResponse idle;
  ASSERT_THAT(ListWorkers(scheduler_, "", now_, {}, &idle), IsOk());
  ASSERT_THAT(idle.workers(), SizeIs(1));
  EXPECT_EQ(idle.workers(0).idle_for().seconds(), 5);
  EXPECT_EQ(idle.workers(0).last_seen().seconds(), 5);
  EXPECT_EQ(idle.workers(0).trials_finished(), 1);
  Take();
  v1::ListWorkersResponse busy;
  ASSERT_THAT(ListWorkers(scheduler_, "", now_, {}, &busy), IsOk());
  EXPECT_FALSE(busy.workers(0).has_idle_for());
  EXPECT_EQ(busy.workers(0).study(), "s");
  EXPECT_EQ(busy.workers(0).trial_id(), 2);
}

// ---- time

class ViewsOfTimeTest : public ViewsTest {
 protected:
  // 8 trials in the first rung, each of which takes ten seconds.
  void SetUp() override {
    v1::StudySpec spec = FlatSpec("s", 30);
    spec.mutable_halving()->set_max_epochs(8);
    Create(spec);
  }
  void FinishInTenSeconds() {
    const Assignment work = Take();
    now_ += absl::Seconds(10);
    Do(Report{.lease = work.lease, .outcome = Completed{.error = 0.5}});
  }
  v1::StudyStatus Status() {
    v1::StudyStatus status;
    ShowStatus(scheduler_, study(), now_, &status);
    return status;
  }
};

TEST_F(ViewsOfTimeTest, ARungSaysWhenItIsLikelyToClose) {
  for (int i = 0; i < 2; ++i) FinishInTenSeconds();
  EXPECT_FALSE(Status().rungs(0).has_usual_time()) << "two say nothing yet";
  EXPECT_FALSE(Status().rungs(0).has_closes_in());
  for (int i = 0; i < 2; ++i) FinishInTenSeconds();
  EXPECT_EQ(Status().rungs(0).usual_time().seconds(), 10);
  // 4 results within the 30 seconds since the first of them, 4 to come.
  EXPECT_EQ(Status().rungs(0).closes_in().seconds(), 30);
  EXPECT_FALSE(Status().rungs(3).has_closes_in()) << "the top rung closes nothing";
}

TEST_F(ViewsOfTimeTest, AStudySaysHowLongItHasRunAndMayStillRun) {
  EXPECT_FALSE(Status().has_time_left());
  for (int i = 0; i < 6; ++i) FinishInTenSeconds();
  EXPECT_EQ(Status().running_time().seconds(), 60);
  EXPECT_EQ(Status().time_left().seconds(), 240) << "6 of 30 evaluations took 60 s";
  Do(PauseStudy{.name = "s"});
  now_ += absl::Hours(1);
  EXPECT_EQ(Status().running_time().seconds(), 60);
  EXPECT_FALSE(Status().has_time_left());
}

TEST_F(ViewsOfTimeTest, ATrialStragglesAfterTwiceTheUsualTime) {
  for (int i = 0; i < 3; ++i) FinishInTenSeconds();
  Take();
  now_ += absl::Seconds(20);
  EXPECT_FALSE(Status().running(0).straggling());
  now_ += absl::Milliseconds(1);
  EXPECT_TRUE(Status().running(0).straggling());
  v1::ListWorkersResponse workers;
  ASSERT_THAT(ListWorkers(scheduler_, "", now_, {}, &workers), IsOk());
  EXPECT_TRUE(workers.workers(0).straggling());
  EXPECT_TRUE(workers.workers(0).connected());
  EXPECT_DOUBLE_EQ(workers.workers(0).utilisation(), 1);
}

TEST_F(ViewsOfTimeTest, ASilentWorkerIsNotConnectedAndARowSaysWhatTheStatusDoes) {
  FinishInTenSeconds();
  now_ += absl::Minutes(2);
  v1::ListWorkersResponse workers;
  ASSERT_THAT(ListWorkers(scheduler_, "", now_, {}, &workers), IsOk());
  EXPECT_FALSE(workers.workers(0).connected());
  v1::StudyRow row;
  ShowRow(scheduler_, study(), now_, &row);
  const v1::StudyStatus status = Status();
  EXPECT_EQ(row.name(), "s");
  EXPECT_EQ(row.progress(), status.progress());
  EXPECT_EQ(row.evaluations(), status.evaluations());
  EXPECT_EQ(row.best_error(), 0.5);
  EXPECT_EQ(row.best_trial_id(), 1);
  EXPECT_THAT(row.notes(), ElementsAreArray(status.notes()));
}

// ---- a study in which nothing has happened

TEST_F(ViewsTest, AnEmptyServerHasEmptyLists) {
  v1::ListStudiesResponse studies;
  v1::ListWorkersResponse workers;
  EXPECT_THAT(ListStudies(scheduler_, "", {}, &studies), IsOk());
  EXPECT_THAT(ListWorkers(scheduler_, "", now_, {}, &workers), IsOk());
  EXPECT_EQ(studies.ByteSizeLong() + workers.ByteSizeLong(), 0u);
}

TEST_F(ViewsTest, ANewStudyShowsItsRungsAndThatNobodyServesIt) {
  v1::StudySpec spec = FlatSpec("s", 30);
  spec.mutable_halving()->set_max_epochs(4);
  Create(spec);
  v1::StudyStatus status;
  ShowStatus(scheduler_, study(), now_, &status);
  EXPECT_FALSE(status.has_best());
  EXPECT_EQ(status.utilisation(), 0);
  EXPECT_EQ(status.progress(), 0);
  ASSERT_THAT(status.rungs(), SizeIs(3));
  for (const v1::RungStatus& rung : status.rungs()) {
    EXPECT_GT(rung.size(), 0);
    EXPECT_FALSE(rung.has_best_error());
    EXPECT_FALSE(rung.has_median_error());
  }
  ASSERT_THAT(status.notes(), SizeIs(1));
  EXPECT_THAT(status.notes(0), HasSubstr("no worker that serves the objective \"lenet\""));
  v1::ListTrialsResponse trials;
  EXPECT_THAT(ListTrials(study(), {}, &trials), IsOk());
  EXPECT_EQ(trials.ByteSizeLong(), 0u);
}

TEST_F(ViewsTest, BracketsAreShownFromTheirFirstRungUpAlsoBeforeAnybodyIsThere) {
  v1::StudySpec spec = FlatSpec("s", 30);
  spec.mutable_halving()->set_max_epochs(4);
  spec.mutable_halving()->set_policy(v1::POLICY_HYPERBAND);
  Create(spec);
  const auto rungs = [this] {
    v1::StudyStatus status;
    ShowStatus(scheduler_, study(), now_, &status);
    std::vector<std::vector<int64_t>> all;
    for (const v1::RungStatus& rung : status.rungs()) {
      all.push_back({rung.bracket(), rung.epochs(), rung.size()});
    }
    return all;
  };
  const std::vector<std::vector<int64_t>> expected = {{0, 1, 4}, {0, 2, 2}, {0, 4, 1},
                                                      {1, 2, 3}, {1, 4, 1}, {2, 4, 3}};
  EXPECT_EQ(rungs(), expected);
  for (int i = 0; i < 5; ++i) Finish(0.1 * i);
  EXPECT_EQ(rungs(), expected);
}

TEST_F(ViewsTest, UnderAshaRungsHaveNoSizeAndWhoWaitsMayStillBePromoted) {
  v1::StudySpec spec = FlatSpec("s", 30);
  spec.mutable_halving()->set_max_epochs(4);
  spec.mutable_halving()->set_policy(v1::POLICY_ASHA);
  Create(spec);
  for (const double error : {0.5, 0.4, 0.3, kNan}) Finish(error);
  v1::StudyStatus status;
  ShowStatus(scheduler_, study(), now_, &status);
  ASSERT_THAT(status.rungs(), SizeIs(3));
  for (const v1::RungStatus& rung : status.rungs()) EXPECT_EQ(rung.size(), 0);
  // Trial 2 was promoted at once, and has the third result; the one that diverged waits nowhere.
  EXPECT_EQ(status.rungs(0).reported(), 3);
  EXPECT_EQ(status.rungs(0).promoted(), 1);
  EXPECT_EQ(status.rungs(0).waiting(), 1);
  EXPECT_EQ(status.rungs(1).reported(), 1);
  EXPECT_EQ(status.rungs(1).waiting(), 1);
}

TEST_F(ViewsTest, AStatusNotesThatEveryConfigWasHandedOut) {
  v1::StudySpec spec = FlatSpec("s", 9);
  *spec.mutable_parameters(0) = Parse<v1::Parameter>("name: \"n\" int { min: 1 max: 3 }");
  Create(spec);
  const auto notes = [this] {
    v1::StudyStatus status;
    ShowStatus(scheduler_, study(), now_, &status);
    return std::vector<std::string>(status.notes().begin(), status.notes().end());
  };
  for (int i = 0; i < 2; ++i) Finish(0.1 * i);
  EXPECT_THAT(notes(), IsEmpty());
  Finish(0.5);
  EXPECT_THAT(notes(), ElementsAre(HasSubstr("every config of the search space was handed out")));
}

TEST_F(ViewsTest, AParameterThatDoesNotExistIsNotShown) {
  v1::StudySpec spec = FlatSpec("s", 9);
  spec.clear_parameters();
  *spec.add_parameters() = Parse<v1::Parameter>(
      "name: \"c\" choice { values { string_value: \"a\" } values { string_value: \"b\" } }");
  *spec.add_parameters() = Parse<v1::Parameter>(R"pb(
    name: "x"
    float { max: 1 }
    when {
      fields {
        key: "c"
        value { string_value: "a" }
      }
    })pb");
  for (const char* value : {"a", "b"}) {
    auto& fields = *spec.add_initial_configs()->mutable_fields();
    fields["c"].set_string_value(value);
    if (fields["c"].string_value() == "a") fields["x"].set_number_value(0.5);
  }
  Create(spec);
  for (int i = 0; i < 2; ++i) Finish(0.1);
  v1::ListTrialsResponse trials;
  ASSERT_THAT(ListTrials(study(), {}, &trials), IsOk());
  EXPECT_THAT(trials.trials(0).config().fields(), SizeIs(2));
  EXPECT_THAT(trials.trials(1).config().fields(), SizeIs(1));
}

TEST_F(ViewsTest, InAStudyThatHasEndedNothingIsQueuedOrWaits) {
  v1::StudySpec spec = FlatSpec("s", 30);
  spec.mutable_halving()->set_max_epochs(4);
  Create(spec);
  Finish(0.5);
  Take();
  Do(StopStudy{.name = "s"});
  v1::StudyStatus status;
  ShowStatus(scheduler_, study(), now_, &status);
  EXPECT_EQ(status.queued(), 0);
  EXPECT_EQ(status.running_total(), 0);
  for (const v1::RungStatus& rung : status.rungs()) {
    EXPECT_EQ(rung.queued() + rung.running() + rung.waiting(), 0) << rung.epochs();
  }
}

TEST_F(ViewsTest, AStudyOfDivergedTrialsOnlyHasNoBest) {
  Create(FlatSpec("s", 2));
  Finish(kNan);
  Finish(HUGE_VAL);
  v1::StudyStatus status;
  ShowStatus(scheduler_, study(), now_, &status);
  EXPECT_FALSE(status.has_best());
  ASSERT_THAT(status.rungs(), SizeIs(1));
  EXPECT_EQ(status.rungs(0).reported(), 2);
  EXPECT_FALSE(status.rungs(0).has_best_error());
  EXPECT_FALSE(status.rungs(0).has_median_error());
}

TEST_F(ViewsTest, AStatusShowsTheMedianOfEvenAndOddCounts) {
  Create(FlatSpec("s", 5));
  const auto median = [this] {
    v1::StudyStatus status;
    ShowStatus(scheduler_, study(), now_, &status);
    return status.rungs(0).median_error();
  };
  Finish(0.4);
  EXPECT_DOUBLE_EQ(median(), 0.4);
  Finish(0.1);
  EXPECT_DOUBLE_EQ(median(), 0.25);
  Finish(0.2);
  EXPECT_DOUBLE_EQ(median(), 0.2);
  Finish(0.3);
  EXPECT_DOUBLE_EQ(median(), 0.25);
}

TEST_F(ViewsTest, AStatusNotesThatAllErrorsAreEqual) {
  Create(FlatSpec("s", 9));
  Take();  // So that it goes on running.
  for (int i = 0; i < 4; ++i) Finish(0.9);
  v1::StudyStatus status;
  ShowStatus(scheduler_, study(), now_, &status);
  ASSERT_THAT(status.notes(), SizeIs(1));
  EXPECT_THAT(status.notes(0), HasSubstr("all 4 errors at 1 epochs are 0.9"));
  Finish(0.8);
  v1::StudyStatus after;
  ShowStatus(scheduler_, study(), now_, &after);
  EXPECT_THAT(after.notes(), IsEmpty());
}

TEST_F(ViewsTest, AStatusNotesARungThatSaysLittleAboutTheNext) {
  v1::StudySpec spec = FlatSpec("s", 100);
  spec.mutable_halving()->set_max_epochs(2);
  Create(spec);
  const auto notes = [&] {
    v1::StudyStatus status;
    ShowStatus(scheduler_, study(), now_, &status);
    return std::vector<std::string>(status.notes().begin(), status.notes().end());
  };
  // Of each two trials one goes on; the better it was, the worse it gets.
  int promoted = 0;
  const auto step = [&] {
    const Assignment next = Take();
    const auto trial = static_cast<double>(next.lease.trial);
    const bool above = next.to_epoch == 2;
    promoted += above ? 1 : 0;
    Do(Report{.lease = next.lease, .outcome = Completed{.error = above ? trial : -trial}});
  };
  while (promoted < 11) step();
  EXPECT_THAT(notes(), IsEmpty()) << "eleven pairs are too few";
  while (promoted < 12) step();
  EXPECT_THAT(notes(),
              ElementsAre(AllOf(HasSubstr("the order at 1 epochs says little about that at 2"),
                                HasSubstr("rank correlation -1.00 over the last 12 trials"),
                                HasSubstr("larger min_epochs, or POLICY_HYPERBAND"))));
}

}  // namespace
}  // namespace halving
