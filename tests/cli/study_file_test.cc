#include "cli/study_file.h"

#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace halving {
namespace {

using testing::HasSubstr;

constexpr char kWhole[] = R"({"study": {
  "name": "lenet", "objective": "lenet",
  "parameters": [
    {"name": "learning_rate", "float": {"min": 0.01, "max": 1, "log": true}},
    {"name": "activation", "choice": {"values": ["relu", 1, true]}}],
  "initialConfigs": [{"learning_rate": 0.1, "activation": "relu"}],
  "halving": {"min_epochs": 2, "max_epochs": "10", "eta": 2.0, "policy": "POLICY_ASHA"},
  "limits": {"max_evaluations": 30, "max_wall_time": "90s", "target_error": 0.1},
  "retry": null,
  "seed": 18446744073709551615}})";

TEST(ParseStudyTest, ReadsWhatGrpcurlTakes) {
  const auto spec = ParseStudy(kWhole, "x.json");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->name(), "lenet");
  EXPECT_EQ(spec->parameters(0).float_().max(), 1);
  EXPECT_EQ(spec->parameters(1).choice().values_size(), 3);
  EXPECT_EQ(spec->initial_configs_size(), 1);
  EXPECT_EQ(spec->halving().max_epochs(), 10);
  EXPECT_EQ(spec->halving().policy(), v1::POLICY_ASHA);
  EXPECT_EQ(spec->limits().max_wall_time().seconds(), 90);
  EXPECT_EQ(spec->seed(), 18446744073709551615u);
  EXPECT_FALSE(spec->has_retry());
}

TEST(ParseStudyTest, ReadsTheBareSpec) {
  const auto spec = ParseStudy(R"({"name": "a", "limits": {"max_rounds": 2}})", "x.json");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->name(), "a");
  EXPECT_EQ(spec->limits().max_rounds(), 2);
}

TEST(ParseStudyTest, ReadsConditionsLimitsOfImprovementAndAWarmStart) {
  const auto spec = ParseStudy(R"({
    "parameters": [{"name": "momentum", "float": {"max": 1},
                    "when": {"optimizer": ["sgd", "nesterov"], "layers": 3}}],
    "searcher": "SEARCHER_GP",
    "limits": {"no_improvement": {"trials": 20, "delta": 0.001}},
    "warm_start": {"study": "lenet-1", "trials": 10}})",
                               "x.json");
  ASSERT_TRUE(spec.ok()) << spec.status();
  const auto& when = spec->parameters(0).when().fields();
  EXPECT_EQ(when.at("optimizer").list_value().values(1).string_value(), "nesterov");
  EXPECT_EQ(when.at("layers").number_value(), 3);
  EXPECT_EQ(spec->limits().no_improvement().trials(), 20);
  EXPECT_EQ(spec->limits().no_improvement().delta(), 0.001);
  EXPECT_EQ(spec->warm_start().study(), "lenet-1");
  EXPECT_EQ(spec->warm_start().trials(), 10);
}

struct RefusedCase {
  std::string name;
  std::string text;
  std::string message;  // What the refusal holds.
};
class RefusedStudyTest : public testing::TestWithParam<RefusedCase> {};

TEST_P(RefusedStudyTest, SaysWhereAndWhat) {
  const auto spec = ParseStudy(GetParam().text, "x.json");
  ASSERT_EQ(spec.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(spec.status().message()), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    , RefusedStudyTest,
    testing::ValuesIn(std::vector<RefusedCase>{
        {"Empty", "", "x.json:1:1: not JSON: "},
        {"SyntaxError", "{\"name\": \"a\",\n  oops}", "x.json:2:3: not JSON: "},
        {"TrailingText", "{} x", "x.json:1:4: not JSON: "},
        {"NaN", R"({"limits": {"target_error": NaN}})", "JSON has no NaN or Infinity"},
        {"MinusInfinity", R"({"limits": {"target_error": -Infinity}})",
         "JSON has no NaN or Infinity"},
        {"Overflow", R"({"limits": {"target_error": 1e999}})", "number overflow"},
        {"BadUtf8", "{\"name\": \"\xff\"}", "x.json:1:11: not JSON: "},
        {"NoObject", "[1]", "x.json: the study is [1]; it must be an object"},
        {"UnknownField", R"({"halving": {"min_epoch": 2}})",
         "\"min_epoch\" is no field of halving; did you mean \"min_epochs\"?"},
        {"UnknownFieldOfAll", R"({"colour": 1})",
         "\"colour\" is no field of a study. It has: name, objective,"},
        {"UnknownInsideWrapped", R"({"study": {"limits": {"rounds": 1}}})",
         "\"rounds\" is no field of study.limits"},
        {"UnknownBesideStudy", R"({"study": {}, "name": "a"})", "\"name\" is no field of a study"},
        {"UnknownInList", R"({"parameters": [{"name": "a"}, {"nam": "b"}]})",
         "\"nam\" is no field of parameters[1]; did you mean \"name\"?"},
        {"Twice", R"({"halving": {"eta": 2, "eta": 3}})", "\"eta\" stands twice in one object"},
        {"QuotedNaN", R"({"limits": {"target_error": "NaN"}})",
         "limits.target_error is \"NaN\"; it must be a finite number"},
        {"Policy", R"({"halving": {"policy": "ASHA"}})",
         "halving.policy is \"ASHA\"; it must be one of POLICY_HALVING, "},
        {"Fraction", R"({"limits": {"max_rounds": 1.5}})",
         "limits.max_rounds is 1.5; it must be a whole number"},
        {"WordForNumber", R"({"halving": {"eta": "two"}})", "halving.eta is \"two\""},
        {"NumberForText", R"({"name": 5})", "name is 5; it must be text in quotes"},
        {"TextForBool", R"({"parameters": [{"float": {"log": "yes"}}]})",
         "parameters[0].float.log is \"yes\"; it must be true or false"},
        {"BareDuration", R"({"retry": {"lease": 60}})",
         "retry.lease is 60; it must be seconds as text, such as \"90s\""},
        {"DurationWithoutUnit", R"({"retry": {"lease": "60"}})", "retry.lease is \"60\""},
        {"ObjectForList", R"({"parameters": {"a": 1}})",
         "parameters is {\"a\":1}; it must be a list"},
        {"NullInList", R"({"parameters": [null]})", "parameters[0] is null"},
        {"ListForConfig", R"({"initial_configs": [[1]]})",
         "initial_configs[0] is [1]; it must be an object"},
        {"ListForConditions", R"({"parameters": [{"name": "a", "when": ["b"]}]})",
         "parameters[0].when is [\"b\"]; it must be an object"},
        {"TwoDomains", R"({"parameters": [{"float": {"min": 1}, "int": {"min": 1}}]})",
         "parameters[0]"},
        {"OutOfRange", R"({"halving": {"eta": 3000000000}})", "halving.eta"},
        {"Negative", R"({"seed": -1})", "seed"},
    }),
    [](const auto& info) { return info.param.name; });

TEST(ReadStudyTest, DashReadsStandardInput) {
  std::istringstream in(R"({"name": "a"})");
  const auto spec = ReadStudy("-", in);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->name(), "a");
}

TEST(ReadStudyTest, SaysWhyAFileCannotBeRead) {
  std::istringstream in;
  EXPECT_EQ(ReadStudy("/nowhere/x.json", in).status().message(),
            "cannot read /nowhere/x.json: No such file or directory");
  EXPECT_EQ(ReadStudy("/", in).status().message(), "cannot read /: Is a directory");
}

}  // namespace
}  // namespace halving
