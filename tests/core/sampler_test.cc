// Rule 10, the pure part: config i is a function of (seed, i).
#include "server/core/sampler.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/core/searcher.h"
#include "server/core/unit_cube.h"
#include "tests/support/matchers.h"

namespace halving {
namespace {

using testing::ElementsAre;

SearchSpace Space(std::vector<Parameter> parameters) {
  absl::StatusOr<SearchSpace> space = SearchSpace::Create(std::move(parameters));
  EXPECT_THAT(space, IsOk());
  return *std::move(space);
}

// The config that random search has for a trial.
Config SampleRandom(const SearchSpace& space, uint64_t seed, int64_t trial) {
  const RandomSearcher searcher(space.parameters().size());
  return ConfigAt(space, searcher.Propose(Draws(seed, trial, /*attempt=*/0)));
}

// The first parameter's value in configs 1 to n.
std::vector<double> Draw(const Parameter& parameter, int n) {
  const SearchSpace space = Space({parameter});
  std::vector<double> values;
  for (int i = 1; i <= n; ++i) values.push_back(SampleRandom(space, /*seed=*/7, i)[0]);
  return values;
}

std::map<double, int> Count(const std::vector<double>& values) {
  std::map<double, int> counts;
  for (const double value : values) ++counts[value];
  return counts;
}

TEST(SampleRandomTest, IsAFunctionOfSeedAndIndex) {
  const SearchSpace space = Space({{"x", FloatRange{0, 1}}, {"y", FloatRange{0, 1}}});
  const Config config = SampleRandom(space, 1, 5);
  SampleRandom(space, 1, 6);
  EXPECT_EQ(SampleRandom(space, 1, 5), config);
  EXPECT_NE(SampleRandom(space, 1, 6), config);
  EXPECT_NE(SampleRandom(space, 2, 5), config);
  EXPECT_NE(config[0], config[1]) << "parameters of one config must not move together";
}

TEST(SampleRandomTest, AParameterAddedAtTheEndLeavesTheOthersAlone) {
  const Config one = SampleRandom(Space({{"x", FloatRange{0, 1}}}), 1, 5);
  const Config two = SampleRandom(Space({{"x", FloatRange{0, 1}}, {"y", IntRange{1, 9}}}), 1, 5);
  EXPECT_EQ(one[0], two[0]);
}

TEST(SampleRandomTest, FloatsSpreadEvenly) {
  const std::vector<double> values = Draw({"x", FloatRange{-1, 3}}, 10'000);
  std::vector<int> tenths(10);
  for (const double value : values) {
    ASSERT_GE(value, -1);
    ASSERT_LE(value, 3);
    ++tenths[std::min(9, static_cast<int>((value + 1) / 0.4))];
  }
  // 1000 each; 150 is five standard deviations.
  for (const int count : tenths) EXPECT_NEAR(count, 1000, 150);
}

TEST(SampleRandomTest, LogFloatsSpreadEvenlyOnTheLogScale) {
  const std::vector<double> values = Draw({"x", FloatRange{1e-5, 1, true}}, 10'000);
  std::vector<int> decades(5);
  for (const double value : values) {
    ASSERT_GE(value, 1e-5);
    ASSERT_LE(value, 1);
    ++decades[std::clamp(static_cast<int>(std::floor(std::log10(value) + 5)), 0, 4)];
  }
  for (const int count : decades) EXPECT_NEAR(count, 2000, 200);
}

TEST(SampleRandomTest, LogFloatsNeverLeaveTheirRange) {
  // exp(log(x)) is not x for these.
  for (const double value : Draw({"x", FloatRange{0.1, 0.1000000000000001, true}}, 1000)) {
    EXPECT_GE(value, 0.1);
    EXPECT_LE(value, 0.1000000000000001);
  }
}

TEST(SampleRandomTest, IntsHitBothEndsAndEverythingBetweenEvenly) {
  const std::map<double, int> counts = Count(Draw({"n", IntRange{-2, 3}}, 6000));
  EXPECT_EQ(counts.size(), 6u);
  for (double n = -2; n <= 3; ++n) EXPECT_NEAR(counts.at(n), 1000, 150) << n;
}

TEST(SampleRandomTest, IntsHitOnlyTheirSteps) {
  const std::map<double, int> counts = Count(Draw({"n", IntRange{10, 100, false, 30}}, 4000));
  EXPECT_EQ(counts.size(), 4u);
  for (const double n : {10, 40, 70, 100}) EXPECT_NEAR(counts.at(n), 1000, 150) << n;
}

TEST(SampleRandomTest, AStepThatMissesTheMaximumStopsBelowIt) {
  std::set<double> seen;
  for (const double n : Draw({"n", IntRange{0, 10, false, 4}}, 300)) seen.insert(n);
  EXPECT_THAT(seen, ElementsAre(0, 4, 8));
}

TEST(SampleRandomTest, AnIntOfOneValueIsThatValue) {
  for (const double n : Draw({"n", IntRange{5, 5}}, 50)) EXPECT_EQ(n, 5);
}

TEST(SampleRandomTest, LogIntsSpreadEvenlyOnTheLogScaleAndHitBothEnds) {
  const std::map<double, int> counts = Count(Draw({"n", IntRange{1, 1000, true}}, 30'000));
  EXPECT_GE(counts.begin()->first, 1);
  EXPECT_LE(counts.rbegin()->first, 1000);
  const auto between = [&](double low, double high) {
    int sum = 0;
    for (const auto& [value, count] : counts) sum += value >= low && value <= high ? count : 0;
    return sum / 30'000.0;
  };
  // Each number n owns the logarithms from n - 0.5 to n + 0.5.
  const double all = std::log(1000.5 / 0.5);
  EXPECT_NEAR(between(1, 1), std::log(1.5 / 0.5) / all, 0.02);
  EXPECT_NEAR(between(1, 10), std::log(10.5 / 0.5) / all, 0.02);
  EXPECT_NEAR(between(101, 1000), std::log(1000.5 / 100.5) / all, 0.02);
  const std::map<double, int> small = Count(Draw({"n", IntRange{3, 6, true}}, 4000));
  EXPECT_EQ(small.size(), 4u);
  EXPECT_GT(small.at(3), small.at(6));
}

TEST(SampleRandomTest, LogIntsHitOnlyTheirSteps) {
  std::set<double> seen;
  for (const double n : Draw({"n", IntRange{16, 128, true, 16}}, 4000)) seen.insert(n);
  EXPECT_THAT(seen, ElementsAre(16, 32, 48, 64, 80, 96, 112, 128));
}

TEST(SampleRandomTest, TheWidestIntsStayExact) {
  constexpr int64_t kTwoTo53 = int64_t{1} << 53;
  for (const double n : Draw({"n", IntRange{-kTwoTo53, kTwoTo53}}, 1000)) {
    EXPECT_LE(std::fabs(n), static_cast<double>(kTwoTo53));
    EXPECT_EQ(n, std::floor(n));
  }
}

TEST(SampleRandomTest, ChoicesAreDrawnEvenly) {
  const std::map<double, int> counts =
      Count(Draw({"c", Choice{.values = {std::string("a"), 1.0, true}}}, 3000));
  EXPECT_EQ(counts.size(), 3u);
  for (const double index : {0, 1, 2}) EXPECT_NEAR(counts.at(index), 1000, 150) << index;
}

// These numbers are a promise to every study that names its seed: a later release that changes
// them changes what an old spec means.
TEST(SampleRandomTest, GivesTheSameConfigsInEveryRelease) {
  const SearchSpace space = Space({{"x", FloatRange{0, 1}},
                                   {"log_x", FloatRange{1e-4, 1, true}},
                                   {"n", IntRange{1, 100}},
                                   {"log_n", IntRange{16, 1024, true, 16}},
                                   {"c", Choice{.values = {1.0, 2.0, 3.0, 4.0}}}});
  struct Golden {
    uint64_t seed;
    int64_t index;
    Config config;
  };
  const std::vector<Golden> goldens = {
      {1, 1, {0.34163131066679175, 0.0057430124458665256, 27, 112, 0}},
      {1, 2, {0.90061090889315842, 0.075212569353909409, 92, 464, 3}},
      {42, 1, {0.57712579535594599, 0.0022850114582691271, 96, 176, 2}},
      {0xffffffffffffffff, 1'000'000, {0.87751724449427215, 0.17434636778027018, 59, 160, 3}},
  };
  for (const auto& [seed, index, expected] : goldens) {
    const Config config = SampleRandom(space, seed, index);
    SCOPED_TRACE(testing::Message() << "seed " << seed << ", config " << index);
    ASSERT_EQ(config.size(), expected.size());
    for (size_t i = 0; i < config.size(); ++i) {
      // exp and log may differ by a last bit between C libraries.
      EXPECT_NEAR(config[i], expected[i], std::fabs(expected[i]) * 1e-14) << "parameter " << i;
    }
  }
}

// A study over the parameters, by random search.
StudySpec SpecOf(const SearchSpace& space) { return {.parameters = space.parameters(), .seed = 7}; }

TEST(SamplerTest, HandsOutASmallSpaceToItsLastConfigBeforeAnyComesAgain) {
  const SearchSpace space = Space({{"c", Choice{{std::string("a"), std::string("b")}}, {}},
                                   {"n", IntRange{1, 50}, {{"c", {std::string("a")}}}}});
  Sampler sampler(SpecOf(space), &space, /*rungs=*/1);
  std::set<Config> seen;
  for (int64_t trial = 1; trial <= 51; ++trial) {
    EXPECT_FALSE(sampler.Exhausted()) << trial;
    const Config config = sampler.Next(trial);
    EXPECT_TRUE(seen.insert(config).second) << "trial " << trial;
    sampler.Record(trial, config);
  }
  EXPECT_TRUE(sampler.Exhausted());
  EXPECT_TRUE(seen.contains(sampler.Next(52)));
}

// Three configs, which 4 * 10^12 points give: nobody may look at each of those.
TEST(SamplerTest, AParameterThatCanNeverExistCostsNoTime) {
  const SearchSpace space =
      Space({{"a", Choice{{std::string("x"), std::string("y")}}, {}},
             {"b", Choice{{std::string("x"), std::string("y")}}, {{"a", {std::string("x")}}}},
             {"n",
              IntRange{1, 1'000'000'000'000},
              {{"a", {std::string("y")}}, {"b", {std::string("x")}}}}});
  Sampler sampler(SpecOf(space), &space, /*rungs=*/1);
  std::set<Config> seen;
  for (int64_t trial = 1; trial <= 20; ++trial) {
    const Config config = sampler.Next(trial);
    sampler.Record(trial, config);
    seen.insert(config);
  }
  EXPECT_EQ(seen.size(), 3u);
}

TEST(TrainingSeedTest, IsAFunctionOfStudySeedAndTrialWithin31Bits) {
  std::set<int32_t> seeds;
  for (int64_t trial = 1; trial <= 1000; ++trial) {
    const int32_t seed = TrainingSeed(9, trial);
    EXPECT_GE(seed, 0);
    EXPECT_EQ(TrainingSeed(9, trial), seed);
    seeds.insert(seed);
  }
  EXPECT_GT(seeds.size(), 995u) << "nearly all differ";
  EXPECT_NE(TrainingSeed(9, 1), TrainingSeed(10, 1));
}

TEST(TrainingSeedTest, GivesTheSameSeedsInEveryRelease) {
  EXPECT_EQ(TrainingSeed(1, 1), 61269269);
  EXPECT_EQ(TrainingSeed(42, 7), 1079431710);
}

}  // namespace
}  // namespace halving
