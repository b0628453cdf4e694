// What a server holds does not grow without end, and what stands at a quota disturbs nothing else.
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/matchers.h"
#include "tests/support/scheduler_fixture.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

StudySpec Named(const std::string& name, const Limits& limits) {
  StudySpec spec = SmallSpec(limits);
  spec.name = name;
  return spec;
}

TEST(QuotasTest, OneStudyTooManyIsRefusedUntilOneIsDeleted) {
  SchedulerFixture f(Quotas{.studies = 2});
  f.Create(Named("a", {.max_rounds = 1}));
  f.Create(Named("b", {.max_rounds = 1}));
  const CreateStudy third = {.spec = Named("c", {.max_rounds = 1}), .fallback_seed = 1};
  EXPECT_THAT(f.Execute(third), StatusIs(StatusCode::kResourceExhausted, HasSubstr("2 studies")));
  const CreateStudy again = {.spec = Named("b", {.max_rounds = 1}), .fallback_seed = 1};
  EXPECT_THAT(f.Execute(again), IsOk()) << "the same one again makes none";
  f.Do(StopStudy{.name = "a"});
  f.Do(DeleteStudy{.name = "a"});
  EXPECT_THAT(f.Execute(third), IsOk());
}

TEST(QuotasTest, AStudyWithAllTheTrialsThereMayBeFinishesThemAndCompletes) {
  SchedulerFixture f(Quotas{.trials_per_study = 20});
  f.Create(SmallSpec({.max_wall_time = absl::Hours(1000)}));
  while (const std::optional<Assignment> next = f.AskFor("w")) f.Complete(*next, 0.5);
  EXPECT_EQ(f.study().trials(), 20);
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
  EXPECT_THAT(f.study().end_reason(), HasSubstr("20 trials"));
  EXPECT_THAT(f.Results(), ElementsAre(20, 10, 5, 3)) << "what was left was drained";
}

TEST(QuotasTest, OneWorkerTooManyIsRefusedAndThoseThatAreKnownGoOn) {
  SchedulerFixture f(Quotas{.workers = 2});
  f.Create(SmallSpec({.max_rounds = 1}));
  f.Take("a");
  const Assignment taken = f.Take("b");
  EXPECT_THAT(f.Execute(Ask{.worker = "c", .request_id = "1"}),
              StatusIs(StatusCode::kResourceExhausted, HasSubstr("2 workers")));
  f.Complete(taken, 0.5);
  f.Take("b");
}

TEST(QuotasTest, PointsBeyondThoseThatAreKeptAreDroppedAndTheTrialGoesOn) {
  SchedulerFixture f(Quotas{.points_per_trial = 3});
  StudySpec spec = SmallSpec({.max_rounds = 1});
  spec.halving = {.min_epochs = 10, .max_epochs = 10, .eta = 2};
  f.Create(spec);
  const Assignment taken = f.Take("w");
  f.Progressed(taken, {.points = {{1, 0.9}, {2, 0.8}}});
  f.Progressed(taken, {.points = {{3, 0.7}, {4, 0.6}}});
  f.Progressed(taken, {.points = {{5, 0.5}}});
  EXPECT_THAT(f.trial(taken.lease.trial).curve, SizeIs(3));
  EXPECT_EQ(f.trial(taken.lease.trial).curve.back().epoch, 3);
  f.Complete(taken, 0.4);
  EXPECT_EQ(f.trial(taken.lease.trial).results.back().error, 0.4);
  EXPECT_EQ(f.study().epochs_trained(), 10);
}

// A retry carries again what was acknowledged.
TEST(QuotasTest, PointsThatAreKnownTakeNoPlaceInTheJournal) {
  SchedulerFixture f(SmallSpec({.max_rounds = 1}));
  const Assignment taken = f.Take("w");
  f.Progressed(taken, {.points = {{1, 0.9}}});
  f.Progressed(taken, {.points = {{1, 0.9}, {2, 0.8}}});
  ASSERT_THAT(f.Last<TrialProgressed>(), SizeIs(1));
  EXPECT_THAT(f.Last<TrialProgressed>()[0].points, ElementsAre(CurvePoint{2, 0.8}));
}

}  // namespace
}  // namespace halving
