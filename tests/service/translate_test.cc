// What is refused for its shape, and in which words; what is let through comes out as it went in.
#include "server/service/translate.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "server/service/cut_text.h"
#include "server/service/grpc_status.h"
#include "tests/service/messages.h"
#include "tests/support/matchers.h"

namespace halving {
namespace {

using absl::StatusCode;
using google::protobuf::util::MessageDifferencer;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

// A message that is refused, and what the refusal must name: the field, the value, what is allowed.
struct Refusal {
  std::string name;
  std::string message;
  std::vector<std::string> words;
};

void ExpectRefused(const absl::Status& status, const Refusal& refusal) {
  EXPECT_THAT(status, StatusIs(StatusCode::kInvalidArgument));
  for (const std::string& word : refusal.words) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(word));
  }
}

std::string NameOf(const testing::TestParamInfo<Refusal>& info) { return info.param.name; }

std::string Repeat(int times, const std::string& text) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

// ---- studies

class SpecRefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(SpecRefusalTest, NamesFieldValueAndWhatIsAllowed) {
  ExpectRefused(FromProto(Parse<v1::StudySpec>(GetParam().message)).status(), GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    , SpecRefusalTest,
    testing::ValuesIn(std::vector<Refusal>{
        {"Policy", "halving { policy: 9 }", {"halving.policy is 9", "POLICY_HALVING", "5"}},
        {"Searcher", "searcher: -1", {"searcher is -1", "SEARCHER_RANDOM", "5"}},
        {"ConfigNull",
         R"(initial_configs { fields { key: "x" value { null_value: 0 } } })",
         {"initial_configs[0].x is null", "a number, a string, true or false"}},
        {"ConfigList",
         R"(initial_configs {} initial_configs { fields { key: "x" value { list_value {
            values { number_value: 1 } } } } })",
         {"initial_configs[1].x is [1]", "a number, a string, true or false"}},
        {"ConfigUnset",
         R"(initial_configs { fields { key: "x" value {} } })",
         {"initial_configs[0].x is null"}},
        {"Choice",
         R"(parameters { name: "a" float {} } parameters { name: "b" choice { values {
            string_value: "s" } values { struct_value {} } } })",
         {"parameters[1].choice.values[1] is {}", "a number, a string, true or false"}},
        {"WhenNull",
         R"(parameters {} parameters {} parameters { name: "a" when { fields { key: "optimizer"
            value { null_value: 0 } } } })",
         {"parameters[2].when.optimizer is null", "a list of values"}},
        {"WhenObject",
         R"(parameters { name: "a" when { fields { key: "b" value { struct_value {} } } } })",
         {"parameters[0].when.b is {}", "a list of values"}},
        {"WhenListInList",
         R"(parameters { name: "a" when { fields { key: "b" value { list_value {
            values { number_value: 1 } values { list_value {} } } } } } })",
         {"parameters[0].when.b[1] is []", "a number, a string, true or false"}},
        {"OptionsNan",
         R"(objective_options { fields { key: "x" value { number_value: nan } } })",
         {"objective_options", "NaN or infinite"}},
        {"OptionsInfinityDeepInside",
         R"(objective_options { fields { key: "x" value { list_value { values { struct_value {
            fields { key: "y" value { number_value: inf } } } } } } } })",
         {"objective_options", "NaN or infinite"}},
        {"LeaseNegative",
         "retry { lease { seconds: -1 } }",
         {"retry.lease is -1 s", "0 s or more"}},
        {"LeaseNanosOfAnotherSign",
         "retry { lease { seconds: 1 nanos: -1 } }",
         {"retry.lease is 1 s and -1 ns", "0 s or more"}},
        {"LeaseTooManyNanos",
         "retry { lease { nanos: 1000000000 } }",
         {"retry.lease is 0 s and 1000000000 ns"}},
        {"LeaseSmallestNumber",
         "retry { lease { seconds: -9223372036854775808 nanos: -2147483648 } }",
         {"retry.lease is -9223372036854775808 s", "0 s or more"}},
        {"LeaseBeyondADuration",
         "retry { lease { seconds: 315576000001 } }",
         {"retry.lease is 315576000001 s"}},
        {"WallTimeTooLong",
         "limits { max_wall_time { seconds: 3162240001 } }",
         {"limits.max_wall_time is 878400h1s", "at most a hundred years"}},
    }),
    NameOf);

// With every field set.
constexpr char kFullSpec[] = R"pb(
  name: "s"
  objective: "lenet"
  objective_options {
    fields {
      key: "a"
      value { number_value: 1.5 }
    }
    fields {
      key: "b"
      value {
        list_value {
          values { bool_value: true }
          values { null_value: 0 }
        }
      }
    }
  }
  parameters {
    name: "f"
    float { min: 0.1 max: 1 log: true }
  }
  parameters {
    name: "i"
    int { min: 1 max: 9 log: true step: 2 }
  }
  parameters {
    name: "c"
    choice {
      values { string_value: "u" }
      values { number_value: 2 }
      values { bool_value: true }
    }
  }
  parameters {
    name: "w"
    float { min: 0 max: 1 }
    when {
      fields {
        key: "c"
        value {
          list_value {
            values { string_value: "u" }
            values { bool_value: true }
          }
        }
      }
      fields {
        key: "i"
        value { list_value { values { number_value: 3 } } }
      }
    }
  }
  initial_configs {
    fields {
      key: "f"
      value { number_value: 0.5 }
    }
    fields {
      key: "c"
      value { string_value: "u" }
    }
  }
  halving { min_epochs: 2 max_epochs: 10 eta: 3 prefactor: 1.5 policy: POLICY_HALVING_PER_ROUND }
  limits {
    max_evaluations: 1
    max_rounds: 2
    max_total_epochs: 3
    max_wall_time { seconds: 4 nanos: 5 }
    target_error: 0
    no_improvement { trials: 6 delta: 0.125 }
  }
  searcher: SEARCHER_SOBOL
  retry {
    max_attempts: 4
    lease { seconds: 90 nanos: 500000000 }
  }
  seed: 18446744073709551615
  warm_start { study: "other" trials: 7 })pb";

TEST(SpecTest, ComesBackAsItWas) {
  const auto spec = Parse<v1::StudySpec>(kFullSpec);
  const absl::StatusOr<StudySpec> read = FromProto(spec);
  ASSERT_THAT(read, IsOk());
  v1::StudySpec shown;
  ToProto(*read, &shown);
  EXPECT_TRUE(MessageDifferencer::Equals(shown, spec)) << shown.DebugString();
}

TEST(SpecTest, AConditionOfOneValueIsAListOfOne) {
  const absl::StatusOr<StudySpec> spec = FromProto(Parse<v1::StudySpec>(R"pb(
    parameters {
      name: "a"
      when {
        fields {
          key: "b"
          value { string_value: "u" }
        }
      }
    })pb"));
  ASSERT_THAT(spec, IsOk());
  EXPECT_EQ(spec->parameters[0].when,
            std::vector<Condition>({{.parameter = "b", .values = {std::string("u")}}}));
}

TEST(SpecTest, WhatIsNotSetIsNotShown) {
  v1::StudySpec shown;
  ToProto(*FromProto(v1::StudySpec()), &shown);
  EXPECT_FALSE(shown.has_warm_start());
  EXPECT_FALSE(shown.limits().has_no_improvement());
}

TEST(SpecTest, OfMoreThanAMebibyteIsRefused) {
  v1::StudySpec spec;
  google::protobuf::Value& note = (*spec.mutable_objective_options()->mutable_fields())["note"];
  note.set_string_value(std::string((1 << 20) - 100, 'x'));
  EXPECT_THAT(FromProto(spec), IsOk());
  note.set_string_value(std::string(1 << 20, 'x'));
  EXPECT_THAT(FromProto(spec),
              StatusIs(absl::StatusCode::kInvalidArgument, testing::HasSubstr("at most 1048576")));
}

TEST(SpecTest, AnEmptyOneIsForTheCoreToJudge) { EXPECT_THAT(FromProto(v1::StudySpec()), IsOk()); }

TEST(SpecTest, WholeNumbersOfOptionsAreWrittenWithoutAPoint) {
  const absl::StatusOr<StudySpec> read =
      FromProto(Parse<v1::StudySpec>(R"pb(objective_options {
                                            fields {
                                              key: "n"
                                              value { number_value: 128 }
                                            }
                                          })pb"));
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->objective_options_json, R"({"n":128})");
}

// ---- asks

class AskRefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(AskRefusalTest, NamesFieldValueAndWhatIsAllowed) {
  ExpectRefused(FromProto(Parse<v1::SuggestRequest>(GetParam().message)).status(), GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    , AskRefusalTest,
    testing::ValuesIn(std::vector<Refusal>{
        {"NoWorker", R"(request_id: "r")", {"worker_id is \"\"", "1 to 128", "[A-Za-z0-9_.:-]"}},
        {"WorkerWithSpace", R"(worker_id: "a b" request_id: "r")", {"worker_id is \"a b\""}},
        {"WorkerWithSlash", R"(worker_id: "a/b" request_id: "r")", {"worker_id is \"a/b\""}},
        {"WorkerNotAscii", R"(worker_id: "\303\244" request_id: "r")", {R"(is "\xc3\xa4")"}},
        {"WorkerTooLong",
         absl::StrCat("request_id: 'r' worker_id: '", std::string(129, 'w'), "'"),
         {"worker_id is \"www", "1 to 128"}},
        {"NoRequest", R"(worker_id: "a")", {"request_id has 0 bytes", "1 to 64", "random"}},
        {"RequestTooLong",
         absl::StrCat("worker_id: 'a' request_id: '", std::string(65, 'r'), "'"),
         {"request_id has 65 bytes", "1 to 64"}},
        {"ManyObjectives",
         absl::StrCat("worker_id: 'a' request_id: 'r' ", Repeat(101, "objectives: 'o' ")),
         {"objectives has 101 entries", "at most 100"}},
        {"LongObjective",
         absl::StrCat("worker_id: 'a' request_id: 'r' objectives: '", std::string(257, 'o'), "'"),
         {"objectives has 257 bytes", "at most 256"}},
        {"LongHost",
         absl::StrCat("worker_id: 'a' request_id: 'r' host: '", std::string(257, 'h'), "'"),
         {"host has 257 bytes", "at most 256"}},
        {"LongDevice",
         absl::StrCat("worker_id: 'a' request_id: 'r' device: '", std::string(257, 'd'), "'"),
         {"device has 257 bytes", "at most 256"}},
        {"LongIncarnation",
         absl::StrCat("worker_id: 'a' request_id: 'r' incarnation: '", std::string(65, 'i'), "'"),
         {"incarnation has 65 bytes", "at most 64"}},
    }),
    NameOf);

TEST(AskTest, AtItsBoundsIsReadAsItIs) {
  const std::string worker = std::string(119, 'w') + "A0_.:-zZ9";
  auto request = Parse<v1::SuggestRequest>(
      R"pb(
        objectives: "b" objectives: "a" host: "h" device: "cuda:0" incarnation: "1")pb");
  request.set_worker_id(worker);
  request.set_request_id(std::string(64, 'r'));
  const absl::StatusOr<Ask> ask = FromProto(request);
  ASSERT_THAT(ask, IsOk());
  EXPECT_EQ(ask->worker, worker);
  EXPECT_EQ(ask->request_id, std::string(64, 'r'));
  EXPECT_EQ(ask->incarnation, "1");
  EXPECT_THAT(ask->objectives, ElementsAre("b", "a"));
  EXPECT_EQ(ask->host, "h");
  EXPECT_EQ(ask->device, "cuda:0");
}

TEST(WaitTest, IsCappedAtThirtySeconds) {
  const auto wait = [](const std::string& text) { return WaitOf(Parse<v1::SuggestRequest>(text)); };
  EXPECT_THAT(wait(""), IsOkAndHolds(absl::ZeroDuration()));
  EXPECT_THAT(wait("wait { nanos: 1 }"), IsOkAndHolds(absl::Nanoseconds(1)));
  EXPECT_THAT(wait("wait { seconds: 29 nanos: 999999999 }"),
              IsOkAndHolds(absl::Seconds(30) - absl::Nanoseconds(1)));
  EXPECT_THAT(wait("wait { seconds: 31 }"), IsOkAndHolds(absl::Seconds(30)));
  EXPECT_THAT(wait("wait { seconds: 315576000000 }"), IsOkAndHolds(absl::Seconds(30)));
  EXPECT_THAT(wait("wait { seconds: -5 }"),
              StatusIs(StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("wait is -5 s"), HasSubstr("0 s or more"))));
}

// ---- reports

class ReportRefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(ReportRefusalTest, NamesFieldValueAndWhatIsAllowed) {
  ExpectRefused(OutcomeFromProto(Parse<v1::ReportRequest>(GetParam().message)).status(),
                GetParam());
}

std::string Metrics(int count, size_t name_bytes) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    const std::string name = absl::StrCat(std::string(name_bytes - 3, 'm'), 100 + i);
    text += absl::StrCat("metrics { key: '", name, "' value: 1 } ");
  }
  return text;
}

INSTANTIATE_TEST_SUITE_P(
    , ReportRefusalTest,
    testing::ValuesIn(std::vector<Refusal>{
        {"NoOutcome", "", {"outcome is not set", "progress, completed, failed, returned"}},
        {"NoError", "completed {}", {"completed.error is not set", "NaN if"}},
        {"PointWithoutError",
         "progress { points { epoch: 1 error: 1 } points { epoch: 2 } }",
         {"points[1].error is not set", "at epoch 2"}},
        {"ManyPoints",
         absl::StrCat("progress { ", Repeat(10'001, "points { error: 1 } "), "}"),
         {"points has 10001 entries", "at most 10000"}},
        {"ManyMetrics",
         absl::StrCat("completed { error: 1 ", Metrics(65, 10), "}"),
         {"completed.metrics has 65 entries", "at most 64"}},
        {"LongMetric",
         absl::StrCat("completed { error: 1 ", Metrics(1, 257), "}"),
         {"completed.metrics has 257 bytes", "at most 256"}},
        {"NegativeTrainTime",
         "completed { error: 1 train_time { seconds: -1 } }",
         {"completed.train_time is -1 s", "0 s or more"}},
        {"TrainTimeTooLong",
         "completed { error: 1 train_time { seconds: 315576000000 } }",
         {"completed.train_time is", "at most a hundred years"}},
        {"LongCheckpoint",
         absl::StrCat("completed { error: 1 checkpoint_id: '", std::string(257, 'c'), "' }"),
         {"completed.checkpoint_id has 257 bytes", "at most 256"}},
        {"LongProgressCheckpoint",
         absl::StrCat("progress { checkpoint_id: '", std::string(257, 'c'), "' }"),
         {"progress.checkpoint_id has 257 bytes", "at most 256"}},
        {"LongUnusableCheckpoint",
         absl::StrCat("returned { unusable_checkpoint_id: '", std::string(257, 'c'), "' }"),
         {"returned.unusable_checkpoint_id has 257 bytes", "at most 256"}},
        {"NextBesideProgress",
         "progress {} next { worker_id: 'a' }",
         {"next is set beside progress", "completed, failed or returned"}},
    }),
    NameOf);

TEST(ReportTest, AResultAtItsBoundsIsReadAsItIs) {
  const absl::StatusOr<Outcome> outcome = OutcomeFromProto(Parse<v1::ReportRequest>(
      absl::StrCat("completed { error: nan points { epoch: 3 error: -inf } checkpoint_id: '",
                   std::string(256, 'c'), "' train_time { seconds: 7 nanos: 1 } ",
                   "metrics { key: 'z' value: nan } metrics { key: 'a' value: 1 } }")));
  ASSERT_THAT(outcome, IsOk());
  const auto& completed = std::get<Completed>(*outcome);
  EXPECT_TRUE(std::isnan(completed.error));
  ASSERT_EQ(completed.points.size(), 1u);
  EXPECT_EQ(completed.points[0].epoch, 3);
  EXPECT_EQ(completed.points[0].error, -std::numeric_limits<double>::infinity());
  EXPECT_EQ(completed.checkpoint_id, std::string(256, 'c'));
  EXPECT_EQ(completed.train_time, absl::Seconds(7) + absl::Nanoseconds(1));
  EXPECT_THAT(completed.metrics, ElementsAre(Pair("a", 1), Pair("z", testing::IsNan())));
}

TEST(ReportTest, AnErrorOfZeroIsNoMissingError) {
  EXPECT_THAT(OutcomeFromProto(Parse<v1::ReportRequest>("completed { error: 0 }")), IsOk());
}

TEST(ReportTest, ALongReasonIsCutAtTheEndOfACharacter) {
  const std::string euro = "\xe2\x82\xac";
  for (size_t before = 4093; before <= 4096; ++before) {
    v1::ReportRequest request;
    request.mutable_failed()->set_reason(std::string(before, 'x') + euro + std::string(100, 'y'));
    const absl::StatusOr<Outcome> outcome = OutcomeFromProto(request);
    ASSERT_THAT(outcome, IsOk());
    const bool whole = before + euro.size() <= 4096;
    EXPECT_EQ(std::get<Failed>(*outcome).reason,
              std::string(before, 'x') + (whole ? euro : "") +
                  (whole ? " [100 more bytes]" : " [103 more bytes]"));
  }
}

TEST(ReportTest, AReasonThatFitsIsKept) {
  v1::ReportRequest request;
  request.mutable_returned()->set_reason(std::string(4096, 'x'));
  const absl::StatusOr<Outcome> outcome = OutcomeFromProto(request);
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(std::get<Returned>(*outcome).reason, std::string(4096, 'x'));
}

TEST(CutTextTest, TextThatIsNoUtf8IsCutAllTheSame) {
  EXPECT_EQ(CutText(std::string(10, '\x80'), 5), " [10 more bytes]");
  EXPECT_EQ(CutText("abc", 0), " [3 more bytes]");
  EXPECT_EQ(CutText("abc", 3), "abc");
}

// ---- times

std::string Shown(absl::Time time) {
  google::protobuf::Timestamp shown;
  ToProto(time, &shown);
  return shown.ShortDebugString();
}

std::string Shown(absl::Duration duration) {
  google::protobuf::Duration shown;
  ToProto(duration, &shown);
  return shown.ShortDebugString();
}

TEST(TimestampTest, NanosecondsCountUpwardsAlsoBefore1970) {
  EXPECT_EQ(Shown(absl::UnixEpoch()), "");
  EXPECT_EQ(Shown(absl::UnixEpoch() + absl::Milliseconds(1'500)), "seconds: 1 nanos: 500000000");
  EXPECT_EQ(Shown(absl::UnixEpoch() - absl::Nanoseconds(1)), "seconds: -1 nanos: 999999999");
  EXPECT_EQ(Shown(absl::UnixEpoch() - absl::Seconds(1)), "seconds: -1");
}

TEST(DurationTest, StaysWithinWhatAMessageMayHold) {
  EXPECT_EQ(Shown(absl::Milliseconds(1'500)), "seconds: 1 nanos: 500000000");
  EXPECT_EQ(Shown(absl::Milliseconds(-1'500)), "seconds: -1 nanos: -500000000");
  EXPECT_EQ(Shown(absl::InfiniteDuration()), "seconds: 315576000000");
  EXPECT_EQ(Shown(-absl::InfiniteDuration()), "seconds: -315576000000");
}

// ---- errors

TEST(ToGrpcTest, EveryCodeKeepsItsNumberAndMessage) {
  for (int code = 0; code <= 16; ++code) {
    const grpc::Status status =
        ToGrpc(absl::Status(static_cast<absl::StatusCode>(code), "what is wrong"));
    EXPECT_EQ(status.error_code(), code);
    EXPECT_EQ(status.error_message(), code == 0 ? "" : "what is wrong");
  }
}

TEST(ToGrpcTest, AMessageTooLongForMetadataIsCut) {
  const grpc::Status status = ToGrpc(absl::NotFoundError(std::string(100'000, 'x')));
  EXPECT_LT(status.error_message().size(), 2'100u);
  EXPECT_THAT(status.error_message(), HasSubstr("[98000 more bytes]"));
}

}  // namespace
}  // namespace halving
