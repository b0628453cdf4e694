// Rule 7, the stop rule: no improvement of delta in the last m trials that reached max_epochs.
#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/matchers.h"
#include "tests/support/scheduler_fixture.h"

namespace halving {
namespace {

using testing::HasSubstr;

// Every trial trains to max_epochs at once.
StudySpec OneRung(const NoImprovement& stop) {
  StudySpec spec = SmallSpec({.no_improvement = stop});
  spec.halving = {.min_epochs = 5, .max_epochs = 5, .eta = 2};
  return spec;
}

// How many of these errors, reported one after another, it takes to end the study; 0: they do not.
size_t EndsAfter(const NoImprovement& stop, const std::vector<double>& errors) {
  SchedulerFixture f(OneRung(stop));
  for (size_t i = 0; i < errors.size(); ++i) {
    f.Complete(f.Take("w"), errors[i]);
    if (f.study().state() == StudyState::kCompleted) return i + 1;
  }
  return 0;
}

TEST(NoImprovementTest, EndsTheStudyAfterSoManyTrialsWithoutOne) {
  EXPECT_EQ(EndsAfter({.trials = 3}, {0.5, 0.6, 0.5, 0.7}), 4u);
  EXPECT_EQ(EndsAfter({.trials = 3}, {0.5, 0.6, 0.49, 0.7, 0.8, 0.9}), 6u);
  EXPECT_EQ(EndsAfter({.trials = 3}, {0.5, 0.4, 0.3, 0.2, 0.1}), 0u);
  EXPECT_EQ(EndsAfter({.trials = 1}, {0.5, 0.5}), 2u) << "as good is no better";
}

TEST(NoImprovementTest, AnImprovementIsOneOfAtLeastDelta) {
  EXPECT_EQ(EndsAfter({.trials = 2, .delta = 0.125}, {0.5, 0.4375, 0.40625}), 3u);
  EXPECT_EQ(EndsAfter({.trials = 2, .delta = 0.125}, {0.5, 0.6, 0.375, 0.6, 0.6}), 5u);
}

TEST(NoImprovementTest, SmallStepsAddUp) {
  EXPECT_EQ(EndsAfter({.trials = 3, .delta = 0.125}, {0.5, 0.4375, 0.375, 0.3125, 0.25, 0.25}), 0u);
}

TEST(NoImprovementTest, DivergedTrialsCountAndImproveNothing) {
  EXPECT_EQ(EndsAfter({.trials = 3}, {NAN, INFINITY, -INFINITY}), 3u);
  EXPECT_EQ(EndsAfter({.trials = 3}, {NAN, NAN, 0.5, NAN, NAN, NAN}), 6u);
}

TEST(NoImprovementTest, OnlyTrialsAtMaxEpochsCount) {
  StudySpec spec = SmallSpec({.max_evaluations = 30, .no_improvement = {.trials = 2}});
  SchedulerFixture f(spec);
  while (std::optional<Assignment> next = f.AskFor("w")) f.Complete(*next, 0.5);
  EXPECT_EQ(f.Results().back(), 2) << "the first one is an improvement on nothing";
  EXPECT_THAT(f.study().end_reason(), HasSubstr("max_evaluations"));
}

TEST(NoImprovementTest, TheReasonSaysWhatWasNotImproved) {
  SchedulerFixture f(OneRung({.trials = 2, .delta = 0.25}));
  for (const double error : {0.5, 0.75, 0.375}) f.Complete(f.Take("w"), error);
  EXPECT_EQ(f.study().end_reason(),
            "no_improvement: none of the last 2 trials at 5 epochs improved 0.5 by 0.25");
}

TEST(NoImprovementTest, AStepOfJustDeltaIsOne) {
  EXPECT_EQ(EndsAfter({.trials = 2, .delta = 0.1}, {0.3, 0.2, 0.1, 0.1}), 0u)
      << "though 0.3 - 0.1 is less than 0.2 in doubles";
}

TEST(NoImprovementTest, TheReasonSaysThatAllDiverged) {
  SchedulerFixture f(OneRung({.trials = 2}));
  for (int i = 0; i < 2; ++i) f.Complete(f.Take("w"), NAN);
  EXPECT_EQ(f.study().end_reason(),
            "no_improvement: none of the last 2 trials at 5 epochs had a finite error");
}

TEST(NoImprovementTest, AnExtensionGivesAsManyTrialsAgain) {
  SchedulerFixture f(OneRung({.trials = 2}));
  for (const double error : {0.5, 0.6, 0.6}) f.Complete(f.Take("w"), error);
  ASSERT_EQ(f.study().state(), StudyState::kCompleted);
  f.Do(ExtendStudy{.name = "s", .limits = {.no_improvement = {.trials = 3}}});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(f.study().state(), StudyState::kRunning);
    f.Complete(f.Take("w"), 0.6);
  }
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
}

TEST(NoImprovementTest, AnExtensionOnlyRaisesIt) {
  SchedulerFixture f(OneRung({.trials = 3, .delta = 0.1}));
  const auto extended = [&](const NoImprovement& stop) {
    return f.Execute(ExtendStudy{.name = "s", .limits = {.no_improvement = stop}}).status();
  };
  const auto refused = StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no_improvement"));
  EXPECT_THAT(extended({.trials = 2, .delta = 0.1}), refused);
  EXPECT_THAT(extended({.trials = 3, .delta = 0.2}), refused);
  EXPECT_THAT(extended({.trials = 3, .delta = 0.05}), IsOk());
  EXPECT_THAT(extended({.trials = 9, .delta = 0.05}), IsOk());
  EXPECT_THAT(extended({.trials = 10}), IsOk());
  EXPECT_EQ(f.study().spec().limits.no_improvement, (NoImprovement{.trials = 10, .delta = 0.05}))
      << "a delta that is not said stays";
}

TEST(NoImprovementTest, ARestartForgetsNothing) {
  SchedulerFixture f(OneRung({.trials = 3}));
  for (const double error : {0.5, 0.6, 0.6}) f.Complete(f.Take("w"), error);
  f.Restart();
  f.Complete(f.Take("w"), 0.6);
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
}

TEST(NoImprovementTest, NonsenseIsRefused) {
  const auto created = [](const NoImprovement& stop) { return Normalise(OneRung(stop)).status(); };
  const auto refused = StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no_improvement"));
  EXPECT_THAT(created({.trials = -1}), refused);
  EXPECT_THAT(created({.trials = 3, .delta = -0.5}), refused);
  EXPECT_THAT(created({.trials = 3, .delta = NAN}), refused);
  EXPECT_THAT(created({.trials = 0, .delta = 0.5}), refused);
}

}  // namespace
}  // namespace halving
