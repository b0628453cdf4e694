#include "server/core/rank_correlation.h"

#include <cmath>

#include "gtest/gtest.h"

namespace halving {
namespace {

TEST(RungPairsTest, SaysNothingOfAFewPairs) {
  RungPairs pairs;
  for (size_t i = 1; i < RungPairs::kLeast; ++i) pairs.Add(i, i);
  EXPECT_EQ(pairs.Correlation(), std::nullopt);
  pairs.Add(0, 0);
  EXPECT_DOUBLE_EQ(pairs.Correlation().value(), 1);
}

TEST(RungPairsTest, IsMinusOneOfAnOrderThatTurnsAround) {
  RungPairs pairs;
  for (int i = 0; i < 20; ++i) pairs.Add(i, std::exp(-i));
  EXPECT_DOUBLE_EQ(pairs.Correlation().value(), -1);
}

TEST(RungPairsTest, GivesTiesTheirMeanRank) {
  RungPairs pairs;
  for (int i = 0; i < 12; ++i) pairs.Add(i / 6, i);
  // Ranks 2.5 and 8.5 against 0 to 11: 108 / sqrt(108 * 143).
  EXPECT_NEAR(pairs.Correlation().value(), std::sqrt(108.0 / 143), 1e-12);
}

TEST(RungPairsTest, SaysNothingWhereAllAreTied) {
  RungPairs pairs;
  for (int i = 0; i < 20; ++i) pairs.Add(0.9, i);
  EXPECT_EQ(pairs.Correlation(), std::nullopt);
}

TEST(RungPairsTest, RanksWhoDivergedLast) {
  RungPairs pairs;
  for (int i = 0; i < 11; ++i) pairs.Add(i, i);
  pairs.Add(11, NAN);
  EXPECT_DOUBLE_EQ(pairs.Correlation().value(), 1);
}

TEST(RungPairsTest, LooksAtTheNewestOnly) {
  RungPairs pairs;
  for (int i = 0; i < 500; ++i) pairs.Add(i, -i);
  for (size_t i = 0; i < RungPairs::kMost; ++i) pairs.Add(i, i);
  EXPECT_EQ(pairs.size(), RungPairs::kMost);
  EXPECT_DOUBLE_EQ(pairs.Correlation().value(), 1);
}

}  // namespace
}  // namespace halving
