// Hyperband: each trial is drawn into a bracket, and competes with those of its bracket only.
#include <map>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "server/core/halving_policy.h"
#include "server/core/plan.h"
#include "tests/support/matchers.h"
#include "tests/support/scheduler_fixture.h"

namespace halving {
namespace {

using testing::ElementsAre;

StudySpec Hyperband(const Limits& limits) {
  StudySpec spec = SmallSpec(limits);
  spec.halving = {.min_epochs = 1, .max_epochs = 9, .eta = 3};
  spec.policy = PolicyKind::kHyperband;
  return spec;
}

RungLadder Ladder(int64_t least, int64_t most, int64_t eta) {
  return *RungLadder::Create({.min_epochs = least, .max_epochs = most, .eta = eta});
}

TEST(HyperbandBrackets, AreThoseOfThePaper) {
  // Table 1 of Li et al. 2018, but that n_s is rounded up: R = 81, eta = 3.
  const std::vector<Bracket> brackets = HyperbandBrackets(Ladder(1, 81, 3), 1);
  ASSERT_EQ(brackets.size(), 5u);
  EXPECT_THAT(brackets[0].sizes, ElementsAre(81, 27, 9, 3, 1));
  EXPECT_THAT(brackets[1].sizes, ElementsAre(0, 34, 11, 3, 1));
  EXPECT_THAT(brackets[2].sizes, ElementsAre(0, 0, 15, 5, 1));
  EXPECT_THAT(brackets[3].sizes, ElementsAre(0, 0, 0, 8, 2));
  EXPECT_THAT(brackets[4].sizes, ElementsAre(0, 0, 0, 0, 5));
}

TEST(HyperbandBrackets, GrowWithThePrefactorAndAreNeverEmpty) {
  EXPECT_THAT(HyperbandBrackets(Ladder(1, 9, 3), 2)[0].sizes, ElementsAre(18, 6, 2));
  EXPECT_THAT(HyperbandBrackets(Ladder(1, 9, 3), 0.12)[2].sizes, ElementsAre(0, 0, 1));
  EXPECT_THAT(HyperbandBrackets(Ladder(3, 3, 2), 1)[0].sizes, ElementsAre(1));
}

TEST(HyperbandBrackets, AreNotMovedByTheLastBitsOfADouble) {
  EXPECT_EQ(HyperbandBrackets(Ladder(1, 59049, 3), 1)[2].sizes[2], 8019) << "11 / 9 * 3^8";
  EXPECT_EQ(HyperbandBrackets(Ladder(1, 15625, 5), 0.04)[2].sizes[2], 35) << "0.04 * 7 / 5 * 5^4";
}

TEST(HyperbandBrackets, NeedRoomForATrialThatTrainsToTheTopAtOnce) {
  EXPECT_THAT(Normalise(Hyperband({.max_total_epochs = 8})),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       testing::HasSubstr("limits.max_total_epochs is 8")));
  EXPECT_THAT(Normalise(Hyperband({.max_total_epochs = 9})), IsOk());
}

TEST(Hyperband, ARoundFillsEachBracketOnceInAnOrderOfTheSeeds) {
  std::set<std::vector<int>> orders;
  for (const uint64_t seed : {1, 2, 3}) {
    StudySpec spec = Hyperband({.max_rounds = 2});
    spec.seed = seed;
    const auto policy = Policy::Create(*Normalise(spec), Ladder(1, 9, 3));
    EXPECT_EQ(policy->TrialsIn(1), 9 + 5 + 3);
    for (const int64_t round : {0, 1}) {
      std::map<int, int> drawn;
      std::vector<int> order;
      for (int64_t i = 0; i < 17; ++i) {
        const Placement place = policy->Place(round * 17 + i);
        EXPECT_EQ(place.round, round + 1);
        EXPECT_EQ(place.group.round, 0) << "rounds share the rungs of a bracket";
        ++drawn[place.group.bracket];
        order.push_back(place.group.bracket);
      }
      EXPECT_THAT(drawn,
                  ElementsAre(testing::Pair(0, 9), testing::Pair(1, 5), testing::Pair(2, 3)));
      orders.insert(order);
    }
  }
  EXPECT_EQ(orders.size(), 6u) << "each round of each seed has an order of its own";
}

TEST(Hyperband, ATrialStartsAtTheFirstRungOfItsBracket) {
  SchedulerFixture f(Hyperband({.max_rounds = 1}));
  const std::vector<Assignment> held = f.TakeMany(17);
  for (const Assignment& a : held) {
    const Trial& trial = f.trial(a.lease.trial);
    EXPECT_EQ(trial.rung, trial.group.bracket);
    EXPECT_EQ(a.to_epoch, f.study().ladder().epochs(trial.group.bracket));
    EXPECT_EQ(a.from_epoch, 0);
  }
}

TEST(Hyperband, TrialsCompeteWithinTheirBracketAllTheWayUp) {
  SchedulerFixture f(Hyperband({.max_rounds = 1}));
  std::map<int, std::vector<TrialId>> finished;
  while (std::optional<Assignment> next = f.AskFor("w")) {
    f.Complete(*next, static_cast<double>(next->lease.trial));
    if (next->to_epoch == 9) {
      finished[f.trial(next->lease.trial).group.bracket].push_back(next->lease.trial);
    }
  }
  EXPECT_EQ(f.study().state(), StudyState::kCompleted);
  EXPECT_EQ(finished[0].size(), 1u);
  EXPECT_EQ(finished[1].size(), 1u);
  EXPECT_EQ(finished[2].size(), 3u) << "the last bracket trains to the top at once";
  // The best of bracket 0 is its first trial.
  for (TrialId id = 1; id < finished[0].front(); ++id) EXPECT_NE(f.trial(id).group.bracket, 0);
}

TEST(Hyperband, MaxRoundsGivesExactlyThePlan) {
  const StudySpec spec = Hyperband({.max_rounds = 2});
  SchedulerFixture f(spec);
  while (std::optional<Assignment> next = f.AskFor("w")) f.Complete(*next, 0.5);
  const absl::StatusOr<Plan> plan = MakePlan(spec);
  ASSERT_THAT(plan, IsOk());
  EXPECT_EQ(plan->rounds, 2);
  EXPECT_EQ(f.study().evaluations(), 2 * plan->evaluations_per_round);
  EXPECT_EQ(f.study().epochs_trained(), 2 * plan->epochs_per_round);
}

TEST(Hyperband, AnEvaluationLimitIsUsedUpToWhatPromotionsNeed) {
  for (int64_t limit = 1; limit <= 60; ++limit) {
    SchedulerFixture f(Hyperband({.max_evaluations = limit}));
    while (std::optional<Assignment> next = f.AskFor("w")) f.Complete(*next, 0.5);
    EXPECT_EQ(f.study().state(), StudyState::kCompleted);
    EXPECT_LE(f.study().evaluations(), limit);
    EXPECT_GE(f.study().evaluations(), limit - 3) << "of " << limit;
  }
}

TEST(Hyperband, TheFirstRoundOfFailuresEndsIt) {
  SchedulerFixture f(Hyperband({.max_evaluations = 100}));
  for (int i = 0; i < 17; ++i) {
    EXPECT_EQ(f.study().state(), StudyState::kRunning) << "after " << i;
    f.Fail(f.Take("w"), /*retryable=*/false);
  }
  EXPECT_EQ(f.study().state(), StudyState::kFailed);
}

}  // namespace
}  // namespace halving
