#include "common/check.h"

#include <string>

#include "gtest/gtest.h"

namespace halving {
namespace {

TEST(CheckDeathTest, EndsTheProcessSayingWhereWhatAndWhy) {
  const int size = 3;
  EXPECT_DEATH(HV_CHECK(size == 4) << "size is " << size,
               "check_test.cc:[0-9]+: check failed: size == 4 size is 3");
}

TEST(CheckTest, EvaluatesTheConditionOnceAndTheDetailOnlyWhenItFails) {
  int conditions = 0;
  int details = 0;
  const auto detail = [&details] {
    ++details;
    return std::string("detail");
  };
  HV_CHECK(++conditions > 0) << detail();
  EXPECT_EQ(conditions, 1);
  EXPECT_EQ(details, 0);
}

TEST(CheckTest, IsOneStatementAfterAnIf) {
  bool other = false;
  if (other)
    HV_CHECK(false) << "not reached";
  else
    other = true;
  EXPECT_TRUE(other);
}

}  // namespace
}  // namespace halving
