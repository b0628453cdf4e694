#include "common/random.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace halving {
namespace {

constexpr uint64_t kAllOnes = std::numeric_limits<uint64_t>::max();

// Configs, training seeds and digests of reports hang on these numbers.
TEST(MixBitsTest, GivesTheSameInEveryRelease) {
  EXPECT_EQ(MixBits(0), 0x238275bc38fcbe91u);
  EXPECT_EQ(MixBits(1, 2, 3), 0xd0734750fde362b3u);
  EXPECT_EQ(MixBits(kAllOnes, kAllOnes, kAllOnes), 0x595b17f487c0e71bu);
}

TEST(MixBitsTest, EveryInputMatters) {
  const std::set<uint64_t> seen = {MixBits(0),       MixBits(1),       MixBits(0, 1),
                                   MixBits(0, 0, 1), MixBits(1, 0, 1), MixBits(1, 1, 0),
                                   MixBits(0, 1, 1)};
  EXPECT_EQ(seen.size(), 7u);
}

TEST(MixBitsTest, NeighboursDifferInHalfOfTheirBits) {
  int64_t changed = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    changed += __builtin_popcountll(MixBits(7, i) ^ MixBits(7, i + 1));
  }
  EXPECT_NEAR(static_cast<double>(changed) / 1000, 32, 1);
}

TEST(UnitIntervalTest, HoldsZeroAndNeverOne) {
  EXPECT_EQ(UnitInterval(0), 0);
  EXPECT_EQ(UnitInterval(kAllOnes), 1 - 0x1.0p-53);
  EXPECT_EQ(UnitInterval(uint64_t{1} << 63), 0.5);
}

TEST(BoundedBitsTest, HoldsBothEndsAndNothingBeyond) {
  for (const uint64_t bound : {uint64_t{1}, uint64_t{2}, uint64_t{1000}, kAllOnes}) {
    EXPECT_EQ(BoundedBits(0, bound), 0u);
    EXPECT_EQ(BoundedBits(kAllOnes, bound), bound - 1);
  }
}

TEST(BoundedBitsTest, IsEven) {
  std::vector<int> counts(7);
  for (uint64_t i = 0; i < 7000; ++i) ++counts[BoundedBits(MixBits(1, i), 7)];
  for (const int count : counts) EXPECT_NEAR(count, 1000, 150);
}

TEST(SecureRandomTest, HasTheSizeThatWasAskedForAlsoBeyondOneCallOfTheSystem) {
  for (const size_t size : {0, 1, 255, 256, 257, 1000}) {
    EXPECT_EQ(SecureRandomBytes(size).size(), size);
  }
  // The part that only a second call fills is not left zero.
  EXPECT_NE(SecureRandomBytes(512).substr(256), std::string(256, '\0'));
}

TEST(SecureRandomTest, NeverRepeats) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) seen.insert(SecureRandomBytes(16));
  EXPECT_EQ(seen.size(), 100u);
}

TEST(SecureRandomTest, HexIsLowerCaseDigitsTwoPerByte) {
  const std::string hex = SecureRandomHex(300);
  EXPECT_EQ(hex.size(), 600u);
  EXPECT_EQ(hex.find_first_not_of("0123456789abcdef"), std::string::npos);
}

TEST(SecureRandomTest, NonZeroIsNeverZeroNorTheSame) {
  const uint64_t first = SecureRandomNonZero();
  EXPECT_NE(first, 0u);
  EXPECT_NE(SecureRandomNonZero(), first);
}

}  // namespace
}  // namespace halving
