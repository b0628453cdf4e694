// The macros of common/status.h, and the matchers for statuses that all tests use.
#include "common/status.h"

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/matchers.h"

namespace halving {
namespace {

using testing::HasSubstr;
using testing::Not;

absl::StatusOr<int> Parse(const std::string& text) {
  if (text == "7") return 7;
  return absl::InvalidArgumentError("not a number: \"" + text + "\"");
}

absl::Status Check(const std::string& text, int* reached) {
  HV_RETURN_IF_ERROR(Parse(text).status());
  *reached = 1;
  HV_ASSIGN_OR_RETURN(const int value, Parse(text));
  HV_ASSIGN_OR_RETURN(*reached, Parse(text));
  return value == 7 ? absl::OkStatus() : absl::InternalError("assigned something else");
}

TEST(StatusMacros, GoOnWhenOkAndPassErrorsUpUntouched) {
  int reached = 0;
  EXPECT_THAT(Check("7", &reached), IsOk());
  EXPECT_EQ(reached, 7);
  reached = 0;
  EXPECT_THAT(Check("x", &reached),
              StatusIs(absl::StatusCode::kInvalidArgument, "not a number: \"x\""));
  EXPECT_EQ(reached, 0);
}

TEST(StatusMacros, AssignWhatCanOnlyBeMoved) {
  const auto make = []() -> absl::StatusOr<std::unique_ptr<int>> {
    return std::make_unique<int>(7);
  };
  const auto use = [&make]() -> absl::StatusOr<int> {
    HV_ASSIGN_OR_RETURN(const std::unique_ptr<int> value, make());
    return *value;
  };
  EXPECT_THAT(use(), IsOkAndHolds(7));
}

TEST(StatusMatchers, TellOkFromErrors) {
  EXPECT_THAT(absl::OkStatus(), IsOk());
  EXPECT_THAT(Parse("7"), IsOk());
  EXPECT_THAT(Parse("x"), Not(IsOk()));
  EXPECT_THAT(absl::InternalError("x"), Not(IsOk()));
}

TEST(StatusMatchers, LookAtTheValue) {
  EXPECT_THAT(Parse("7"), IsOkAndHolds(7));
  EXPECT_THAT(Parse("7"), IsOkAndHolds(testing::Gt(6)));
  EXPECT_THAT(Parse("7"), Not(IsOkAndHolds(8)));
  EXPECT_THAT(Parse("x"), Not(IsOkAndHolds(testing::_)));
}

TEST(StatusMatchers, LookAtCodeAndMessage) {
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(Parse("x"), StatusIs(kInvalid));
  EXPECT_THAT(Parse("x"), StatusIs(kInvalid, HasSubstr("\"x\"")));
  EXPECT_THAT(Parse("x"), Not(StatusIs(kInvalid, HasSubstr("\"y\""))));
  EXPECT_THAT(Parse("x"), Not(StatusIs(absl::StatusCode::kInternal)));
  EXPECT_THAT(Parse("7"), Not(StatusIs(kInvalid)));
  EXPECT_THAT(Parse("7"), StatusIs(absl::StatusCode::kOk));
}

}  // namespace
}  // namespace halving
