#include "worker/agent/trainer_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "worker/agent/line_splitter.h"
#include "worker/agent/text.h"

namespace halving {
namespace {

using testing::HasSubstr;

// One line for any parsed line, so that a case is one line too.
std::string Number(double number) {
  if (std::isnan(number)) return "nan";
  return absl::StrCat(number);
}

std::string Show(const TrainerLine& line) {
  if (const auto* epoch = std::get_if<EpochLine>(&line)) {
    return absl::StrCat("epoch ", epoch->epoch, " ", Number(epoch->error));
  }
  if (const auto* checkpoint = std::get_if<CheckpointLine>(&line)) {
    return absl::StrCat("checkpoint ", checkpoint->epoch);
  }
  if (const auto* done = std::get_if<DoneLine>(&line)) {
    std::string shown = absl::StrCat("done ", Number(done->error));
    for (const auto& [name, value] : done->metrics) {
      absl::StrAppend(&shown, " ", name, "=", Number(value));
    }
    return shown;
  }
  if (const auto* failed = std::get_if<FailedLine>(&line)) {
    return absl::StrCat("failed ", failed->reason, failed->retryable ? " retryable" : "",
                        failed->unusable_checkpoint ? " unusable" : "",
                        failed->out_of_memory ? " out of memory" : "");
  }
  if (const auto* log = std::get_if<LogLine>(&line)) return absl::StrCat("log ", log->text);
  return absl::StrCat("malformed ", std::get<MalformedLine>(line).why);
}

struct LineCase {
  std::string name;
  std::string line;
  std::string shown;  // Exactly; "malformed ..." has to hold what follows.
};

class TrainerLinesTest : public testing::TestWithParam<LineCase> {};

TEST_P(TrainerLinesTest, Parse) {
  const LineCase& c = GetParam();
  const std::string shown = Show(ParseTrainerLine(c.line));
  if (c.shown.rfind("malformed ", 0) == 0) {
    EXPECT_EQ(shown.rfind("malformed ", 0), 0U) << shown;
    EXPECT_THAT(shown, HasSubstr(c.shown.substr(10)));
  } else {
    EXPECT_EQ(shown, c.shown);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Epoch, TrainerLinesTest,
    testing::ValuesIn(std::vector<LineCase>{
        {"Plain", R"({"epoch":3,"error":0.5})", "epoch 3 0.5"},
        {"Spaces", "  { \"epoch\" : 3 , \"error\" : 0.5 }\r", "epoch 3 0.5"},
        {"OtherOrder", R"({"error":1,"epoch":3})", "epoch 3 1"},
        {"ExtraKeys", R"({"epoch":3,"error":0.5,"lr":0.1,"note":"x"})", "epoch 3 0.5"},
        {"EpochWithPoint", R"({"epoch":3.0,"error":0.5})", "epoch 3 0.5"},
        {"Null", R"({"epoch":3,"error":null})", "epoch 3 nan"},
        {"BareNaN", R"({"epoch":3,"error":NaN})", "epoch 3 nan"},
        {"BareInfinity", R"({"epoch":3,"error": Infinity})", "epoch 3 inf"},
        {"BareMinusInfinity", R"({"epoch":3,"error":-Infinity})", "epoch 3 -inf"},
        {"PrintfNan", R"({"epoch":3,"error":-nan})", "epoch 3 nan"},
        {"PrintfInf", R"({"epoch":3,"error":inf})", "epoch 3 inf"},
        {"QuotedNaN", R"({"epoch":3,"error":"NaN"})", "epoch 3 nan"},
        {"QuotedInfinity", R"({"epoch":3,"error":"Infinity"})", "epoch 3 inf"},
        {"QuotedMinusInfinity", R"({"epoch":3,"error":"-Infinity"})", "epoch 3 -inf"},
        {"NaNInAString", R"({"note":"a NaN: NaN, \"NaN\" \\","epoch":3,"error":NaN})",
         "epoch 3 nan"},
        {"NegativeEpoch", R"({"epoch":-3,"error":0.5})", "epoch -3 0.5"},
        {"NoError", R"({"epoch":3,"loss":0.5})", "malformed \"error\" is missing"},
        {"TextError", R"({"epoch":3,"error":"0.5"})", "malformed \"error\" is `\\\"0.5\\\"`"},
        {"BoolError", R"({"epoch":3,"error":true})", "malformed \"error\" is `true`"},
        {"TextEpoch", R"({"epoch":"3","error":0.5})", "malformed \"epoch\" is"},
        {"HalfEpoch", R"({"epoch":3.5,"error":0.5})", "malformed \"epoch\" is `3.5`"},
        {"HugeEpoch", R"({"epoch":18446744073709551615,"error":0.5})", "malformed \"epoch\" is"},
        {"Cut", R"({"epoch":3,"err)", "malformed not valid JSON"},
        {"CutWithSpaces", R"({ "epoch": 3, "error": 0.)", "malformed not valid JSON"},
        {"TwoInOne", R"({"epoch":3,"error":0.5}{"epoch":4,"error":0.5})",
         "malformed not valid JSON"},
        {"TwoKeys", R"({"epoch":3,"error":0.5,"done":{"error":1}})",
         "malformed both \"epoch\" and \"done\""},
        {"QuotesTheLine", R"({"epoch":"x","error":0})", "malformed printed `{\\\"epoch\\\":\\\"x"},
    }),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Other, TrainerLinesTest,
    testing::ValuesIn(std::vector<LineCase>{
        {"Checkpoint", R"({"checkpoint":{"epoch":3}})", "checkpoint 3"},
        {"CheckpointBare", R"({"checkpoint":3})", "malformed \"checkpoint\" is `3`"},
        {"CheckpointEmpty", R"({"checkpoint":{}})", "malformed \"epoch\" is missing"},
        {"Done", R"({"done":{"error":0.25,"metrics":{"b":2,"a":NaN,"c":null}}})",
         "done 0.25 a=nan b=2 c=nan"},
        {"DoneNoMetrics", R"({"done":{"error":0.25}})", "done 0.25"},
        {"DoneNaN", R"({"done":{"error":NaN}})", "done nan"},
        {"DoneNoError", R"({"done":{}})", "malformed \"error\" is missing"},
        {"DoneTextMetric", R"({"done":{"error":0,"metrics":{"a":"b"}}})", "malformed \"a\" is"},
        {"DoneMetricsList", R"({"done":{"error":0,"metrics":[1]}})", "malformed \"metrics\" is"},
        {"Failed", R"({"failed":{"reason":"no","retryable":true}})", "failed no retryable"},
        {"FailedForGood", R"({"failed":{"reason":"no"}})", "failed no"},
        {"FailedUnusable", R"({"failed":{"reason":"no","unusable_checkpoint":true}})",
         "failed no unusable"},
        {"FailedOutOfMemory", R"({"failed":{"reason":"no","out_of_memory":true}})",
         "failed no out of memory"},
        {"FailedBadMemoryFlag", R"({"failed":{"reason":"x","out_of_memory":"yes"}})",
         "malformed \"out_of_memory\" is"},
        {"FailedNoReason", R"({"failed":{}})", "failed the trainer gave no reason"},
        {"FailedText", R"({"failed":"no"})", "malformed \"failed\" is"},
        {"FailedReasonNumber", R"({"failed":{"reason":1}})", "malformed \"reason\" is `1`"},
        {"FailedBadFlag", R"({"failed":{"reason":"x","retryable":1}})",
         "malformed \"retryable\" is `1`"},
        {"FailedLatin1", "{\"failed\":{\"reason\":\"caf\xE9\"}}", "failed caf\xEF\xBF\xBD"},
        {"Text", "Epoch 1/10 [===>]", "log Epoch 1/10 [===>]"},
        {"Empty", "", "log "},
        {"Array", "[1,2]", "log [1,2]"},
        {"OtherObject", R"({"message":"hi","epochs":3})", R"(log {"message":"hi","epochs":3})"},
        {"PythonDict", "{'epoch': 3}", "log {'epoch': 3}"},
        {"OtherBroken", R"({"message":"epoch)", R"(log {"message":"epoch)"},
        {"InvalidUtf8", "a\xFFz", "log a\xEF\xBF\xBDz"},
    }),
    [](const auto& info) { return info.param.name; });

TEST(TrainerLines, MetricsAreBounded) {
  std::vector<std::string> metrics;
  for (size_t i = 0; i < kMaxMetrics + 3; ++i) metrics.push_back(absl::StrCat("\"m", i, "\":1"));
  metrics.push_back(absl::StrCat("\"a", std::string(kMaxMetricNameBytes, 'x'), "\":1"));
  const TrainerLine line = ParseTrainerLine(
      absl::StrCat("{\"done\":{\"error\":0,\"metrics\":{", absl::StrJoin(metrics, ","), "}}}"));
  ASSERT_TRUE(std::holds_alternative<DoneLine>(line)) << Show(line);
  EXPECT_EQ(std::get<DoneLine>(line).metrics.size(), kMaxMetrics);
  EXPECT_EQ(std::get<DoneLine>(line).dropped_metrics, 4);
}

TEST(TrainerLines, QuoteOfAMalformedLineIsBounded) {
  const TrainerLine line =
      ParseTrainerLine(absl::StrCat("{\"epoch\":\"", std::string(100'000, 'x'), "\"}"));
  ASSERT_TRUE(std::holds_alternative<MalformedLine>(line));
  EXPECT_LT(std::get<MalformedLine>(line).why.size(), 1000U);
}

TEST(TrainerLines, DeepNestingIsNoHarm) {
  const std::string deep =
      absl::StrCat("{\"epoch\":1,\"error\":0.5,\"x\":", std::string(500'000, '['));
  EXPECT_TRUE(std::holds_alternative<MalformedLine>(ParseTrainerLine(deep)));
  EXPECT_EQ(Show(ParseTrainerLine(absl::StrCat(deep, std::string(500'000, ']'), "}"))),
            "epoch 1 0.5");
}

TEST(TrainerLines, DeepNestingWhereANumberBelongsIsNoHarm) {
  const std::string deep = absl::StrCat(std::string(250'000, '['), std::string(250'000, ']'));
  for (const std::string& line :
       {absl::StrCat("{\"epoch\":", deep, ",\"error\":0}"),
        absl::StrCat("{\"epoch\":1,\"error\":", deep, "}"), absl::StrCat("{\"done\":", deep, "}"),
        absl::StrCat("{\"failed\":{\"reason\":", deep, "}}")}) {
    EXPECT_THAT(Show(ParseTrainerLine(line)), HasSubstr("is a list, not "));
  }
}

TEST(TrainerLines, ExhaustedMemoryIsKnownByItsWords) {
  for (const char* text :
       {"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has",
        "RuntimeError: CUDA error: out of memory",
        "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't "
        "allocate memory: you tried to allocate 8 bytes. Error code 12",
        "XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8 bytes.",
        "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  "
        "std::bad_alloc",
        "OSError: [Errno 12] Cannot allocate memory", "Traceback:\nMemoryError\nlast words"}) {
    EXPECT_TRUE(SaysOutOfMemory(text)) << text;
  }
  for (const char* text : {"", "memory: 3 GiB allocated", "RuntimeError: shape mismatch",
                           "Segmentation fault (core dumped)"}) {
    EXPECT_FALSE(SaysOutOfMemory(text)) << text;
  }
}

TEST(TextTest, CutsBetweenCharacters) {
  EXPECT_EQ(FirstOf("abc", 3), "abc");
  EXPECT_EQ(FirstOf("abcd", 3), "abc...");
  EXPECT_EQ(FirstOf("ab\xC3\xA9", 3), "ab...");
  EXPECT_EQ(LastOf("abcd", 3), "...bcd");
  EXPECT_EQ(LastOf("\xC3\xA9yz", 3), "...yz");
}

TEST(TextTest, OnlyValidUtf8ComesOut) {
  constexpr char kBad[] = "\xEF\xBF\xBD";
  EXPECT_EQ(ValidUtf8("\xF0\x9F\x98\x80"), "\xF0\x9F\x98\x80");
  EXPECT_EQ(ValidUtf8("\xC0\x80"), absl::StrCat(kBad, kBad)) << "overlong";
  EXPECT_EQ(ValidUtf8("\xED\xA0\x80"), absl::StrCat(kBad, kBad, kBad)) << "surrogate";
  EXPECT_EQ(ValidUtf8("a\xE2\x82"), absl::StrCat("a", kBad, kBad)) << "cut";
  EXPECT_EQ(ValidUtf8("\xF5\x80\x80\x80"), absl::StrCat(kBad, kBad, kBad, kBad));
}

TEST(LineSplitterTest, LinesComeWholeHoweverTheBytesCome) {
  LineSplitter lines(100);
  lines.Append("a");
  EXPECT_FALSE(lines.Next().has_value());
  lines.Append("b\n\nc\nd");
  EXPECT_EQ(lines.Next()->text, "ab");
  EXPECT_EQ(lines.Next()->text, "");
  EXPECT_EQ(lines.Next()->text, "c");
  EXPECT_FALSE(lines.Next().has_value());
  lines.Finish();
  EXPECT_EQ(lines.Next()->text, "d");
  EXPECT_FALSE(lines.Next().has_value());
}

TEST(LineSplitterTest, TooLongIsSaidOnceAndOnlyTheBeginningKept) {
  LineSplitter lines(4);
  lines.Append("abcd\n");
  EXPECT_FALSE(lines.Next()->too_long);
  lines.Append("abc");
  lines.Append("de");
  lines.Append("fg\nh\n");
  const OutputLine line = *lines.Next();
  EXPECT_TRUE(line.too_long);
  EXPECT_EQ(line.text, "abcd");
  EXPECT_FALSE(lines.Next()->too_long);
}

}  // namespace
}  // namespace halving
