#include "server/core/error_summary.h"

#include <algorithm>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/dice.h"

namespace halving {
namespace {

TEST(ErrorSummaryTest, TellsTheMiddleOfOddAndTheMeanOfTheMiddleTwoOfEvenCounts) {
  ErrorSummary errors;
  EXPECT_TRUE(errors.empty());
  errors.Add(3);
  EXPECT_EQ(errors.Median(), 3);
  errors.Add(1);
  EXPECT_EQ(errors.Median(), 2);
  errors.Add(10);
  EXPECT_EQ(errors.Median(), 3);
  EXPECT_EQ(errors.least(), 1);
  EXPECT_EQ(errors.most(), 10);
  EXPECT_EQ(errors.count(), 3);
}

TEST(ErrorSummaryTest, AgreesWithSortingAfterEveryErrorWhateverTheirOrder) {
  Dice dice(5);
  ErrorSummary summary;
  std::vector<double> sorted;
  for (int i = 0; i < 500; ++i) {
    const double error = static_cast<double>(dice.Between(-50, 50));  // With many ties.
    summary.Add(error);
    sorted.insert(std::upper_bound(sorted.begin(), sorted.end(), error), error);
    const size_t middle = sorted.size() / 2;
    const double median =
        sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    ASSERT_EQ(summary.Median(), median) << "after " << sorted.size();
    ASSERT_EQ(summary.least(), sorted.front());
    ASSERT_EQ(summary.most(), sorted.back());
    ASSERT_EQ(summary.count(), static_cast<int64_t>(sorted.size()));
  }
}

TEST(ErrorSummaryTest, OfTwoIsThatOfAllTheirErrors) {
  ErrorSummary a;
  ErrorSummary b;
  for (const double error : {1, 2, 3}) a.Add(error);
  for (const double error : {10, 20}) b.Add(error);
  a.Add(b);
  EXPECT_EQ(a.count(), 5);
  EXPECT_EQ(a.Median(), 3);
  EXPECT_EQ(a.most(), 20);
}

TEST(ErrorSummaryTest, TheMiddleOfHugeErrorsIsFinite) {
  ErrorSummary errors;
  errors.Add(1.7e308);
  errors.Add(1.6e308);
  EXPECT_DOUBLE_EQ(errors.Median(), 1.65e308);
}

}  // namespace
}  // namespace halving
