#include "server/core/search_space.h"

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/matchers.h"

namespace halving {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kMaxDouble = std::numeric_limits<double>::max();
constexpr int64_t kMinInt = std::numeric_limits<int64_t>::min();
constexpr int64_t kMaxInt = std::numeric_limits<int64_t>::max();
constexpr int64_t kTwoTo53 = int64_t{1} << 53;

ParameterValue Text(const char* text) { return std::string(text); }

Choice Choices(std::vector<ParameterValue> values) { return {.values = std::move(values)}; }

struct RefusedSpace {
  std::string name;
  std::vector<Parameter> parameters;
  std::vector<std::string> message;  // Holds each: the field, the value seen, what is allowed.
};

void PrintTo(const RefusedSpace& c, std::ostream* os) { *os << c.name; }

class RefusedSpaceTest : public testing::TestWithParam<RefusedSpace> {};

TEST_P(RefusedSpaceTest, NamesFieldValueAndWhatIsAllowed) {
  const absl::StatusOr<SearchSpace> space = SearchSpace::Create(GetParam().parameters);
  for (const std::string& part : GetParam().message) {
    EXPECT_THAT(space, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(part)));
  }
}

INSTANTIATE_TEST_SUITE_P(
    , RefusedSpaceTest,
    testing::ValuesIn(std::vector<RefusedSpace>{
        {"Empty", {}, {"parameters is empty", "at least one"}},
        {"NoName", {{"", FloatRange{0, 1}}}, {"parameters[0].name has 0 bytes", "1 to 128"}},
        {"LongName",
         {{std::string(129, 'x'), FloatRange{0, 1}}},
         {"parameters[0].name has 129 bytes", "1 to 128"}},
        {"RepeatedName",
         {{"x", FloatRange{0, 1}}, {"y", FloatRange{0, 1}}, {"x", IntRange{1, 2}}},
         {"parameters[2].name is \"x\"", "parameters[0]", "must differ"}},
        {"NoDomain",
         {{"x", FloatRange{0, 1}}, {"y", {}}},
         {"parameters[1] (y)", "no domain", "float, int, choice"}},

        {"FloatMinAboveMax",
         {{"x", FloatRange{2, 1}}},
         {"parameters[0] (x).float", "min 2", "max 1", "min < max"}},
        {"FloatMinIsMax", {{"x", FloatRange{1, 1}}}, {"min 1", "max 1", "min < max", "choice"}},
        {"FloatMinNaN",
         {{"x", FloatRange{kNaN, 1}}},
         {"parameters[0] (x).float", "min nan", "finite"}},
        {"FloatMaxNaN", {{"x", FloatRange{0, kNaN}}}, {"max nan", "finite"}},
        {"FloatMaxInfinite", {{"x", FloatRange{0, kInfinity}}}, {"max inf", "finite"}},
        {"FloatMinInfinite", {{"x", FloatRange{-kInfinity, 0}}}, {"min -inf", "finite"}},
        {"FloatSpanInfinite",
         {{"x", FloatRange{-kMaxDouble, kMaxDouble}}},
         {"parameters[0] (x).float", "more than a double can hold"}},
        {"FloatLogFromZero",
         {{"x", FloatRange{0, 1, true}}},
         {"parameters[0] (x).float", "log with min 0", "log needs min > 0"}},
        {"FloatLogFromBelowZero",
         {{"x", FloatRange{-1, 1, true}}},
         {"log with min -1", "log needs min > 0"}},

        {"IntMinAboveMax",
         {{"n", IntRange{5, 4}}},
         {"parameters[0] (n).int", "min 5", "max 4", "min <= max"}},
        {"IntLogFromZero",
         {{"n", IntRange{0, 9, true}}},
         {"parameters[0] (n).int", "log with min 0", "log needs min > 0"}},
        {"IntStepNegative",
         {{"n", IntRange{0, 9, false, -1}}},
         {"parameters[0] (n).int.step is -1", "at least 1"}},
        {"IntMaxBeyond2To53",
         {{"n", IntRange{0, kTwoTo53 + 1}}},
         {"parameters[0] (n).int", "max 9007199254740993", "2^53"}},
        {"IntMinBeyond2To53",
         {{"n", IntRange{-kTwoTo53 - 1, 0}}},
         {"min -9007199254740993", "2^53"}},
        {"IntLargest", {{"n", IntRange{0, kMaxInt}}}, {"max 9223372036854775807", "2^53"}},
        {"IntSmallest", {{"n", IntRange{kMinInt, 0}}}, {"min -9223372036854775808", "2^53"}},

        {"ChoiceEmpty",
         {{"c", Choice{}}},
         {"parameters[0] (c).choice", "no values", "at least one"}},
        {"ChoiceRepeatedText",
         {{"c", Choices({Text("relu"), Text("tanh"), Text("relu")})}},
         {"parameters[0] (c).choice.values[2] is \"relu\"", "second time", "stand once"}},
        {"ChoiceRepeatedNumber",
         {{"c", Choices({0.5, 0.5})}},
         {"choice.values[1] is 0.5", "stand once"}},
        {"ChoiceRepeatedFlag",
         {{"c", Choices({true, false, true})}},
         {"choice.values[2] is true", "stand once"}},
        {"ChoiceNaN", {{"c", Choices({1.0, kNaN})}}, {"choice.values[1] is nan", "finite"}},
        {"ChoiceInfinite", {{"c", Choices({kInfinity})}}, {"choice.values[0] is inf", "finite"}},
    }),
    [](const auto& info) { return info.param.name; });

TEST(SearchSpaceTest, AcceptsTheEdgesOfEveryDomain) {
  EXPECT_THAT(
      SearchSpace::Create({{"tiny", FloatRange{0, std::numeric_limits<double>::denorm_min()}},
                           {"negative", FloatRange{-2, -1}},
                           {"log", FloatRange{1e-300, 1e300, true}},
                           {"one", IntRange{7, 7}},
                           {"wide", IntRange{-kTwoTo53, kTwoTo53}},
                           {"log_int", IntRange{1, kTwoTo53, true}},
                           {"step_beyond_max", IntRange{0, 5, false, 10}},
                           {std::string(128, 'x'), Choices({Text("only")})},
                           {"mixed", Choices({true, 1.0, Text("1"), Text("true"), Text("")})}}),
      IsOk());
}

TEST(SearchSpaceTest, StepZeroBecomesOne) {
  const auto space = SearchSpace::Create({{"n", IntRange{1, 9, false, 0}}});
  ASSERT_THAT(space, IsOk());
  EXPECT_EQ(std::get<IntRange>(space->parameters()[0].domain).step, 1);
}

SearchSpace SmallSpace() {
  return *SearchSpace::Create({{"rate", FloatRange{0.25, 1}},
                               {"batch", IntRange{16, 64, false, 16}},
                               {"act", Choices({Text("relu"), Text("tanh"), 2.0, true})}});
}

struct RefusedConfig {
  std::string name;
  NamedConfig config;
  std::vector<std::string> message;
};

void PrintTo(const RefusedConfig& c, std::ostream* os) { *os << c.name; }

class RefusedConfigTest : public testing::TestWithParam<RefusedConfig> {};

TEST_P(RefusedConfigTest, NamesParameterValueAndWhatIsAllowed) {
  const auto encoded = SmallSpace().Encode(GetParam().config, "initial_configs[3]");
  for (const std::string& part : GetParam().message) {
    EXPECT_THAT(encoded, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(part)));
  }
  EXPECT_THAT(encoded,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("initial_configs[3]")));
}

INSTANTIATE_TEST_SUITE_P(
    , RefusedConfigTest,
    testing::ValuesIn(std::vector<RefusedConfig>{
        {"Missing",
         {{"act", Text("relu")}, {"batch", 16.0}},
         {"lacks \"rate\"", "a number from 0.25 to 1"}},
        {"Unknown",
         {{"act", Text("relu")}, {"batch", 16.0}, {"momentum", 0.9}, {"rate", 0.5}},
         {"\"momentum\"", "none of the study's parameters"}},
        {"FloatBelow",
         {{"act", Text("relu")}, {"batch", 16.0}, {"rate", 0.125}},
         {"rate = 0.125", "a number from 0.25 to 1"}},
        {"FloatAbove",
         {{"act", Text("relu")}, {"batch", 16.0}, {"rate", 1.5}},
         {"rate = 1.5", "a number from 0.25 to 1"}},
        {"FloatNaN",
         {{"act", Text("relu")}, {"batch", 16.0}, {"rate", kNaN}},
         {"rate = nan", "a number from 0.25 to 1"}},
        {"FloatAsText",
         {{"act", Text("relu")}, {"batch", 16.0}, {"rate", Text("0.5")}},
         {"rate = \"0.5\"", "a number from 0.25 to 1"}},
        {"IntBelow",
         {{"act", Text("relu")}, {"batch", 0.0}, {"rate", 0.5}},
         {"batch = 0", "a whole number from 16 to 64 in steps of 16"}},
        {"IntAbove",
         {{"act", Text("relu")}, {"batch", 80.0}, {"rate", 0.5}},
         {"batch = 80", "a whole number from 16 to 64 in steps of 16"}},
        {"IntBetweenSteps",
         {{"act", Text("relu")}, {"batch", 24.0}, {"rate", 0.5}},
         {"batch = 24", "in steps of 16"}},
        {"IntNotWhole",
         {{"act", Text("relu")}, {"batch", 16.5}, {"rate", 0.5}},
         {"batch = 16.5", "a whole number"}},
        {"IntInfinite",
         {{"act", Text("relu")}, {"batch", kInfinity}, {"rate", 0.5}},
         {"batch = inf", "a whole number"}},
        {"IntAsFlag",
         {{"act", Text("relu")}, {"batch", true}, {"rate", 0.5}},
         {"batch = true", "a whole number"}},
        {"ChoiceUnknown",
         {{"act", Text("gelu")}, {"batch", 16.0}, {"rate", 0.5}},
         {"act = \"gelu\"", "one of \"relu\" \"tanh\" 2 true"}},
        {"ChoiceOfAnotherType",
         {{"act", Text("2")}, {"batch", 16.0}, {"rate", 0.5}},
         {"act = \"2\"", "one of \"relu\" \"tanh\" 2 true"}},
    }),
    [](const auto& info) { return info.param.name; });

TEST(SearchSpaceTest, EncodesInTheOrderOfTheParametersWhateverTheOrderGiven) {
  const SearchSpace space = SmallSpace();
  EXPECT_THAT(space.Encode({{"act", true}, {"batch", 64.0}, {"rate", 0.25}}, "c"),
              IsOkAndHolds(ElementsAre(0.25, 64, 3)));
  EXPECT_THAT(space.Encode({{"rate", 1.0}, {"act", 2.0}, {"batch", 16.0}}, "c"),
              IsOkAndHolds(ElementsAre(1, 16, 2)));
}

TEST(SearchSpaceTest, DecodesToWhatWasEncodedSortedByName) {
  EXPECT_THAT(SmallSpace().Decode({0.5, 48, 1}),
              ElementsAre(Pair("act", Text("tanh")), Pair("batch", ParameterValue(48.0)),
                          Pair("rate", ParameterValue(0.5))));
}

}  // namespace
}  // namespace halving
