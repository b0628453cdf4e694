// Rules 1 and 2: the levels of epochs and how many trials each holds.
#include "server/core/ladder.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/matchers.h"

namespace halving {
namespace {

using testing::ElementsAreArray;
using testing::HasSubstr;

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct LadderCase {
  std::string name;
  LadderOptions options;
  std::vector<int64_t> epochs;  // Empty: Create() must fail...
  std::vector<int64_t> sizes;
  std::vector<std::string> error;  // ...with a message that holds each of these.
};

void PrintTo(const LadderCase& c, std::ostream* os) { *os << c.name; }

class RungLadderTest : public testing::TestWithParam<LadderCase> {};

TEST_P(RungLadderTest, Create) {
  const LadderCase& c = GetParam();
  const absl::StatusOr<RungLadder> ladder = RungLadder::Create(c.options);
  ASSERT_EQ(ladder.ok(), c.error.empty()) << ladder.status();
  for (const std::string& part : c.error) {
    EXPECT_THAT(ladder, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(part)));
  }
  if (!ladder.ok()) return;
  EXPECT_THAT(ladder->all_epochs(), ElementsAreArray(c.epochs));
  EXPECT_THAT(ladder->all_sizes(), ElementsAreArray(c.sizes));
  EXPECT_EQ(ladder->rungs(), static_cast<int>(c.epochs.size()));
  EXPECT_EQ(ladder->top(), ladder->rungs() - 1);
  EXPECT_EQ(ladder->eta(), c.options.eta);
}

INSTANTIATE_TEST_SUITE_P(
    Rule1Levels, RungLadderTest,
    testing::ValuesIn(std::vector<LadderCase>{
        {"LastStepIsShort", {2, 10, 2, 1}, {2, 4, 8, 10}, {8, 4, 2, 1}, {}},
        {"PowersOfEta", {1, 81, 3, 1}, {1, 3, 9, 27, 81}, {81, 27, 9, 3, 1}, {}},
        {"MaxIsNoPower", {2, 200, 3, 1}, {2, 6, 18, 54, 162, 200}, {243, 81, 27, 9, 3, 1}, {}},
        {"OneRung", {3, 3, 2, 1}, {3}, {1}, {}},
        {"MaxJustBelowTheNextPower", {1, 26, 3, 1}, {1, 3, 9, 26}, {27, 9, 3, 1}, {}},
        {"MaxJustAboveAPower", {1, 28, 3, 1}, {1, 3, 9, 27, 28}, {81, 27, 9, 3, 1}, {}},
        {"MaxJustAboveMin", {5, 6, 2, 1}, {5, 6}, {2, 1}, {}},
        {"EtaBeyondMax", {1, 10, 100, 1}, {1, 10}, {100, 1}, {}},
        {"NoOverflowNearTheLargestNumber", {kMax / 2, kMax, 3, 1}, {kMax / 2, kMax}, {3, 1}, {}},
        {"NoOverflowOfALargeEta",
         {kMax - 1, kMax, 1'000'000, 1},
         {kMax - 1, kMax},
         {1'000'000, 1},
         {}},
        {"LargestNumberAlone", {kMax, kMax, 2, 1}, {kMax}, {1}, {}},
        {"MinBelowOne",
         {0, 10, 2, 1},
         {},
         {},
         {"halving.min_epochs is 0", "max_epochs 10", "1 <= min <= max"}},
        {"MinNegative", {-2, 10, 2, 1}, {}, {}, {"min_epochs is -2", "1 <= min <= max"}},
        {"Inverted", {9, 3, 3, 1}, {}, {}, {"min_epochs is 9", "max_epochs 3", "1 <= min <= max"}},
        {"EtaOne", {1, 9, 1, 1}, {}, {}, {"halving.eta is 1", "at least 2"}},
        {"EtaZero", {1, 9, 0, 1}, {}, {}, {"halving.eta is 0", "at least 2"}},
        {"EtaNegative", {1, 9, -3, 1}, {}, {}, {"halving.eta is -3", "at least 2"}},
    }),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Rule2Sizes, RungLadderTest,
    testing::ValuesIn(std::vector<LadderCase>{
        {"PrefactorScales", {1, 8, 2, 2.5}, {1, 2, 4, 8}, {20, 10, 5, 2}, {}},
        {"RoundedDown", {1, 8, 2, 0.9}, {1, 2, 4, 8}, {7, 3, 1, 1}, {}},
        {"NeverBelowOne", {1, 8, 2, 0.125}, {1, 2, 4, 8}, {1, 1, 1, 1}, {}},
        // 0.29 * 100 is 28.999999999999996, and 0.57 * 100 is 56.99999999999999.
        {"TheLastBitCostsNoTrial", {1, 100, 10, 0.29}, {1, 10, 100}, {29, 2, 1}, {}},
        {"NorHere", {1, 100, 10, 0.57}, {1, 10, 100}, {57, 5, 1}, {}},
        {"OneThird", {1, 9, 3, 1.0 / 3}, {1, 3, 9}, {3, 1, 1}, {}},
        {"ButNothingIsGiven", {1, 100, 10, 0.2899}, {1, 10, 100}, {28, 2, 1}, {}},
        {"SeveralAtTheOnlyRung", {3, 3, 2, 4.5}, {3}, {4}, {}},
        {"AMillionAtTheFirstRung", {1, 10, 1'000'000, 1}, {1, 10}, {1'000'000, 1}, {}},
        {"NoTrialAtTheFirstRung",
         {1, 8, 2, 0.124},
         {},
         {},
         {"halving.prefactor is 0.124", "eta^3", "at least 1"}},
        {"NoTrialAtTheOnlyRung", {3, 3, 2, 0.99}, {}, {}, {"prefactor is 0.99", "at least 1"}},
        {"PrefactorZero", {1, 8, 2, 0}, {}, {}, {"halving.prefactor is 0", "above 0"}},
        {"PrefactorNegative", {1, 8, 2, -1}, {}, {}, {"halving.prefactor is -1", "above 0"}},
        {"PrefactorNaN", {1, 8, 2, kNaN}, {}, {}, {"halving.prefactor is nan", "above 0"}},
        {"PrefactorInfinite", {1, 8, 2, kInfinity}, {}, {}, {"halving.prefactor is inf"}},
        {"MoreThanAMillion",
         {1, 10, 1'000'001, 1},
         {},
         {},
         {"1000001", "at most 1000000", "raise min_epochs or lower prefactor"}},
        {"SizesBeyondAnyInteger", {1, kMax, 2, 1e300}, {}, {}, {"at most 1000000"}},
    }),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace halving
