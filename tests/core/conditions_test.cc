// Conditional parameters: those that exist only when others have certain values.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/core/search_space.h"
#include "server/core/unit_cube.h"
#include "tests/support/matchers.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

ParameterValue Text(const char* text) { return std::string(text); }

// Momentum goes with sgd, and Nesterov's with a momentum schedule.
std::vector<Parameter> Optimizers() {
  return {{"optimizer", Choice{.values = {Text("adam"), Text("sgd")}}},
          {"warm_up", IntRange{0, 3}},
          {"momentum", FloatRange{0, 1}, {{"optimizer", {Text("sgd")}}}},
          {"nesterov", Choice{.values = {true, false}}, {{"optimizer", {Text("sgd")}}}},
          {"damping", FloatRange{0, 1}, {{"nesterov", {false}}, {"warm_up", {1.0, 2.0}}}}};
}

SearchSpace Space() {
  absl::StatusOr<SearchSpace> space = SearchSpace::Create(Optimizers());
  EXPECT_THAT(space, IsOk());
  return *std::move(space);
}

TEST(ConditionsTest, WhatDoesNotExistIsNotInTheConfig) {
  const SearchSpace space = Space();
  EXPECT_THAT(space.Encode({{"optimizer", Text("adam")}, {"warm_up", 1.0}}, "c"),
              IsOkAndHolds(ElementsAre(0, 1, kInactive, kInactive, kInactive)));
  EXPECT_THAT(space.Decode({0, 1, kInactive, kInactive, kInactive}),
              ElementsAre(Pair("optimizer", Text("adam")), Pair("warm_up", ParameterValue(1.0))));
}

TEST(ConditionsTest, AllOfThemMustHold) {
  const SearchSpace space = Space();
  Config config = {1, 1, 0.5, 1, 0.25};  // sgd, one epoch, not Nesterov's.
  space.Settle(&config);
  EXPECT_THAT(config, ElementsAre(1, 1, 0.5, 1, 0.25));
  config[1] = 3;
  space.Settle(&config);
  EXPECT_THAT(config, ElementsAre(1, 3, 0.5, 1, kInactive));
}

TEST(ConditionsTest, WhatDependsOnSomethingAbsentIsAbsent) {
  const SearchSpace space = Space();
  Config config = {0, 1, 0.5, 1, 0.25};
  space.Settle(&config);
  EXPECT_THAT(config, ElementsAre(0, 1, kInactive, kInactive, kInactive));
}

TEST(ConditionsTest, AConfigThatSetsWhatDoesNotExistIsRefused) {
  EXPECT_THAT(
      Space().Encode({{"optimizer", Text("adam")}, {"warm_up", 1.0}, {"momentum", 0.5}}, "c"),
      StatusIs(StatusCode::kInvalidArgument,
               HasSubstr("sets \"momentum\", which exists only when optimizer is \"sgd\"")));
  EXPECT_THAT(
      Space().Encode({{"optimizer", Text("sgd")},
                      {"warm_up", 3.0},
                      {"momentum", 0.5},
                      {"nesterov", false},
                      {"damping", 0.5}},
                     "c"),
      StatusIs(StatusCode::kInvalidArgument, HasSubstr("nesterov is false and warm_up is 1 or 2")));
}

TEST(ConditionsTest, AConfigThatLacksWhatExistsIsRefused) {
  EXPECT_THAT(Space().Encode({{"optimizer", Text("sgd")}, {"warm_up", 1.0}}, "c"),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("lacks \"momentum\"")));
}

TEST(ConditionsTest, EqualConditionsInAnotherOrderAreEqualSpaces) {
  std::vector<Parameter> turned = Optimizers();
  turned[4].when = {{"warm_up", {2.0, 1.0}}, {"nesterov", {false}}};
  const absl::StatusOr<SearchSpace> space = SearchSpace::Create(turned);
  ASSERT_THAT(space, IsOk());
  EXPECT_EQ(space->parameters(), Space().parameters());
}

TEST(ConditionsTest, PointsOfTheCubeKeepThem) {
  const SearchSpace space = Space();
  const Config config = ConfigAt(space, {0.1, 0.3, 0.5, 0.7, 0.9});
  EXPECT_THAT(config, ElementsAre(0, 1, kInactive, kInactive, kInactive));
  EXPECT_EQ(ConfigAt(space, PointOf(space, config)), config);
}

struct BadCondition {
  std::string name;
  std::vector<Condition> when;
  std::string error;
};
class BadConditionTest : public testing::TestWithParam<BadCondition> {};

TEST_P(BadConditionTest, IsRefused) {
  std::vector<Parameter> parameters = Optimizers();
  parameters[3].when = GetParam().when;
  EXPECT_THAT(SearchSpace::Create(parameters),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr(GetParam().error)));
}

INSTANTIATE_TEST_SUITE_P(
    , BadConditionTest,
    testing::ValuesIn(std::vector<BadCondition>{
        {"Unknown", {{"optimiser", {Text("sgd")}}}, "(nesterov).when.optimiser names no parameter"},
        {"Itself", {{"nesterov", {true}}}, "names no parameter that stands before it"},
        {"Later", {{"damping", {0.5}}}, "names no parameter that stands before it"},
        {"AFloat", {{"momentum", {0.5}}}, "names a float"},
        {"NoValues", {{"optimizer", {}}}, "would never exist"},
        {"AValueTwice", {{"warm_up", {1.0, 2.0, 1.0}}}, "has 1 for the second time"},
        {"AValueThatItNeverHas", {{"optimizer", {Text("lamb")}}}, "one of \"adam\" \"sgd\""},
        {"AnIntOutsideItsRange", {{"warm_up", {4.0}}}, "a whole number from 0 to 3"},
    }),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace halving
