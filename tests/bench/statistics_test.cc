#include "bench/simulate/statistics.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "bench/simulate/chance.h"
#include "bench/simulate/findings.h"
#include "bench/simulate/parallel.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace halving {
namespace {

TEST(StatisticsTest, MeansMediansAndQuantiles) {
  EXPECT_DOUBLE_EQ(Mean({1, 2, 6}), 3);
  EXPECT_DOUBLE_EQ(Median({6, 1, 2}), 2);
  EXPECT_DOUBLE_EQ(Median({6, 1, 2, 4}), 3);
  EXPECT_DOUBLE_EQ(Quantile({5, 4, 3, 2, 1}, 0.2), 2);
  EXPECT_DOUBLE_EQ(Quantile({5, 4, 3, 2, 1}, 1), 5);
}

TEST(StatisticsTest, StandardErrorOfAMean) {
  EXPECT_DOUBLE_EQ(MeanOf({1, 3}).standard_error, 1);
  EXPECT_EQ(MeanOf({5}).standard_error, 0);
}

TEST(StatisticsTest, PairsThatAreProportionalHaveARatioWithoutError) {
  const Estimate ratio = RatioOfMeans({2, 4, 8}, {1, 2, 4});
  EXPECT_DOUBLE_EQ(ratio.value, 2);
  EXPECT_DOUBLE_EQ(ratio.standard_error, 0);
  EXPECT_GT(RatioOfMeans({2, 4, 8}, {4, 2, 1}).standard_error, 0.3);
}

TEST(StatisticsTest, FiguresArePutIntoWords) {
  EXPECT_EQ(Format(Estimate{1.25, 0.061}, 2), "1.25 ± 0.06");
  EXPECT_EQ(FormatCount(999.6), "1,000");
  EXPECT_EQ(FormatCount(-123456), "-123,456");
  EXPECT_EQ(FormatCount(12), "12");
}

TEST(ChanceTest, NormalNumbersHaveTheirMoments) {
  constexpr int kCount = 100'000;
  double sum = 0;
  double squares = 0;
  for (uint64_t i = 0; i < kCount; ++i) {
    const double z = Normal(i);
    sum += z;
    squares += z * z;
  }
  EXPECT_NEAR(sum / kCount, 0, 0.01);
  EXPECT_NEAR(squares / kCount, 1, 0.02);
}

TEST(ChanceTest, TheFirstEventComesWithItsRate) {
  EXPECT_EQ(FirstEvent(0, 0.5), std::numeric_limits<double>::infinity());
  EXPECT_DOUBLE_EQ(FirstEvent(0.1, 0.1), 1);  // Within a unit with that very probability.
  EXPECT_DOUBLE_EQ(FirstEvent(0.1, 0.19), 2);
  EXPECT_EQ(FirstEvent(0.1, 0), 0);
}

TEST(ParallelTest, ResultsAreInOrderWhateverTheThreads) {
  const auto square = [](size_t i) { return i * i; };
  const auto expected = ParallelMap<size_t>(100, 1, square);
  EXPECT_EQ(expected[9], 81U);
  EXPECT_EQ(ParallelMap<size_t>(100, 4, square), expected);
  EXPECT_TRUE(ParallelMap<size_t>(0, 4, square).empty());
}

}  // namespace
}  // namespace halving
