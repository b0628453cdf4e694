// Whole studies under faults from a seed: the rules hold at every event, the journal alone gives
// the same state, and whatever happens every study ends.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/dice.h"
#include "tests/support/history_checker.h"
#include "tests/support/matchers.h"
#include "tests/support/random_studies.h"
#include "tests/support/scheduler_fixture.h"
#include "tests/support/simulator.h"

namespace halving {
namespace {

std::string StateAfter(const std::vector<Event>& events) { return Replay(events).DebugString(); }

class UnderFaults : public testing::TestWithParam<uint64_t> {};

TEST_P(UnderFaults, EveryStudyEndsAndEveryEventKeepsTheRules) {
  SimOptions options = RandomOptions(GetParam());
  HistoryChecker checker;
  options.observer = [&checker](const Scheduler&, const std::vector<Event>& fresh) {
    return checker.CheckAll(fresh);
  };
  const SimResult run = Simulate(options);
  ASSERT_THAT(run.status, IsOk()) << "seed " << GetParam();
  EXPECT_EQ(checker.DebugString(), run.final_state) << "seed " << GetParam();
  EXPECT_EQ(StateAfter(run.events), run.final_state)
      << "seed " << GetParam() << ": the durable events alone must do";
}

TEST_P(UnderFaults, AnyPrefixOfTheJournalGoesOnToTheEnd) {
  const SimOptions options = RandomOptions(GetParam());
  const SimResult run = Simulate(options);
  ASSERT_THAT(run.status, IsOk()) << "seed " << GetParam();
  Dice dice(GetParam());
  for (int i = 0; i < 3; ++i) {
    const size_t end =
        run.ends[static_cast<size_t>(dice.Between(0, static_cast<int64_t>(run.ends.size()) - 1))];
    SCOPED_TRACE(absl::StrCat("seed ", GetParam(), ", cut after event ", end));
    HistoryChecker checker;
    SimOptions rest = {.seed = GetParam() + 1, .workers = 2};
    rest.history.assign(run.events.begin(), run.events.begin() + static_cast<std::ptrdiff_t>(end));
    for (const Event& event : rest.history) {
      if (!IsDurable(event)) continue;
      ASSERT_THAT(checker.Check(event), IsOk());
    }
    rest.observer = [&checker](const Scheduler&, const std::vector<Event>& fresh) {
      return checker.CheckAll(fresh);
    };
    const SimResult continued = Simulate(rest);
    ASSERT_THAT(continued.status, IsOk());
    EXPECT_EQ(checker.DebugString(), continued.final_state);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, UnderFaults, testing::Range<uint64_t>(1, 51));

TEST(Replay, OfEveryPrefixGivesTheStateThatWasThere) {
  SimOptions options = RandomOptions(7);
  options.studies = {SmallSpec({.max_evaluations = 30})};
  options.faults.restart = 0.02;
  std::vector<std::string> states;
  options.observer = [&states](const Scheduler& scheduler, const std::vector<Event>&) {
    states.push_back(scheduler.DebugString());
    return absl::OkStatus();
  };
  const SimResult run = Simulate(options);
  ASSERT_THAT(run.status, IsOk());
  ASSERT_GT(run.commands, 100) << "too short to prove anything";
  ASSERT_GT(run.restarts, 0);
  Scheduler replayed;
  size_t applied = 0;
  for (size_t i = 0; i < run.ends.size(); ++i) {
    SCOPED_TRACE(absl::StrCat("seed 7, command ", i));
    for (; applied < run.ends[i]; ++applied) {
      if (IsDurable(run.events[applied])) replayed.Apply(run.events[applied]);
    }
    ASSERT_EQ(replayed.DebugString(), states[i]);
  }
}

// A checker that lets everything pass would prove nothing.
class CheckerTest : public testing::TestWithParam<PolicyKind> {
 protected:
  CheckerTest() {
    StudySpec spec = SmallSpec({.max_evaluations = 60});
    spec.policy = GetParam();
    run_ = Simulate({.studies = {spec}, .workers = 5});
    EXPECT_THAT(run_.status, IsOk());
  }
  // Whether `event` may come after the first `count` events of the run.
  bool Passes(size_t count, const Event& event) const {
    HistoryChecker checker(HistoryChecker::Depth::kEventsOnly);
    for (size_t i = 0; i < count; ++i) EXPECT_THAT(checker.Check(run_.events[i]), IsOk());
    return checker.Check(event).ok();
  }
  SimResult run_;
};

TEST_P(CheckerTest, FindsATrialThatBeginsInTheWrongPlaceOrWithAWrongConfig) {
  std::optional<Config> earlier;
  for (size_t i = 0; i < run_.events.size(); ++i) {
    const auto* sampled = std::get_if<TrialSampled>(&run_.events[i]);
    if (sampled == nullptr) continue;
    TrialSampled wrong = *sampled;
    ++wrong.round;
    EXPECT_FALSE(Passes(i, wrong)) << "event " << i;
    for (const GroupKey& group : {GroupKey{.bracket = 9}, GroupKey{.round = 9}}) {
      wrong = *sampled;
      wrong.group = group;
      EXPECT_FALSE(Passes(i, wrong)) << "event " << i;
    }
    wrong = *sampled;
    wrong.config = earlier.value_or(Config{1.5});
    EXPECT_FALSE(Passes(i, wrong)) << "event " << i;
    earlier = sampled->config;
  }
}

TEST_P(CheckerTest, FindsWhoIsPromotedWithoutARight) {
  for (size_t i = 0; i < run_.events.size(); ++i) {
    const auto* closed = std::get_if<RungClosed>(&run_.events[i]);
    const auto* promoted = std::get_if<TrialPromoted>(&run_.events[i]);
    if (closed != nullptr && closed->promoted.size() > 1) {
      RungClosed wrong = *closed;
      std::swap(wrong.promoted.front(), wrong.promoted.back());
      EXPECT_FALSE(Passes(i, wrong)) << "event " << i;
      wrong = *closed;
      wrong.eliminated.insert(wrong.eliminated.begin(), wrong.promoted.back());
      wrong.promoted.pop_back();
      EXPECT_FALSE(Passes(i, wrong) && !closed->drained) << "event " << i;
    }
    if (promoted == nullptr) continue;
    int may = 0;
    for (TrialId id = 1; id <= 15; ++id) {
      const TrialPromoted other = {.study = promoted->study, .trial = id};
      const auto sampled = std::count_if(
          run_.events.begin(), run_.events.begin() + static_cast<ptrdiff_t>(i),
          [](const Event& event) { return std::holds_alternative<TrialSampled>(event); });
      if (id <= sampled && Passes(i, other)) ++may;
    }
    EXPECT_LE(may, 3) << "one from each rung: event " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, CheckerTest,
                         testing::Values(PolicyKind::kHalving, PolicyKind::kHalvingPerRound,
                                         PolicyKind::kAsha, PolicyKind::kDelayedAsha,
                                         PolicyKind::kHyperband));

TEST(Simulator, GivesTheSameRunForTheSameSeedAndAnotherForAnother) {
  const SimResult one = Simulate(RandomOptions(3));
  const SimResult two = Simulate(RandomOptions(3));
  EXPECT_EQ(one.final_state, two.final_state);
  EXPECT_EQ(one.ends, two.ends);
  EXPECT_EQ(one.virtual_time, two.virtual_time);
  EXPECT_NE(one.final_state, Simulate(RandomOptions(4)).final_state);
}

// Counts all that happens under the rough faults, so that none of them falls asleep.
TEST(Simulator, LetsEveryKindOfEventHappen) {
  std::vector<int64_t> kinds(std::variant_size_v<Event>);
  int64_t revived = 0;
  int64_t restarts = 0;
  int64_t freezes = 0;
  int64_t acknowledged = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const SimResult run = Simulate(RandomOptions(seed));
    restarts += run.restarts;
    freezes += run.freezes;
    acknowledged += run.acknowledged;
    for (const Event& event : run.events) {
      ++kinds[event.index()];
      const auto* progressed = std::get_if<TrialProgressed>(&event);
      revived += progressed != nullptr && progressed->revived ? 1 : 0;
    }
  }
  for (size_t i = 0; i < kinds.size(); ++i) {
    const bool deleted = i == Event(StudyDeleted{}).index();  // Nobody deletes here.
    EXPECT_EQ(kinds[i] > 0, !deleted) << "event kind " << i;
  }
  EXPECT_GT(revived, 0);
  EXPECT_GT(restarts, 0);
  EXPECT_GT(freezes, 0);
  EXPECT_GT(acknowledged, 0);
}

TEST(Simulator, EveryStudyOfThousandsOfWorkersEndsUnderFaults) {
  SimOptions options = {.seed = 11,
                        .studies = {SmallSpec({.max_evaluations = 15 * 400})},
                        .workers = 2000,
                        .faults = SimFaults::Rough()};
  // Of each message, of which there are many; and a restart replays all that came before.
  for (double* fault : {&options.faults.restart, &options.faults.lose_commit,
                        &options.faults.freeze, &options.faults.fill_disk}) {
    *fault /= 600;
  }
  HistoryChecker checker(HistoryChecker::Depth::kEventsOnly);
  options.observer = [&checker](const Scheduler&, const std::vector<Event>& fresh) {
    return checker.CheckAll(fresh);
  };
  const SimResult run = Simulate(options);
  ASSERT_THAT(run.status, IsOk());
  EXPECT_GT(run.acknowledged, 5000);
  EXPECT_GT(run.restarts + run.freezes, 0);
  EXPECT_EQ(checker.DebugString(), run.final_state);
}

TEST(Simulator, KeepsManyWorkersBusyUntilTheLimitIsNear) {
  SimOptions options = {.studies = {SmallSpec({.max_evaluations = 15 * 60})}, .workers = 100};
  int64_t idle_asks = 0;
  options.observer = [&idle_asks](const Scheduler& scheduler, const std::vector<Event>&) {
    const Study& study = *scheduler.FindStudy("s");
    const int64_t idle = 100 - static_cast<int64_t>(study.running().size());
    // The reserve for a hundred trials is far below two hundred evaluations.
    if (study.evaluations() > 100 && study.evaluations() < 15 * 60 - 200) idle_asks += idle;
    return absl::OkStatus();
  };
  const SimResult run = Simulate(options);
  ASSERT_THAT(run.status, IsOk());
  // A worker is without a trial only between its report and its next ask.
  EXPECT_LE(idle_asks, run.commands);
}

}  // namespace
}  // namespace halving
