#include "worker/trainer/protocol.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "worker/trainer/field_reader.h"

namespace halving {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(ParseJobTest, TakesEveryField) {
  const absl::StatusOr<Job> job = ParseJob(
      R"({"job":{"study":"lenet","trial_id":7,"objective":"lenet","options":{"activation":"relu"},)"
      R"("config":{"learning_rate":0.1,"batch_size":128},"from_epoch":2,"to_epoch":4,"seed":123,)"
      R"("checkpoint_in":"/a/in.safetensors","checkpoint_out":"/a/out.safetensors",)"
      R"("max_epochs":10,"checkpoint_interval":0.5,"attempt":1}})");
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->study, "lenet");
  EXPECT_EQ(job->trial_id, 7);
  EXPECT_EQ(job->objective, "lenet");
  EXPECT_EQ(job->options, json({{"activation", "relu"}}));
  EXPECT_EQ(job->config, json({{"learning_rate", 0.1}, {"batch_size", 128}}));
  EXPECT_EQ(job->from_epoch, 2);
  EXPECT_EQ(job->to_epoch, 4);
  EXPECT_EQ(job->seed, 123);
  EXPECT_EQ(job->checkpoint_in, "/a/in.safetensors");
  EXPECT_EQ(job->checkpoint_out, "/a/out.safetensors");
  EXPECT_EQ(job->max_epochs, 10);
  EXPECT_EQ(job->checkpoint_interval, absl::Milliseconds(500));
}

TEST(ParseJobTest, MostFieldsMayBeMissingEmptyOrNull) {
  const absl::StatusOr<Job> job = ParseJob(
      R"({"job":{"objective":"x","to_epoch":1,"options":null,"study":"","checkpoint_in":"",)"
      R"("checkpoint_out":null,"max_epochs":null,"checkpoint_interval":null}})");
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->options, json::object());
  EXPECT_EQ(job->config, json::object());
  EXPECT_EQ(job->from_epoch, 0);
  EXPECT_EQ(job->checkpoint_out, "");
  EXPECT_EQ(job->max_epochs, std::nullopt);
  EXPECT_EQ(job->checkpoint_interval, absl::ZeroDuration());
}

struct BadJobCase {
  std::string name;
  std::string line;
  std::string error;  // Part of the message, which also quotes the line.
};
class BadJobTest : public testing::TestWithParam<BadJobCase> {};

TEST_P(BadJobTest, IsRefusedAndQuoted) {
  const auto& [name, line, error] = GetParam();
  const absl::StatusOr<Job> job = ParseJob(line);
  ASSERT_FALSE(job.ok());
  EXPECT_EQ(job.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(job.status().message()), HasSubstr(error));
  EXPECT_THAT(std::string(job.status().message()), HasSubstr(line.substr(0, 300)));
}

INSTANTIATE_TEST_SUITE_P(
    , BadJobTest,
    testing::ValuesIn(std::vector<BadJobCase>{
        {"NotJson", "train please", "one JSON object"},
        {"Cut", R"({"job":{"objective":"x")", "one JSON object"},
        {"TwoValues", R"({"job":{}} {"job":{}})", "one JSON object"},
        {"List", R"([{"job":{}}])", "one JSON object"},
        {"NotUtf8", "{\"job\":{\"objective\":\"\xff\"}}", "one JSON object"},
        {"NoJob", R"({"jobs":{}})", "must have the form"},
        {"JobIsText", R"({"job":"x"})", R"(job is "x"; it must be an object)"},
        {"NoObjective", R"({"job":{"to_epoch":1}})", "job.objective is missing"},
        {"NoEpochs", R"({"job":{"objective":"x"}})", "job.to_epoch is missing"},
        {"EpochWithPoint", R"({"job":{"objective":"x","to_epoch":2.0}})", "job.to_epoch is 2.0"},
        {"EpochHuge", R"({"job":{"objective":"x","to_epoch":18446744073709551615}})",
         "job.to_epoch is 18446744073709551615"},
        {"EpochNegative", R"({"job":{"objective":"x","from_epoch":-1,"to_epoch":2}})",
         "job.from_epoch is -1"},
        {"SeedNegative", R"({"job":{"objective":"x","to_epoch":2,"seed":-3}})", "job.seed is -3"},
        {"NothingToDo",
         R"({"job":{"objective":"x","from_epoch":2,"to_epoch":2,"checkpoint_in":"c"}})",
         "job.to_epoch is 2; it must be above from_epoch"},
        {"NoCheckpoint", R"({"job":{"objective":"x","from_epoch":2,"to_epoch":4}})",
         "job.checkpoint_in is missing"},
        {"CheckpointForNothing", R"({"job":{"objective":"x","to_epoch":4,"checkpoint_in":"c"}})",
         "from_epoch is 0, which starts afresh"},
        {"PastTheTop", R"({"job":{"objective":"x","to_epoch":4,"max_epochs":3}})",
         "job.max_epochs is 3"},
        {"IntervalNegative", R"({"job":{"objective":"x","to_epoch":4,"checkpoint_interval":-0.1}})",
         "job.checkpoint_interval is -0.1; it must be a finite number of seconds, 0 or above"},
        {"IntervalAsText", R"({"job":{"objective":"x","to_epoch":4,"checkpoint_interval":"60s"}})",
         "job.checkpoint_interval is \"60s\"; it must be a finite number of seconds"},
        {"IntervalBeyondDouble",
         R"({"job":{"objective":"x","to_epoch":4,"checkpoint_interval":1e999}})",
         "one JSON object"},
        {"ConfigIsList", R"({"job":{"objective":"x","to_epoch":4,"config":[]}})",
         "job.config is a list; it must be an object"},
        {"Deep", std::string(100'000, '['), "nested deeper"},
        {"DeepInside", R"({"job":{"config":)" + std::string(100'000, '['), "nested deeper"},
    }),
    [](const auto& info) { return info.param.name; });

TEST(ParseJobTest, QuotesNoMoreThanAnErrorMessageBears) {
  const absl::StatusOr<Job> job = ParseJob(std::string(1'000'000, 'x'));
  EXPECT_LT(job.status().message().size(), 500);
}

TEST(EventTest, NumbersAreWrittenAsTheContractSays) {
  EXPECT_EQ(EpochLine(3, 0.31), R"({"epoch":3,"error":0.31})");
  EXPECT_EQ(EpochLine(1, 1), R"({"epoch":1,"error":1.0})");
  EXPECT_EQ(EpochLine(1, std::nan("")), R"({"epoch":1,"error":"NaN"})");
  EXPECT_EQ(EpochLine(1, std::numeric_limits<double>::infinity()),
            R"({"epoch":1,"error":"Infinity"})");
  EXPECT_EQ(EpochLine(1, -std::numeric_limits<double>::infinity()),
            R"({"epoch":1,"error":"-Infinity"})");
  EXPECT_EQ(CheckpointLine(4), R"({"checkpoint":{"epoch":4}})");
}

TEST(EventTest, DoneCarriesMetrics) {
  EXPECT_EQ(DoneLine(0.27, {{"test_error", 0.28}}),
            R"({"done":{"error":0.27,"metrics":{"test_error":0.28}}})");
  EXPECT_EQ(DoneLine(std::nan(""), {}), R"({"done":{"error":"NaN","metrics":{}}})");
}

TEST(EventTest, FailedStaysOneLineOfUtf8) {
  EXPECT_EQ(FailedLine({.reason = "two\nlines", .retryable = true}),
            R"({"failed":{"reason":"two\nlines","retryable":true}})");
  EXPECT_EQ(FailedLine({.reason = "bad byte \xff", .retryable = false}),
            "{\"failed\":{\"reason\":\"bad byte \xef\xbf\xbd\",\"retryable\":false}}");
  EXPECT_EQ(FailedLine({.reason = "r", .retryable = true, .unusable_checkpoint = true}),
            R"({"failed":{"reason":"r","retryable":true,"unusable_checkpoint":true}})");
  EXPECT_EQ(FailedLine({.reason = "r", .retryable = true, .out_of_memory = true}),
            R"({"failed":{"out_of_memory":true,"reason":"r","retryable":true}})");
}

TEST(FailureOfTest, OnlyTheJobsOwnFaultsAreFinal) {
  const Failure invalid = FailureOf(absl::InvalidArgumentError("bad config"));
  EXPECT_EQ(invalid.reason, "bad config");
  EXPECT_FALSE(invalid.retryable);
  EXPECT_FALSE(invalid.unusable_checkpoint);

  const Failure lost = FailureOf(absl::DataLossError("torn"));
  EXPECT_TRUE(lost.retryable);
  EXPECT_TRUE(lost.unusable_checkpoint);

  const Failure memory = FailureOf(absl::ResourceExhaustedError("memory"));
  EXPECT_TRUE(memory.retryable);
  EXPECT_TRUE(memory.out_of_memory);
  EXPECT_FALSE(memory.unusable_checkpoint);

  const Failure other = FailureOf(absl::UnavailableError("disk"));
  EXPECT_TRUE(other.retryable);
  EXPECT_FALSE(other.out_of_memory);
  EXPECT_FALSE(other.unusable_checkpoint);
}

// What one call on one field gives, of {"f": value}.
absl::Status ReadAs(const std::string& how, const json& value) {
  const json object = {{"f", value}};
  FieldReader reader("config", object);
  if (how == "integer") reader.Integer("f", 1, 10);
  if (how == "number") reader.Number("f", "above 0", [](double x) { return x > 0; });
  if (how == "boolean") reader.Boolean("f", false);
  if (how == "string") reader.String("f");
  if (how == "choice") reader.OneOf("f", {"a", "b"}, "a");
  if (how == "object") reader.Object("f");
  return reader.Finish();
}

struct FieldCase {
  std::string name;
  std::string how;
  json value;
  std::string error;  // The whole message; empty: it is taken.
};
class FieldCaseTest : public testing::TestWithParam<FieldCase> {};

TEST_P(FieldCaseTest, TakesOrNames) {
  const auto& [name, how, value, error] = GetParam();
  EXPECT_EQ(std::string(ReadAs(how, value).message()), error);
}

constexpr char kTenAtMost[] = "; it must be a whole number from 1 to 10, written without a point";

INSTANTIATE_TEST_SUITE_P(
    , FieldCaseTest,
    testing::ValuesIn(std::vector<FieldCase>{
        {"IntegerLeast", "integer", 1, ""},
        {"IntegerMost", "integer", 10, ""},
        {"IntegerBelow", "integer", 0, std::string("config.f is 0") + kTenAtMost},
        {"IntegerAbove", "integer", 11, std::string("config.f is 11") + kTenAtMost},
        {"IntegerNegative", "integer", -1, std::string("config.f is -1") + kTenAtMost},
        {"IntegerWithPoint", "integer", 2.0, std::string("config.f is 2.0") + kTenAtMost},
        {"IntegerAsText", "integer", "2", std::string("config.f is \"2\"") + kTenAtMost},
        {"IntegerAsBool", "integer", true, std::string("config.f is true") + kTenAtMost},
        {"IntegerNull", "integer", nullptr, std::string("config.f is missing") + kTenAtMost},
        {"NumberWhole", "number", 1, ""},
        {"NumberFraction", "number", 1e-300, ""},
        {"NumberRefused", "number", 0, "config.f is 0; it must be above 0"},
        {"NumberText", "number", "NaN", "config.f is \"NaN\"; it must be above 0"},
        {"NumberObject", "number", json::object(), "config.f is an object; it must be above 0"},
        {"BooleanTaken", "boolean", true, ""},
        {"BooleanNumber", "boolean", 0, "config.f is 0; it must be true or false"},
        {"BooleanText", "boolean", "true", "config.f is \"true\"; it must be true or false"},
        {"StringTaken", "string", "x", ""},
        {"StringEmpty", "string", "", "config.f is \"\"; it must be a string that is not empty"},
        {"ChoiceTaken", "choice", "b", ""},
        {"ChoiceUnknown", "choice", "c", "config.f is \"c\"; it must be one of a, b"},
        {"ChoiceNumber", "choice", 1, "config.f is 1; it must be one of a, b"},
        {"ObjectTaken", "object", json::object(), ""},
        {"ObjectList", "object", json::array(), "config.f is a list; it must be an object"},
        {"Unknown", "nothing", 1, "config.f is 1, but no such field is known; config may hold "},
    }),
    [](const auto& info) { return info.param.name; });

TEST(FieldReaderTest, NumbersBeyondDoubleAreRefused) {
  const json object = {{"f", std::numeric_limits<double>::infinity()}};
  FieldReader reader("config", object);
  reader.Number("f", "finite", [](double) { return true; });
  EXPECT_FALSE(reader.status().ok());
}

TEST(FieldReaderTest, TheFirstProblemWins) {
  const json object = {{"a", -1}, {"b", -1}};
  FieldReader reader("config", object);
  reader.Integer("b", 0, 9);
  reader.Integer("a", 0, 9);
  EXPECT_THAT(std::string(reader.Finish().message()), HasSubstr("config.b"));
}

TEST(FieldReaderTest, MissingFieldsTakeTheirDefaults) {
  const json object = json::object();
  FieldReader reader("config", object);
  EXPECT_EQ(reader.Integer("i", 0, 9, 4), 4);
  EXPECT_EQ(reader.OptionalInteger("o", 0, 9), std::nullopt);
  EXPECT_EQ(reader.Number(
                "n", "any", [](double) { return true; }, 0.5),
            0.5);
  EXPECT_TRUE(reader.Boolean("b", true));
  EXPECT_EQ(reader.String("s", "d"), "d");
  EXPECT_EQ(reader.OneOf("c", {"a", "b"}, "b"), "b");
  EXPECT_TRUE(reader.Finish().ok());
}

}  // namespace
}  // namespace halving
