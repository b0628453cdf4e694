// Searchers, as they are meant to look for the next config.
#include "server/core/searcher.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/core/sobol_searcher.h"
#include "tests/support/matchers.h"

namespace halving {
namespace {

constexpr int kRungs = 3;
constexpr uint64_t kSeed = 7;

std::string NameOf(SearcherKind kind) {
  switch (kind) {
    case SearcherKind::kRandom:
      return "Random";
    case SearcherKind::kSobol:
      return "Sobol";
    case SearcherKind::kPerturb:
      return "Perturb";
    case SearcherKind::kTpe:
      return "Tpe";
    case SearcherKind::kGp:
      return "Gp";
  }
  return "Unknown";
}

SearchSpace Space(std::vector<Parameter> parameters) {
  absl::StatusOr<SearchSpace> space = SearchSpace::Create(std::move(parameters));
  EXPECT_THAT(space, IsOk());
  return *std::move(space);
}

SearchSpace TwoFloats() { return Space({{"x", FloatRange{0, 1}}, {"y", FloatRange{0, 1}}}); }

std::unique_ptr<Searcher> Make(SearcherKind kind, const SearchSpace& space, uint64_t seed = kSeed) {
  StudySpec spec;
  spec.searcher = kind;
  spec.seed = seed;
  return Searcher::Create(spec, &space, kRungs);
}

// The least at (0.8, 0.3).
double Bowl(const Point& point) { return std::hypot(point[0] - 0.8, point[1] - 0.3); }

// Lets it propose `trials` configs one after another and learn each one's error at `rung`.
template <typename Error>
std::vector<Point> RunTrials(Searcher* searcher, const SearchSpace& space, int trials, int rung,
                             Error error, int64_t first = 1) {
  std::vector<Point> points;
  for (int64_t trial = first; trial < first + trials; ++trial) {
    const Config config = ConfigAt(space, searcher->Propose(Draws(kSeed, trial, 0)));
    searcher->Begin(trial, config);
    points.push_back(PointOf(space, config));
    searcher->Learn(trial, rung, error(points.back()));
  }
  return points;
}

double Least(const std::vector<Point>& points) {
  double least = INFINITY;
  for (const Point& point : points) least = std::min(least, Bowl(point));
  return least;
}

class AnySearcherTest : public testing::TestWithParam<SearcherKind> {};
class LearningSearcherTest : public testing::TestWithParam<SearcherKind> {};

INSTANTIATE_TEST_SUITE_P(, AnySearcherTest,
                         testing::Values(SearcherKind::kRandom, SearcherKind::kSobol,
                                         SearcherKind::kPerturb, SearcherKind::kTpe,
                                         SearcherKind::kGp),
                         [](const auto& info) { return NameOf(info.param); });
INSTANTIATE_TEST_SUITE_P(, LearningSearcherTest,
                         testing::Values(SearcherKind::kPerturb, SearcherKind::kTpe,
                                         SearcherKind::kGp),
                         [](const auto& info) { return NameOf(info.param); });

TEST_P(AnySearcherTest, ProposesTheSameAfterTheSameHistory) {
  const SearchSpace space = TwoFloats();
  const std::unique_ptr<Searcher> one = Make(GetParam(), space);
  const std::unique_ptr<Searcher> two = Make(GetParam(), space);
  EXPECT_EQ(RunTrials(one.get(), space, 60, 0, Bowl), RunTrials(two.get(), space, 60, 0, Bowl));
  EXPECT_EQ(one->Propose(Draws(kSeed, 61, 0)), one->Propose(Draws(kSeed, 61, 0)));
  EXPECT_NE(one->Propose(Draws(kSeed, 61, 0)), one->Propose(Draws(kSeed, 61, 1)))
      << "asked again, it must have something else";
  EXPECT_NE(one->Propose(Draws(kSeed, 61, 0)),
            Make(GetParam(), space, kSeed + 1)->Propose(Draws(kSeed + 1, 61, 0)));
}

TEST_P(AnySearcherTest, StaysInTheSpaceWhateverItLearns) {
  const SearchSpace space =
      Space({{"kind", Choice{.values = {std::string("a"), std::string("b"), std::string("c")}}},
             {"x", FloatRange{1e-6, 1, true}},
             {"n", IntRange{16, 128, true, 16}},
             {"rate", FloatRange{0, 1}, {{"kind", {std::string("b")}}}}});
  const std::unique_ptr<Searcher> searcher = Make(GetParam(), space);
  const std::vector<double> errors = {0.5, NAN, INFINITY, -INFINITY, 1e308, -1e308, 0, 0, 0};
  for (int64_t trial = 1; trial <= 300; ++trial) {
    const Config config = ConfigAt(space, searcher->Propose(Draws(kSeed, trial, 0)));
    ASSERT_THAT(space.Encode(space.Decode(config), "c"), IsOkAndHolds(config)) << trial;
    searcher->Begin(trial, config);
    if (trial % 11 == 0) {
      searcher->Forget(trial);
    } else {
      searcher->Learn(trial, static_cast<int>(trial % kRungs), errors[trial % errors.size()]);
    }
  }
}

TEST_P(AnySearcherTest, SearchesALogRangeTooNarrowForItsLogarithms) {
  const double above = std::nextafter(1e6, 2e6);
  const int64_t high = int64_t{1} << 53;
  const SearchSpace space =
      Space({{"x", FloatRange{1e6, above, true}}, {"n", IntRange{high - 10, high, true}}});
  const std::unique_ptr<Searcher> searcher = Make(GetParam(), space);
  for (const Point& point :
       RunTrials(searcher.get(), space, 60, 0, [](const Point&) { return 1; })) {
    for (const double at : point) EXPECT_TRUE(at >= 0 && at < 1) << at;
  }
}

TEST_P(AnySearcherTest, SearchesALargeSpace) {
  std::vector<Parameter> parameters;
  for (int i = 0; i < 400; ++i) parameters.push_back({"x" + std::to_string(i), FloatRange{0, 1}});
  const SearchSpace space = Space(std::move(parameters));
  const std::unique_ptr<Searcher> searcher = Make(GetParam(), space);
  const auto points = RunTrials(searcher.get(), space, 450, 0, Bowl);
  EXPECT_EQ(points.back().size(), 400u);
}

TEST_P(AnySearcherTest, SearchesASpaceOfOneConfig) {
  const SearchSpace space = Space({{"n", IntRange{5, 5}}, {"c", Choice{.values = {true}}}});
  const std::unique_ptr<Searcher> searcher = Make(GetParam(), space);
  for (const Point& point :
       RunTrials(searcher.get(), space, 40, 0, [](const Point&) { return 0.5; })) {
    EXPECT_EQ(ConfigAt(space, point), (Config{5, 0}));
  }
}

TEST_P(LearningSearcherTest, ComesCloserThanRandom) {
  const SearchSpace space = TwoFloats();
  const std::unique_ptr<Searcher> random = Make(SearcherKind::kRandom, space);
  const std::unique_ptr<Searcher> searcher = Make(GetParam(), space);
  EXPECT_LT(Least(RunTrials(searcher.get(), space, 150, 0, Bowl)),
            0.5 * Least(RunTrials(random.get(), space, 150, 0, Bowl)));
}

TEST_P(LearningSearcherTest, IsRandomUntilARungHasEnoughResults) {
  const SearchSpace space = TwoFloats();
  const std::unique_ptr<Searcher> random = Make(SearcherKind::kRandom, space);
  const std::unique_ptr<Searcher> searcher = Make(GetParam(), space);
  // d + 3 = 5 results must be there: finite ones, at one rung.
  for (int64_t trial = 1; trial <= 5; ++trial) {
    const Point point = searcher->Propose(Draws(kSeed, trial, 0));
    EXPECT_EQ(point, random->Propose(Draws(kSeed, trial, 0))) << trial;
    searcher->Begin(trial, ConfigAt(space, point));
    searcher->Learn(trial, trial == 1 ? 1 : 0, trial == 2 ? NAN : 0.5);
  }
}

TEST_P(LearningSearcherTest, ListensToTheHighestRungThatSaysEnough) {
  const SearchSpace space = TwoFloats();
  const std::unique_ptr<Searcher> searcher = Make(GetParam(), space);
  // The first rung praises the far corner, the second one tells the truth.
  const auto misleading = [](const Point& point) { return 2 - Bowl(point); };
  RunTrials(searcher.get(), space, 60, 0, misleading);
  std::vector<double> distances;
  for (const Point& point : RunTrials(searcher.get(), space, 60, 1, Bowl, /*first=*/61)) {
    distances.push_back(Bowl(point));
  }
  std::nth_element(distances.begin() + 30, distances.begin() + 45, distances.end());
  EXPECT_LT(distances[45], 0.25) << "the median of the last 30; random: about 0.45";
}

TEST_P(LearningSearcherTest, PrefersTheBetterChoice) {
  const SearchSpace space =
      Space({{"c", Choice{.values = {1.0, 2.0, 3.0, 4.0}}}, {"x", FloatRange{0, 1}}});
  const std::unique_ptr<Searcher> searcher = Make(GetParam(), space);
  const auto error = [](const Point& point) {
    return (point[0] < 0.25 ? 0 : 1) + std::abs(point[1] - 0.6);
  };
  int chosen = 0;
  for (const Point& point : RunTrials(searcher.get(), space, 80, 0, error)) {
    chosen += point[0] < 0.25 ? 1 : 0;
  }
  EXPECT_GT(chosen, 36) << "random: about 20";
}

TEST(GpSearcherTest, ShrugsOffAnErrorThatIsOutOfAllProportion) {
  const SearchSpace space = TwoFloats();
  for (const double outlier : {0.1, 1e12, 1e308}) {
    const std::unique_ptr<Searcher> searcher = Make(SearcherKind::kGp, space);
    // Every fourth trial goes on to the next rung, and one of them explodes there.
    std::vector<Point> points;
    for (int64_t trial = 1; trial <= 80; ++trial) {
      const Config config = ConfigAt(space, searcher->Propose(Draws(kSeed, trial, 0)));
      searcher->Begin(trial, config);
      points.push_back(PointOf(space, config));
      searcher->Learn(trial, 0, 1 + Bowl(points.back()));
      if (trial % 4 == 0) searcher->Learn(trial, 1, trial == 8 ? outlier : Bowl(points.back()));
    }
    EXPECT_LT(Least(points), 0.02) << outlier;
  }
}

TEST(GpSearcherTest, LooksElsewhereWhileTrialsRun) {
  const SearchSpace space = TwoFloats();
  const std::unique_ptr<Searcher> searcher = Make(SearcherKind::kGp, space);
  RunTrials(searcher.get(), space, 30, 0, Bowl);
  // Ten workers ask, and none has reported yet.
  std::vector<Point> running;
  for (int64_t trial = 31; trial <= 40; ++trial) {
    const Point point = searcher->Propose(Draws(kSeed, trial, 0));
    searcher->Begin(trial, ConfigAt(space, point));
    for (const Point& other : running) {
      EXPECT_GT(std::hypot(point[0] - other[0], point[1] - other[1]), 1e-3) << "trial " << trial;
    }
    running.push_back(point);
  }
}

TEST(SobolTest, HasTheFirstPointsOfTheSequence) {
  // In the order of the binary digits of the index.
  EXPECT_EQ(SobolBits(0, 0), 0u);
  EXPECT_EQ(SobolBits(1, 0), 0x80000000u);
  EXPECT_EQ(SobolBits(2, 0), 0x40000000u);
  EXPECT_EQ(SobolBits(3, 0), 0xc0000000u);
  EXPECT_EQ(SobolBits(2, 1), 0xc0000000u);
  EXPECT_EQ(SobolBits(3, 1), 0x40000000u);
}

TEST(SobolTest, EveryCoordinateIsEvenInEveryBlockOfAPowerOfTwo) {
  const SobolSearcher searcher(kSobolDimensions, kSeed);
  for (const int64_t block : {0, 1, 5}) {
    for (size_t d = 0; d < kSobolDimensions; ++d) {
      std::set<int> intervals;
      for (int64_t i = 1; i <= 64; ++i) {
        const Point point = searcher.Propose(Draws(kSeed, block * 64 + i, 0));
        intervals.insert(static_cast<int>(point[d] * 64));
      }
      EXPECT_EQ(intervals.size(), 64u) << "dimension " << d << " of block " << block;
    }
  }
}

TEST(SobolTest, PairsOfCoordinatesAreEvenToo) {
  const SobolSearcher searcher(2, kSeed);
  std::set<std::pair<int, int>> cells;
  for (int64_t i = 1; i <= 64; ++i) {
    const Point point = searcher.Propose(Draws(kSeed, i, 0));
    cells.insert({static_cast<int>(point[0] * 8), static_cast<int>(point[1] * 8)});
  }
  EXPECT_EQ(cells.size(), 64u);
}

TEST(SobolTest, TheSeedScrambles) {
  const SobolSearcher one(2, 1);
  const SobolSearcher two(2, 2);
  EXPECT_NE(one.Propose(Draws(1, 1, 0)), two.Propose(Draws(2, 1, 0)));
}

TEST(SobolTest, ParametersBeyondItsDimensionsAreRandom) {
  const SobolSearcher searcher(kSobolDimensions + 2, kSeed);
  std::set<double> seen;
  for (int64_t i = 1; i <= 50; ++i) {
    const Point point = searcher.Propose(Draws(kSeed, i, 0));
    seen.insert(point[kSobolDimensions]);
    seen.insert(point[kSobolDimensions + 1]);
  }
  EXPECT_EQ(seen.size(), 100u);
}

}  // namespace
}  // namespace halving
