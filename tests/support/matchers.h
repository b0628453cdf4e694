// Matchers for absl::Status and absl::StatusOr, as newer releases of Abseil have them.
//
//   EXPECT_THAT(Open(path), IsOk());
//   EXPECT_THAT(Parse("7"), IsOkAndHolds(Gt(6)));
//   EXPECT_THAT(Parse("x"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"x\"")));
#ifndef HALVING_TESTS_SUPPORT_MATCHERS_H_
#define HALVING_TESTS_SUPPORT_MATCHERS_H_

#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"

namespace halving {
namespace matchers_internal {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }

template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

inline std::string NameOf(absl::StatusCode code) { return absl::StatusCodeToString(code); }

// Matches a status by its code and message.
class StatusIsMatcher {
 public:
  using is_gtest_matcher = void;

  StatusIsMatcher(absl::StatusCode code, testing::Matcher<std::string> message)
      : code_(code), message_(std::move(message)) {}

  template <typename T>
  bool MatchAndExplain(const T& value, testing::MatchResultListener* listener) const {
    const absl::Status& status = StatusOf(value);
    *listener << "which is " << status.ToString();
    return status.code() == code_ && message_.Matches(std::string(status.message()));
  }
  void DescribeTo(std::ostream* os) const {
    *os << "is " << NameOf(code_) << " with a message that ";
    message_.DescribeTo(os);
  }
  void DescribeNegationTo(std::ostream* os) const {
    *os << "is not " << NameOf(code_) << " with a message that ";
    message_.DescribeTo(os);
  }

 private:
  const absl::StatusCode code_;
  const testing::Matcher<std::string> message_;
};

// Matches what is OK.
class IsOkMatcher {
 public:
  using is_gtest_matcher = void;

  template <typename T>
  bool MatchAndExplain(const T& value, testing::MatchResultListener* listener) const {
    if (!StatusOf(value).ok()) *listener << "which is " << StatusOf(value).ToString();
    return StatusOf(value).ok();
  }
  void DescribeTo(std::ostream* os) const { *os << "is OK"; }
  void DescribeNegationTo(std::ostream* os) const { *os << "is an error"; }
};

// Matches a StatusOr that holds a value which matches. The value's type is only known when it is
// used, so the inner matcher is kept as it was given until then.
template <typename Inner>
class IsOkAndHoldsMatcher {
 public:
  explicit IsOkAndHoldsMatcher(Inner inner) : inner_(std::move(inner)) {}

  template <typename Result>
  operator testing::Matcher<Result>() const {  // NOLINT(google-explicit-constructor)
    using T = typename std::decay_t<Result>::value_type;
    return testing::Matcher<Result>(
        new Typed<Result, T>(testing::SafeMatcherCast<const T&>(inner_)));
  }

 private:
  template <typename Result, typename T>
  class Typed : public testing::MatcherInterface<Result> {
   public:
    explicit Typed(testing::Matcher<const T&> inner) : inner_(std::move(inner)) {}

    bool MatchAndExplain(Result result, testing::MatchResultListener* listener) const override {
      if (result.ok()) return inner_.MatchAndExplain(*result, listener);
      *listener << "which is " << result.status().ToString();
      return false;
    }
    void DescribeTo(std::ostream* os) const override {
      *os << "is OK and holds a value that ";
      inner_.DescribeTo(os);
    }

   private:
    const testing::Matcher<const T&> inner_;
  };

  const Inner inner_;
};

}  // namespace matchers_internal

// Of an absl::Status or an absl::StatusOr.
inline matchers_internal::IsOkMatcher IsOk() { return {}; }

// `message` matches a std::string; by default any.
inline matchers_internal::StatusIsMatcher StatusIs(
    absl::StatusCode code, testing::Matcher<std::string> message = testing::_) {
  return {code, std::move(message)};
}

// `inner` is a value or a matcher for one.
template <typename Inner>
matchers_internal::IsOkAndHoldsMatcher<std::decay_t<Inner>> IsOkAndHolds(Inner&& inner) {
  return matchers_internal::IsOkAndHoldsMatcher<std::decay_t<Inner>>(std::forward<Inner>(inner));
}

}  // namespace halving

#endif  // HALVING_TESTS_SUPPORT_MATCHERS_H_
