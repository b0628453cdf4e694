// No config is handed out twice while the space has others, whatever the searcher.
#include <map>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/matchers.h"
#include "tests/support/scheduler_fixture.h"

namespace halving {
namespace {

// `n` exists for one of the two choices: of 2 * 3 * 4 = 24 combinations that can be written,
// 3 * 4 + 3 = 15 differ.
std::vector<Parameter> FifteenConfigs() {
  return {{"c", Choice{.values = {std::string("a"), std::string("b")}}},
          {"k", IntRange{1, 3}},
          {"n", IntRange{1, 4}, {{"c", {std::string("a")}}}}};
}

class NoRepeatsTest : public testing::TestWithParam<SearcherKind> {};
INSTANTIATE_TEST_SUITE_P(, NoRepeatsTest,
                         testing::Values(SearcherKind::kRandom, SearcherKind::kSobol,
                                         SearcherKind::kPerturb, SearcherKind::kTpe,
                                         SearcherKind::kGp),
                         [](const auto& info) {
                           return std::to_string(static_cast<int>(info.param));
                         });

StudySpec Finite(SearcherKind searcher, int64_t evaluations) {
  StudySpec spec = SmallSpec({.max_evaluations = evaluations});
  spec.halving = {.min_epochs = 1, .max_epochs = 1, .eta = 2};
  spec.parameters = FifteenConfigs();
  spec.searcher = searcher;
  return spec;
}

TEST_P(NoRepeatsTest, AFiniteSpaceIsHandedOutToItsLastConfig) {
  SchedulerFixture f(Finite(GetParam(), 15));
  std::set<Config> seen;
  for (int i = 1; i <= 15; ++i) {
    EXPECT_FALSE(f.study().sampler().Exhausted());
    const Assignment next = f.Take("w");
    EXPECT_TRUE(seen.insert(f.trial(next.lease.trial).config).second) << "trial " << i;
    f.Complete(next, 0.01 * i);
  }
  EXPECT_TRUE(f.study().sampler().Exhausted());
}

TEST_P(NoRepeatsTest, ThenTheyComeAgain) {
  SchedulerFixture f(Finite(GetParam(), 40));
  for (int i = 1; i <= 40; ++i) f.Complete(f.Take("w"), 0.01 * i);
  EXPECT_EQ(f.study().evaluations(), 40);
}

TEST_P(NoRepeatsTest, AnInitialConfigIsNotSampledAgain) {
  StudySpec spec = Finite(GetParam(), 15);
  spec.initial_configs = {{{"c", std::string("b")}, {"k", 2.0}}};
  SchedulerFixture f(spec);
  std::set<Config> seen;
  for (int i = 1; i <= 15; ++i) {
    const Assignment next = f.Take("w");
    EXPECT_TRUE(seen.insert(f.trial(next.lease.trial).config).second) << "trial " << i;
    f.Complete(next, 0.01 * i);
  }
}

TEST_P(NoRepeatsTest, ARestartChangesNothing) {
  SchedulerFixture one(Finite(GetParam(), 40));
  SchedulerFixture two(Finite(GetParam(), 40));
  for (int i = 1; i <= 40; ++i) {
    const Assignment a = one.Take("w");
    const Assignment b = two.Take("w");
    EXPECT_EQ(a.config, b.config) << "trial " << i;
    one.Complete(a, 1.0 / i);
    two.Complete(b, 1.0 / i);
    two.Restart();
  }
}

TEST(NoRepeats, ALargeSpaceIsHandedOutToItsLastConfigToo) {
  StudySpec spec = SmallSpec({.max_evaluations = 5000});
  spec.halving = {.min_epochs = 1, .max_epochs = 1, .eta = 2};
  spec.parameters = {{"a", IntRange{1, 50}}, {"b", IntRange{1, 100}}};
  spec.max_attempts = 1;
  Scheduler scheduler;
  std::vector<Event> events;
  ASSERT_THAT(scheduler.Execute(CreateStudy{.spec = spec}, absl::UnixEpoch(), &events), IsOk());
  for (int i = 1; i <= 5000; ++i) {
    const absl::StatusOr<Answer> answer = scheduler.Execute(
        Ask{.worker = "w", .request_id = std::to_string(i)}, absl::UnixEpoch(), &events);
    ASSERT_THAT(answer, IsOk());
    ASSERT_TRUE(answer->assignment.has_value());
  }
  std::set<Config> seen;
  for (const Event& event : events) {
    if (const auto* sampled = std::get_if<TrialSampled>(&event)) seen.insert(sampled->config);
  }
  EXPECT_EQ(seen.size(), 5000u);
}

// How many of the study's first trials have a config that was there before.
int64_t Repeats(const StudySpec& spec, int trials) {
  SchedulerFixture f(spec);
  std::set<Config> seen;
  int64_t repeats = 0;
  for (int i = 0; i < trials; ++i) {
    const Assignment next = f.Take("w");
    if (!seen.insert(f.trial(next.lease.trial).config).second) ++repeats;
    f.Complete(next, 1.0 / (i + 1));
  }
  return repeats;
}

TEST_P(NoRepeatsTest, AFloatThatSeldomExistsIsWhatIsLeft) {
  StudySpec spec = Finite(GetParam(), 1000);
  spec.parameters = {{"a", IntRange{1, 50}}, {"x", FloatRange{0, 1}, {{"a", {1.0}}}}};
  EXPECT_EQ(Repeats(spec, 200), 0) << "49 configs without x, and no end of them with it";
}

TEST(NoRepeats, NoCallLooksThroughAllCombinationsOfASpaceThatHasFewConfigs) {
  // `c` never exists, so that 500,000 of a million combinations are one config.
  StudySpec spec = Finite(SearcherKind::kRandom, 1000);
  spec.parameters = {{"a", IntRange{0, 1}},
                     {"b", IntRange{0, 0}, {{"a", {1.0}}}},
                     {"c", IntRange{1, 500'000}, {{"a", {0.0}}, {"b", {0.0}}}}};
  for (int i = 0; i < 900; ++i) {
    spec.parameters.push_back({"p" + std::to_string(i), IntRange{7, 7}});
  }
  EXPECT_EQ(Repeats(spec, 6), 4) << "there are two";
}

}  // namespace
}  // namespace halving
