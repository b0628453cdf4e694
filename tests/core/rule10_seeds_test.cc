// Rule 10: the same seed gives the same configs, whatever the workers and restarts.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/random.h"
#include "gtest/gtest.h"
#include "server/core/searcher.h"
#include "tests/support/matchers.h"
#include "tests/support/scheduler_fixture.h"

namespace halving {
namespace {

std::vector<Config> ConfigsOf(const SchedulerFixture& f) {
  std::vector<Config> configs;
  for (TrialId id = 1; id <= f.study().trials(); ++id) configs.push_back(f.trial(id).config);
  return configs;
}

// All configs of a study that some workers carried out, finishing in an order of their own.
std::vector<Config> ConfigsOfRun(uint64_t seed, int workers, uint64_t order, bool restarts) {
  StudySpec spec = SmallSpec({.max_evaluations = 30});
  spec.seed = seed;
  SchedulerFixture f(spec);
  std::vector<Assignment> held;
  for (uint64_t step = 0;; ++step) {
    while (static_cast<int>(held.size()) < workers) {
      std::optional<Assignment> next = f.AskFor(absl::StrCat("w", MixBits(order, step)));
      if (!next.has_value()) break;
      held.push_back(*std::move(next));
    }
    if (held.empty()) return ConfigsOf(f);
    if (restarts && step % 3 == 0) f.Restart(absl::Seconds(1));
    const size_t at = BoundedBits(MixBits(order, step, 1), held.size());
    f.Complete(held[at], UnitInterval(MixBits(order, step, 2)));
    held.erase(held.begin() + static_cast<std::ptrdiff_t>(at));
  }
}

TEST(Rule10Seeds, TheSameSeedGivesTheSameConfigsWhateverTheWorkersAndRestarts) {
  const std::vector<Config> expected = ConfigsOfRun(5, 1, 0, false);
  ASSERT_EQ(expected.size(), 16u);
  for (const int workers : {1, 3, 7, 30}) {
    for (uint64_t order = 1; order <= 5; ++order) {
      EXPECT_EQ(ConfigsOfRun(5, workers, order, order % 2 == 0), expected)
          << workers << " workers, order " << order;
    }
  }
  EXPECT_NE(ConfigsOfRun(6, 1, 0, false), expected);
}

TEST(Rule10Seeds, ConfigIIsThatOfTheSearcher) {
  const std::vector<Config> configs = ConfigsOfRun(5, 3, 1, false);
  const SearchSpace space = *SearchSpace::Create({{"x", FloatRange{0, 1}}});
  for (size_t i = 0; i < configs.size(); ++i) {
    const Draws draws(/*seed=*/5, static_cast<int64_t>(i) + 1, /*attempt=*/0);
    EXPECT_EQ(configs[i], ConfigAt(space, RandomSearcher(1).Propose(draws)));
  }
}

TEST(Rule10Seeds, SampledConfigsDoNotMoveWhenInitialOnesComeBeforeThem) {
  StudySpec spec = SmallSpec({.max_evaluations = 30});
  SchedulerFixture plain(spec);
  spec.initial_configs = {{{"x", 0.5}}};
  SchedulerFixture with_initial(spec);
  plain.TakeMany(3);
  with_initial.TakeMany(3);
  EXPECT_EQ(ConfigsOf(plain)[1], ConfigsOf(with_initial)[1]);
  EXPECT_EQ(ConfigsOf(plain)[2], ConfigsOf(with_initial)[2]);
}

TEST(Rule10Seeds, ReplayTakesTheConfigFromItsEventAndNeverSamples) {
  SchedulerFixture f(SmallSpec({.max_evaluations = 30}));
  f.Take("w1");
  std::vector<Event> events = f.events();
  for (Event& event : events) {
    if (auto* sampled = std::get_if<TrialSampled>(&event)) sampled->config = {0.123};
  }
  EXPECT_EQ(Replay(events).FindStudy("s")->FindTrial(1)->config, Config{0.123});
}

TEST(Rule10Seeds, AStudyWithoutASeedGetsTheFallbackAndKeepsIt) {
  StudySpec spec = SmallSpec({.max_evaluations = 30});
  spec.seed = 0;
  SchedulerFixture f;
  f.Do(CreateStudy{.spec = spec, .fallback_seed = 1234});
  EXPECT_EQ(f.study().spec().seed, 1234u);
  f.Restart();
  EXPECT_EQ(f.study().spec().seed, 1234u);
}

}  // namespace
}  // namespace halving
