#include "worker/trainer/job_runner.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"
#include "worker/trainer/checkpoint.h"
#include "worker/trainer/image_settings.h"
#include "worker/trainer/line_reader.h"
#include "worker/trainer/shuffle.h"

namespace halving {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

// FakeObjective "trains" by counting: its error after epoch e is 1 / e, its state is e.
// Thread-compatible.
class FakeObjective : public Objective {
 public:
  struct Script {
    absl::Status start;  // What Start() answers, if not OK.
    absl::Status epoch;  // What RunEpoch() answers from `bad_epoch` on, if not OK.
    int64_t bad_epoch = 1;
    int64_t diverges_at = 0;  // 0: never.
    absl::Status state;       // What State() answers, if not OK.
    std::function<void(int64_t epoch)> during_epoch = [](int64_t) {};
  };
  explicit FakeObjective(Script script) : script_(std::move(script)) {}

  absl::StatusOr<std::unique_ptr<Training>> Start(const Job& job,
                                                  const Safetensors* state) override {
    if (!script_.start.ok()) return script_.start;
    EXPECT_EQ(state != nullptr, job.from_epoch > 0);
    int64_t epoch = 0;
    if (state != nullptr) epoch = static_cast<unsigned char>(state->tensors.at("epochs").data[0]);
    return std::make_unique<FakeTraining>(script_, epoch);
  }

 private:
  class FakeTraining : public Training {
   public:
    FakeTraining(Script script, int64_t epoch) : script_(std::move(script)), epoch_(epoch) {}
    absl::StatusOr<double> RunEpoch() override {
      ++epoch_;
      script_.during_epoch(epoch_);
      if (!script_.epoch.ok() && epoch_ >= script_.bad_epoch) return script_.epoch;
      if (epoch_ == script_.diverges_at) return std::nan("");
      return 1.0 / static_cast<double>(epoch_);
    }
    absl::StatusOr<double> TestError() override { return 0.75; }
    absl::StatusOr<Safetensors> State() override {
      if (!script_.state.ok()) return script_.state;
      Safetensors state;
      state.tensors["epochs"] = {
          .dtype = "U8", .shape = {1}, .data = std::string(1, static_cast<char>(epoch_))};
      return state;
    }

   private:
    const Script script_;
    int64_t epoch_;
  };

  const Script script_;
};

// One runner with a fake objective, and what it wrote.
struct RunnerFixture {
  explicit RunnerFixture(FakeObjective::Script script = {}) {
    // Whatever a test says about time and stopping happens in the middle of an epoch.
    script.during_epoch = [this](int64_t epoch) {
      clock.Advance(epoch_time);
      if (epoch == stop_in_epoch) stop_wanted = true;
    };
    Objectives objectives;
    objectives["fake"] = std::make_unique<FakeObjective>(std::move(script));
    runner = std::make_unique<JobRunner>(
        std::move(objectives), [this](const std::string& line) { return Take(line); }, &clock,
        [this] { return stop_wanted; });
  }

  absl::Status Take(const std::string& line) {
    if (lines_taken == 0) return absl::UnavailableError("nobody listens");
    --lines_taken;
    lines.push_back(line);
    return absl::OkStatus();
  }

  absl::Status Run(const json& job) { return runner->HandleLine(json({{"job", job}}).dump()); }
  std::string LastLine() const { return lines.empty() ? "" : lines.back(); }

  TempDir dir;
  std::vector<std::string> lines;
  int lines_taken = 1'000;  // After as many, nobody listens.
  FakeClock clock;
  absl::Duration epoch_time;
  int64_t stop_in_epoch = 0;  // 0: never.
  bool stop_wanted = false;
  std::unique_ptr<JobRunner> runner;
};

TEST(JobRunnerTest, ReportsEachEpochThenTheEnd) {
  RunnerFixture f;
  ASSERT_TRUE(f.Run({{"objective", "fake"}, {"to_epoch", 2}}).ok());
  EXPECT_THAT(f.lines, ElementsAre(R"({"epoch":1,"error":1.0})", R"({"epoch":2,"error":0.5})",
                                   R"({"done":{"error":0.5,"metrics":{"test_error":0.75}}})"));
}

TEST(JobRunnerTest, WritesACheckpointBeforeSayingSoAndGoesOnFromIt) {
  RunnerFixture f;
  const std::string path = f.dir.File("c.safetensors");
  ASSERT_TRUE(f.Run({{"objective", "fake"}, {"to_epoch", 2}, {"checkpoint_out", path}}).ok());
  ASSERT_EQ(f.lines.size(), 4);
  EXPECT_EQ(f.lines[2], R"({"checkpoint":{"epoch":2}})");
  ASSERT_TRUE(std::filesystem::exists(path));

  f.lines.clear();
  ASSERT_TRUE(f.Run({{"objective", "fake"},
                     {"from_epoch", 2},
                     {"to_epoch", 4},
                     {"checkpoint_in", path},
                     {"checkpoint_out", path}})
                  .ok());
  EXPECT_THAT(f.lines, ElementsAre(HasSubstr(R"("epoch":3)"), R"({"epoch":4,"error":0.25})",
                                   R"({"checkpoint":{"epoch":4}})", HasSubstr(R"("done")")));
}

TEST(JobRunnerTest, LooksAtTheTestSetOnlyAtTheTopWhereThatIsKnown) {
  RunnerFixture f;
  ASSERT_TRUE(f.Run({{"objective", "fake"}, {"to_epoch", 1}, {"max_epochs", 2}}).ok());
  EXPECT_EQ(f.LastLine(), R"({"done":{"error":1.0,"metrics":{}}})");
  ASSERT_TRUE(f.Run({{"objective", "fake"}, {"to_epoch", 2}, {"max_epochs", 2}}).ok());
  EXPECT_EQ(f.LastLine(), R"({"done":{"error":0.5,"metrics":{"test_error":0.75}}})");
}

TEST(JobRunnerTest, StopsWhereTrainingDiverged) {
  RunnerFixture f({.diverges_at = 2});
  const std::string path = f.dir.File("c.safetensors");
  ASSERT_TRUE(f.Run({{"objective", "fake"}, {"to_epoch", 9}, {"checkpoint_out", path}}).ok());
  EXPECT_THAT(f.lines, ElementsAre(R"({"epoch":1,"error":1.0})", R"({"epoch":2,"error":"NaN"})",
                                   R"({"done":{"error":"NaN","metrics":{}}})"));
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(JobRunnerTest, ABadLineFailsAndTheNextJobRuns) {
  RunnerFixture f;
  ASSERT_TRUE(f.runner->HandleLine("rubbish").ok());
  EXPECT_THAT(f.LastLine(), HasSubstr("The line was: rubbish"));
  EXPECT_THAT(f.LastLine(), HasSubstr(R"("retryable":false)"));
  ASSERT_TRUE(f.Run({{"objective", "fake"}, {"to_epoch", 1}}).ok());
  EXPECT_THAT(f.LastLine(), HasSubstr("done"));
}

TEST(JobRunnerTest, ABlankLineIsNothing) {
  RunnerFixture f;
  ASSERT_TRUE(f.runner->HandleLine(" \r").ok());
  EXPECT_THAT(f.lines, ElementsAre());
}

TEST(JobRunnerTest, AnObjectiveItLacksMayBeAnotherTrainers) {
  RunnerFixture f;
  ASSERT_TRUE(f.Run({{"objective", "gpt"}, {"to_epoch", 1}}).ok());
  EXPECT_THAT(f.LastLine(), HasSubstr("which this trainer does not have; it has fake"));
  EXPECT_THAT(f.LastLine(), HasSubstr(R"("retryable":true)"));
}

TEST(JobRunnerTest, AFailureOfLibTorchEndsTheProcess) {
  RunnerFixture f({.epoch = absl::InternalError("device-side assert"), .bad_epoch = 2});
  EXPECT_TRUE(absl::IsInternal(f.Run({{"objective", "fake"}, {"to_epoch", 3}})));
  EXPECT_THAT(f.lines,
              ElementsAre(R"({"epoch":1,"error":1.0})",
                          R"({"failed":{"reason":"device-side assert","retryable":true}})"));
}

TEST(JobRunnerTest, TooLittleMemoryIsToldAndEndsTheProcess) {
  RunnerFixture f({.start = absl::ResourceExhaustedError("CUDA out of memory")});
  EXPECT_TRUE(absl::IsResourceExhausted(f.Run({{"objective", "fake"}, {"to_epoch", 3}})));
  EXPECT_THAT(f.lines, ElementsAre(R"({"failed":{"out_of_memory":true,)"
                                   R"("reason":"CUDA out of memory","retryable":true}})"));
}

// Jobs of six epochs of ten seconds each.
class CheckpointIntervalTest : public testing::TestWithParam<std::pair<double, std::string>> {};

TEST_P(CheckpointIntervalTest, GivesTheEpochsWithACheckpoint) {
  RunnerFixture f;
  f.epoch_time = absl::Seconds(10);
  ASSERT_TRUE(f.Run({{"objective", "fake"},
                     {"to_epoch", 6},
                     {"checkpoint_out", f.dir.File("c")},
                     {"checkpoint_interval", GetParam().first}})
                  .ok());
  std::string order;  // E.g. "1 2 2c ...": an epoch's line and a checkpoint's.
  for (const std::string& line : f.lines) {
    const json event = json::parse(line);
    if (event.contains("epoch")) absl::StrAppend(&order, event["epoch"].get<int>(), " ");
    if (event.contains("checkpoint")) {
      absl::StrAppend(&order, event["checkpoint"]["epoch"].get<int>(), "c ");
    }
  }
  EXPECT_EQ(order, GetParam().second);
  EXPECT_THAT(f.LastLine(), HasSubstr("done"));
}

INSTANTIATE_TEST_SUITE_P(, CheckpointIntervalTest,
                         testing::Values(std::pair(0.0, "1 2 3 4 5 6 6c "),
                                         std::pair(9.9, "1 1c 2 2c 3 3c 4 4c 5 5c 6 6c "),
                                         std::pair(10.0, "1 1c 2 2c 3 3c 4 4c 5 5c 6 6c "),
                                         std::pair(10.1, "1 2 2c 3 4 4c 5 6 6c "),
                                         std::pair(25.0, "1 2 3 3c 4 5 6 6c "),
                                         std::pair(61.0, "1 2 3 4 5 6 6c ")));

TEST(JobRunnerTest, ACheckpointInsideARungHoldsItsOwnEpoch) {
  RunnerFixture f({.diverges_at = 3});
  f.epoch_time = absl::Seconds(1);
  const std::string path = f.dir.File("c");
  ASSERT_TRUE(f.Run({{"objective", "fake"},
                     {"to_epoch", 9},
                     {"checkpoint_out", path},
                     {"checkpoint_interval", 1}})
                  .ok());
  EXPECT_THAT(f.lines, ElementsAre(R"({"epoch":1,"error":1.0})", R"({"checkpoint":{"epoch":1}})",
                                   R"({"epoch":2,"error":0.5})", R"({"checkpoint":{"epoch":2}})",
                                   R"({"epoch":3,"error":"NaN"})", HasSubstr("done")))
      << "none of the epoch that diverged";
  f.lines.clear();
  f.Run({{"objective", "fake"}, {"from_epoch", 2}, {"to_epoch", 3}, {"checkpoint_in", path}})
      .IgnoreError();
  EXPECT_THAT(f.lines[0], HasSubstr(R"("epoch":3)"));
}

TEST(JobRunnerTest, ACheckpointInsideARungThatCannotBeWrittenIsTriedAgainLater) {
  RunnerFixture f;
  f.epoch_time = absl::Seconds(1);
  const json job = {{"objective", "fake"},
                    {"to_epoch", 3},
                    {"checkpoint_out", f.dir.File("none/c")},
                    {"checkpoint_interval", 1}};
  ASSERT_TRUE(f.Run(job).ok());
  EXPECT_THAT(f.lines, ElementsAre(HasSubstr(R"("epoch":1)"), HasSubstr(R"("epoch":2)"),
                                   HasSubstr(R"("epoch":3)"), HasSubstr(R"("done")")));
}

TEST(JobRunnerTest, ToldToStopItSavesTheEpochItIsInAndLeaves) {
  RunnerFixture f;
  f.stop_in_epoch = 3;
  const std::string path = f.dir.File("c");
  ASSERT_TRUE(f.Run({{"objective", "fake"}, {"to_epoch", 9}, {"checkpoint_out", path}}).ok());
  EXPECT_THAT(f.lines, ElementsAre(HasSubstr(R"("epoch":1)"), HasSubstr(R"("epoch":2)"),
                                   HasSubstr(R"("epoch":3)"), R"({"checkpoint":{"epoch":3}})"));
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST(JobRunnerTest, ToldToStopItSavesNothingTwice) {
  RunnerFixture f;
  f.stop_in_epoch = 1;
  f.epoch_time = absl::Seconds(1);
  ASSERT_TRUE(f.Run({{"objective", "fake"},
                     {"to_epoch", 9},
                     {"checkpoint_out", f.dir.File("c")},
                     {"checkpoint_interval", 1}})
                  .ok());
  EXPECT_THAT(f.lines, ElementsAre(HasSubstr(R"("epoch":1)"), R"({"checkpoint":{"epoch":1}})"));
}

TEST(JobRunnerTest, ToldToStopInTheLastEpochItFinishesTheJob) {
  RunnerFixture f;
  f.stop_in_epoch = 2;
  ASSERT_TRUE(
      f.Run({{"objective", "fake"}, {"to_epoch", 2}, {"checkpoint_out", f.dir.File("c")}}).ok());
  EXPECT_THAT(f.lines, ElementsAre(HasSubstr(R"("epoch":1)"), HasSubstr(R"("epoch":2)"),
                                   R"({"checkpoint":{"epoch":2}})", HasSubstr("done")));
}

TEST(JobRunnerTest, ToldToStopBeforeTheFirstEpochItTrainsNothing) {
  RunnerFixture f;
  f.stop_wanted = true;
  const std::string path = f.dir.File("c");
  ASSERT_TRUE(f.Run({{"objective", "fake"}, {"to_epoch", 2}, {"checkpoint_out", path}}).ok());
  EXPECT_THAT(f.lines, ElementsAre());
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(JobRunnerTest, ToldToStopItFailsNothingWhenItCannotSave) {
  for (const bool disk : {true, false}) {
    RunnerFixture f({.state = disk ? absl::OkStatus() : absl::InternalError("device-side assert")});
    f.stop_in_epoch = 1;
    const std::string path = f.dir.File(disk ? "none/c" : "c");
    ASSERT_TRUE(f.Run({{"objective", "fake"}, {"to_epoch", 2}, {"checkpoint_out", path}}).ok());
    EXPECT_THAT(f.lines, ElementsAre(HasSubstr(R"("epoch":1)")));
  }
}

// A pipe in, and one that says stop.
struct LineReaderFixture {
  LineReaderFixture() {
    HV_CHECK(pipe(in) == 0 && pipe(stop) == 0);
    reader = std::make_unique<LineReader>(in[0], stop[0]);
  }
  ~LineReaderFixture() {
    for (const int fd : {in[0], in[1], stop[0], stop[1]}) {
      if (fd >= 0) close(fd);
    }
  }
  void Write(const std::string& text) {
    HV_CHECK(write(in[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  void CloseInput() { close(std::exchange(in[1], -1)); }
  void Stop() { HV_CHECK(write(stop[1], "x", 1) == 1); }
  std::string Read() { return reader->ReadLine().value().value_or("(none)"); }

  int in[2] = {-1, -1};
  int stop[2] = {-1, -1};
  std::unique_ptr<LineReader> reader;
};

TEST(LineReaderTest, GivesLinesHoweverTheyAreCut) {
  LineReaderFixture f;
  f.Write("one\n\ntwo");
  EXPECT_EQ(f.Read(), "one");
  EXPECT_EQ(f.Read(), "");
  f.Write(" and\nthree");
  EXPECT_EQ(f.Read(), "two and");
  f.CloseInput();
  EXPECT_EQ(f.Read(), "three") << "the last line needs no newline";
  EXPECT_EQ(f.Read(), "(none)");
  EXPECT_EQ(f.Read(), "(none)");
}

TEST(LineReaderTest, GivesLinesLongerThanItsReads) {
  LineReaderFixture f;
  const std::string whole(300'000, 'x');
  std::thread writer([&f, &whole] { f.Write(whole + "\n"); });
  EXPECT_TRUE(f.Read() == whole);
  writer.join();
}

TEST(LineReaderTest, AStopComesBeforeLinesThatWait) {
  LineReaderFixture f;
  f.Write("one\ntwo\n");
  EXPECT_EQ(f.Read(), "one");
  f.Stop();
  EXPECT_EQ(f.Read(), "(none)");
  EXPECT_EQ(f.Read(), "(none)");
}

TEST(LineReaderTest, AStopEndsTheWait) {
  LineReaderFixture f;
  f.Write("half a li");
  std::thread stopper([&f] { f.Stop(); });
  EXPECT_EQ(f.Read(), "(none)");
  stopper.join();
}

TEST(LineReaderTest, WhatCannotBeReadIsNamed) {
  LineReaderFixture f;
  const TempDir dir;
  const int folder = open(dir.path().c_str(), O_RDONLY | O_DIRECTORY);
  LineReader reader(folder, f.stop[0]);
  const auto line = reader.ReadLine();
  close(folder);
  EXPECT_TRUE(absl::IsUnavailable(line.status())) << line.status();
}

TEST(JobRunnerTest, StopsTrainingWhenNobodyListens) {
  RunnerFixture f;
  f.lines_taken = 1;
  const std::string path = f.dir.File("c.safetensors");
  EXPECT_TRUE(absl::IsUnavailable(
      f.Run({{"objective", "fake"}, {"to_epoch", 3}, {"checkpoint_out", path}})));
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(JobRunnerTest, ACheckpointThatCannotBeWrittenCostsTheNextRungAndNotTheResult) {
  RunnerFixture f;
  const std::string path = f.dir.File("none/c.safetensors");
  ASSERT_TRUE(f.Run({{"objective", "fake"}, {"to_epoch", 1}, {"checkpoint_out", path}}).ok());
  EXPECT_THAT(f.lines, ElementsAre(HasSubstr(R"("epoch":1)"), HasSubstr(R"("done")")));
}

struct BadCheckpointCase {
  std::string name;
  std::string content;  // Of the file; empty: there is none.
  std::string error;
};
class BadCheckpointTest : public testing::TestWithParam<BadCheckpointCase> {};

TEST_P(BadCheckpointTest, IsGivenBackAndNothingRuns) {
  const auto& [name, content, error] = GetParam();
  RunnerFixture f;
  const std::string path = f.dir.File("c.safetensors");
  if (!content.empty()) WriteTestFile(path, content);
  ASSERT_TRUE(
      f.Run({{"objective", "fake"}, {"from_epoch", 2}, {"to_epoch", 4}, {"checkpoint_in", path}})
          .ok());
  ASSERT_EQ(f.lines.size(), 1) << f.lines[0];
  const json failed = json::parse(f.lines[0])["failed"];
  EXPECT_TRUE(failed["retryable"]);
  EXPECT_TRUE(failed["unusable_checkpoint"]);
  EXPECT_THAT(failed["reason"].get<std::string>(), HasSubstr(error));
  EXPECT_THAT(failed["reason"].get<std::string>(), HasSubstr(path));
}

std::string CheckpointOf(const std::string& objective, int64_t epoch) {
  const TempDir dir;
  Job job;
  job.objective = objective;
  job.checkpoint_out = dir.File("c");
  Safetensors state;
  state.tensors["epochs"] = {.dtype = "U8", .shape = {1}, .data = "\x02"};
  const absl::Status written = WriteCheckpoint(job, epoch, state);
  return written.ok() ? ReadTestFile(job.checkpoint_out) : "";
}

// As CheckpointOf("fake", 2), changed and written again by one that knows the format.
std::string Changed(const std::function<void(Safetensors*)>& change) {
  Safetensors file = ParseSafetensors(CheckpointOf("fake", 2)).value();
  change(&file);
  return SerializeSafetensors(file);
}

INSTANTIATE_TEST_SUITE_P(
    , BadCheckpointTest,
    testing::ValuesIn(std::vector<BadCheckpointCase>{
        {"Missing", "", "No such file"},
        {"Rubbish", "rubbish, not a checkpoint", "not a safetensors file"},
        {"CutShort", CheckpointOf("fake", 2).substr(0, 60), "cut short"},
        {"OtherEpoch", CheckpointOf("fake", 3),
         "it stands at epoch \"3\"; the job's from_epoch is 2"},
        {"OtherObjective", CheckpointOf("mlp", 2), "it is of objective \"mlp\""},
        {"NotOurs", SerializeSafetensors({}), "halving_checkpoint"},
        {"OtherVersion", Changed([](Safetensors* s) { s->metadata["halving_checkpoint"] = "1"; }),
         "its metadata say halving_checkpoint \"1\"; this trainer reads \"2\""},
        {"WeightChanged", Changed([](Safetensors* s) { s->tensors["epochs"].data = "\x03"; }),
         "its content was changed after it was written"},
        {"WeightAdded",
         Changed([](Safetensors* s) { s->tensors["x"] = {.dtype = "U8", .shape = {0}}; }),
         "its content was changed after it was written"},
        {"DtypeChanged", Changed([](Safetensors* s) { s->tensors["epochs"].dtype = "I8"; }),
         "its content was changed after it was written"},
        {"MetadataChanged", Changed([](Safetensors* s) { s->metadata["architecture"] = "other"; }),
         "its content was changed after it was written"},
        {"NoDigest", Changed([](Safetensors* s) { s->metadata.erase("sha256"); }),
         "its metadata say sha256 \"\""},
    }),
    [](const auto& info) { return info.param.name; });

TEST(CheckpointTest, AnyChangedBitIsNoticed) {
  const TempDir dir;
  Job job;
  job.objective = "fake";
  job.from_epoch = 2;
  job.checkpoint_in = dir.File("c");
  const std::string whole = CheckpointOf("fake", 2);
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ (1 << at % 8));
    WriteTestFile(job.checkpoint_in, changed);
    const auto state = ReadCheckpoint(job);
    EXPECT_TRUE(absl::IsDataLoss(state.status())) << "byte " << at << ": " << state.status();
  }
}

TEST(CheckpointTest, OneThatFitsIsRead) {
  RunnerFixture f;
  Job job;
  job.objective = "fake";
  job.from_epoch = 2;
  job.checkpoint_in = f.dir.File("c");
  WriteTestFile(job.checkpoint_in, CheckpointOf("fake", 2));
  const auto state = ReadCheckpoint(job);
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_TRUE(state->has_value());
}

TEST(ShuffledIndicesTest, IsAPermutation) {
  std::vector<int64_t> indices = ShuffledIndices(1'000, 7, 1);
  std::sort(indices.begin(), indices.end());
  std::vector<int64_t> all(1'000);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(indices, all);
}

TEST(ShuffledIndicesTest, IsAFunctionOfSeedAndEpoch) {
  EXPECT_EQ(ShuffledIndices(100, 7, 1), ShuffledIndices(100, 7, 1));
  EXPECT_NE(ShuffledIndices(100, 7, 1), ShuffledIndices(100, 7, 2));
  EXPECT_NE(ShuffledIndices(100, 7, 1), ShuffledIndices(100, 8, 1));
}

// A change here changes every study that is run again with its seed.
TEST(ShuffledIndicesTest, IsTheSameInEveryRelease) {
  EXPECT_THAT(ShuffledIndices(8, 1, 1), ElementsAre(7, 1, 3, 4, 0, 2, 6, 5));
}

TEST(ShuffledIndicesTest, EveryPlaceIsEquallyLikely) {
  constexpr int kEpochs = 6'000;
  int at[6][6] = {};
  for (int epoch = 1; epoch <= kEpochs; ++epoch) {
    const std::vector<int64_t> indices = ShuffledIndices(6, 3, epoch);
    for (int place = 0; place < 6; ++place) ++at[place][indices[place]];
  }
  // 1,000 expected, with a standard deviation of 29.
  for (int place = 0; place < 6; ++place) {
    for (int index = 0; index < 6; ++index) {
      EXPECT_NEAR(at[place][index], 1'000, 150) << place << " " << index;
    }
  }
}

struct SplitCase {
  std::string name;
  ImageOptions options;
  int64_t batch_size;
  int64_t images;
  ImageSplit split;
  std::string error;  // Part of the message; empty: `split` is given.
};
class SplitTest : public testing::TestWithParam<SplitCase> {};

TEST_P(SplitTest, Split) {
  const auto& [name, options, batch_size, images, split, error] = GetParam();
  const absl::StatusOr<ImageSplit> result =
      SplitImages(options, {.learning_rate = 0.1, .batch_size = batch_size}, images);
  ASSERT_EQ(result.ok(), error.empty()) << result.status();
  if (result.ok()) {
    EXPECT_EQ(result->train_examples, split.train_examples);
    EXPECT_EQ(result->validation_examples, split.validation_examples);
  } else {
    EXPECT_TRUE(absl::IsInvalidArgument(result.status()));
    EXPECT_THAT(std::string(result.status().message()), HasSubstr(error));
  }
}

INSTANTIATE_TEST_SUITE_P(
    , SplitTest,
    testing::ValuesIn(std::vector<SplitCase>{
        {"Default", {}, 128, 60'000, {50'000, 10'000}, ""},
        {"DefaultSmall", {}, 1, 100, {83, 16}, ""},
        {"Given", {.train_examples = 10, .validation_examples = 90}, 10, 100, {10, 90}, ""},
        {"Overlap",
         {.train_examples = 11, .validation_examples = 90},
         1,
         100,
         {},
         "train_examples is 11 and options.validation_examples 90"},
        {"OverlapWithDefault",
         {.train_examples = 55'000},
         1,
         60'000,
         {},
         "together at most the 60000 images"},
        {"TooFewImages", {}, 1, 3, {}, "both must be at least 1"},
        {"Batch",
         {.train_examples = 10},
         11,
         60,
         {},
         "config.batch_size is 11; it must be at most 10"},
    }),
    [](const auto& info) { return info.param.name; });

struct SettingsCase {
  std::string name;
  json config;
  std::string error;  // Part of the message; empty: it is taken.
};
class SgdSettingsTest : public testing::TestWithParam<SettingsCase> {};

TEST_P(SgdSettingsTest, Read) {
  const auto& [name, config, error] = GetParam();
  FieldReader reader("config", config);
  ReadSgdSettings(&reader, std::nullopt);
  const absl::Status status = reader.Finish();
  ASSERT_EQ(status.ok(), error.empty()) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(error));
}

INSTANTIATE_TEST_SUITE_P(
    , SgdSettingsTest,
    testing::ValuesIn(std::vector<SettingsCase>{
        {"Least", json::parse(R"({"learning_rate":0.1,"batch_size":1})"), ""},
        {"All",
         json::parse(
             R"({"learning_rate":1,"batch_size":128,"momentum":0.9,"weight_decay":0.0001})"),
         ""},
        {"NoRate", json::parse(R"({"batch_size":1})"), "config.learning_rate is missing"},
        {"NoBatch", json::parse(R"({"learning_rate":1})"), "config.batch_size is missing"},
        {"RateZero", json::parse(R"({"learning_rate":0,"batch_size":1})"),
         "config.learning_rate is 0"},
        {"RateText", json::parse(R"({"learning_rate":"1","batch_size":1})"),
         "config.learning_rate is \"1\""},
        {"BatchZero", json::parse(R"({"learning_rate":1,"batch_size":0})"),
         "config.batch_size is 0"},
        {"BatchFraction", json::parse(R"({"learning_rate":1,"batch_size":1.5})"),
         "config.batch_size is 1.5"},
        {"MomentumOne", json::parse(R"({"learning_rate":1,"batch_size":1,"momentum":1})"),
         "config.momentum is 1"},
        {"MomentumBelow", json::parse(R"({"learning_rate":1,"batch_size":1,"momentum":-0.1})"),
         "config.momentum is -0.1"},
        {"DecayBelow", json::parse(R"({"learning_rate":1,"batch_size":1,"weight_decay":-1})"),
         "config.weight_decay is -1"},
        {"SmoothingAll", json::parse(R"({"learning_rate":1,"batch_size":1,"label_smoothing":1})"),
         "config.label_smoothing is 1"},
        {"SmoothingBelow",
         json::parse(R"({"learning_rate":1,"batch_size":1,"label_smoothing":-0.1})"),
         "config.label_smoothing is -0.1"},
        {"Constant", json::parse(R"({"learning_rate":1,"batch_size":1,"schedule":"constant"})"),
         ""},
        {"ScheduleUnknown",
         json::parse(R"({"learning_rate":1,"batch_size":1,"schedule":"linear"})"),
         "config.schedule is \"linear\"; it must be one of constant, cosine"},
        {"CosineWithoutAnEnd",
         json::parse(R"({"learning_rate":1,"batch_size":1,"schedule":"cosine"})"),
         "but the job has no max_epochs"},
        {"Unknown", json::parse(R"({"learning_rate":1,"batch_size":1,"lr":1})"),
         "config.lr is 1, but no such field is known"},
    }),
    [](const auto& info) { return info.param.name; });

TEST(LearningRateTest, IsConstantUnlessTold) {
  const SgdSettings sgd{.learning_rate = 0.3, .batch_size = 1};
  EXPECT_EQ(LearningRateAt(sgd, 0, 10), 0.3);
  EXPECT_EQ(LearningRateAt(sgd, 99, 10), 0.3);
}

TEST(LearningRateTest, CosineFallsToZeroOverAllEpochs) {
  const json config = json::parse(R"({"learning_rate":0.4,"batch_size":1,"schedule":"cosine"})");
  FieldReader reader("config", config);
  const SgdSettings sgd = ReadSgdSettings(&reader, /*max_epochs=*/8);
  ASSERT_TRUE(reader.Finish().ok()) << reader.Finish();
  EXPECT_EQ(LearningRateAt(sgd, 0, 10), 0.4);
  EXPECT_NEAR(LearningRateAt(sgd, 20, 10), 0.2 * (1 + std::sqrt(0.5)), 1e-12) << "a quarter";
  EXPECT_NEAR(LearningRateAt(sgd, 40, 10), 0.2, 1e-12) << "half";
  EXPECT_NEAR(LearningRateAt(sgd, 80, 10), 0, 1e-12) << "the end";
  for (int64_t step = 0; step < 80; ++step) {
    EXPECT_GT(LearningRateAt(sgd, step, 10), LearningRateAt(sgd, step + 1, 10)) << step;
  }
}

TEST(ImageOptionsTest, DatasetIsTheSystemsUnlessGiven) {
  const json none = json::object();
  FieldReader reader("options", none);
  EXPECT_EQ(ReadImageOptions(&reader).dataset, "/usr/share/datasets/fashion-mnist");
  EXPECT_TRUE(reader.Finish().ok());
}

}  // namespace
}  // namespace halving
