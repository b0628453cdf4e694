// The program itself, through pipes, as a worker runs it.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/temp_dir.h"
#include "tests/trainer/test_images.h"
#include "worker/trainer/line_writer.h"

namespace halving {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

// A running trainer. ctest's time limit is the deadline of every wait. Thread-compatible.
class TrainerProcess {
 public:
  explicit TrainerProcess(std::vector<std::string> flags) {
    int in[2];
    int out[2];
    HV_CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    flags.insert(flags.begin(), HALVING_TRAINER_PROGRAM);
    std::vector<char*> argv;
    argv.reserve(flags.size() + 1);
    for (std::string& flag : flags) argv.push_back(flag.data());
    argv.push_back(nullptr);
    HV_CHECK(posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ) == 0) << argv[0];
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    in_ = in[1];
    out_ = fdopen(out[0], "r");
  }
  ~TrainerProcess() {
    CloseInput();
    fclose(out_);
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      Wait();
    }
  }

  void Send(const std::string& line) {
    const std::string whole = line + "\n";
    HV_CHECK(write(in_, whole.data(), whole.size()) == static_cast<ssize_t>(whole.size()));
  }
  void CloseInput() {
    if (in_ >= 0) close(in_);
    in_ = -1;
  }
  // The next line without its newline; empty at the end.
  std::string ReadLine() {
    std::string line;
    for (int c = fgetc(out_); c != EOF && c != '\n'; c = fgetc(out_)) {
      line.push_back(static_cast<char>(c));
    }
    return line;
  }
  std::vector<std::string> ReadLines() {
    std::vector<std::string> lines;
    for (std::string line = ReadLine(); !line.empty(); line = ReadLine()) lines.push_back(line);
    return lines;
  }
  void Kill(int signal) { kill(pid_, signal); }
  // As waitpid() gives it.
  int Wait() {
    int status = 0;
    HV_CHECK(waitpid(pid_, &status, 0) == pid_);
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_ = -1;
  int in_ = -1;
  FILE* out_ = nullptr;
};

class TrainerProcessTest : public testing::Test {
 protected:
  TrainerProcessTest() { WriteTestImages(dir_.path(), 600, 100); }

  json Job(int from_epoch, int to_epoch) const {
    json job = {{"study", "s"},
                {"trial_id", 7},
                {"objective", "lenet"},
                {"options", {{"dataset", dir_.path()}, {"activation", "relu"}}},
                {"config", {{"learning_rate", 0.05}, {"batch_size", 32}, {"momentum", 0.9}}},
                {"from_epoch", from_epoch},
                {"to_epoch", to_epoch},
                {"seed", 123}};
    return job;
  }

  // What one process of its own says to one job, line by line.
  static std::vector<std::string> RunAlone(const json& job, int threads) {
    TrainerProcess trainer({"--device", "cpu", "--threads", absl::StrCat(threads)});
    trainer.Send(json({{"job", job}}).dump());
    trainer.CloseInput();
    std::vector<std::string> lines = trainer.ReadLines();
    EXPECT_EQ(trainer.Wait(), 0);
    return lines;
  }

  TempDir dir_;
};

TEST_F(TrainerProcessTest, AnswersInLinesUntilItsInputEnds) {
  TrainerProcess trainer({"--threads", "1"});
  trainer.Send("no job at all");
  EXPECT_THAT(trainer.ReadLine(), StartsWith(R"({"failed":{"reason":"this line is no job)"));
  for (int i = 0; i < 2; ++i) {
    trainer.Send(json({{"job", Job(0, 1)}}).dump());
    EXPECT_THAT(trainer.ReadLine(), StartsWith(R"({"epoch":1,"error":)"));
    const json done = json::parse(trainer.ReadLine());
    EXPECT_TRUE(done["done"]["error"].is_number()) << done;
    EXPECT_TRUE(done["done"]["metrics"]["test_error"].is_number()) << done;
  }
  trainer.CloseInput();
  EXPECT_THAT(trainer.ReadLines(), ElementsAre());
  EXPECT_EQ(trainer.Wait(), 0);
}

// Four epochs in one process, or two and two more in another that knows the file only.
class ResumeTest : public TrainerProcessTest, public testing::WithParamInterface<int> {};

TEST_P(ResumeTest, EndsInTheSameBits) {
  json straight = Job(0, 4);
  straight["checkpoint_out"] = dir_.File("straight");
  const std::vector<std::string> whole = RunAlone(straight, GetParam());
  ASSERT_THAT(whole, SizeIs(6));

  json first = Job(0, 2);
  first["checkpoint_out"] = dir_.File("half");
  const std::vector<std::string> half = RunAlone(first, GetParam());
  ASSERT_THAT(half, SizeIs(4));
  json second = Job(2, 4);
  second["checkpoint_in"] = dir_.File("half");
  second["checkpoint_out"] = dir_.File("resumed");
  const std::vector<std::string> rest = RunAlone(second, GetParam());
  ASSERT_THAT(rest, SizeIs(4));

  EXPECT_THAT(rest, ElementsAre(whole[2], whole[3], whole[4], whole[5]));
  EXPECT_TRUE(ReadTestFile(dir_.File("resumed")) == ReadTestFile(dir_.File("straight")));
  EXPECT_FALSE(ReadTestFile(dir_.File("half")) == ReadTestFile(dir_.File("straight")));
}

INSTANTIATE_TEST_SUITE_P(Threads, ResumeTest, testing::Values(1, 2));

TEST_F(TrainerProcessTest, AChangedCheckpointIsGivenBack) {
  json first = Job(0, 1);
  const std::string path = dir_.File("c");
  first["checkpoint_out"] = path;
  RunAlone(first, 1);
  const std::string whole = ReadTestFile(path);
  json second = Job(1, 2);
  second["checkpoint_in"] = path;
  // In the header, and in the last of the weights.
  for (const size_t at : {size_t{8}, whole.size() - 1}) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    WriteTestFile(path, bytes);
    const std::vector<std::string> lines = RunAlone(second, 1);
    ASSERT_THAT(lines, SizeIs(1)) << at;
    EXPECT_THAT(lines[0], HasSubstr(R"("retryable":true,"unusable_checkpoint":true)")) << at;
  }
}

TEST_F(TrainerProcessTest, WritesCheckpointsOnTheWay) {
  json job = Job(0, 3);
  job["checkpoint_out"] = dir_.File("c");
  job["checkpoint_interval"] = 1e-6;  // Below what an epoch takes: after each.
  EXPECT_THAT(RunAlone(job, 1),
              ElementsAre(StartsWith(R"({"epoch":1,)"), R"({"checkpoint":{"epoch":1}})",
                          StartsWith(R"({"epoch":2,)"), R"({"checkpoint":{"epoch":2}})",
                          StartsWith(R"({"epoch":3,)"), R"({"checkpoint":{"epoch":3}})",
                          StartsWith(R"({"done":)")));
}

TEST_F(TrainerProcessTest, SigtermEndsTheWaitForAJob) {
  TrainerProcess trainer({"--threads", "1"});
  trainer.Send("no job at all");
  trainer.ReadLine();  // It serves.
  trainer.Kill(SIGTERM);
  EXPECT_EQ(trainer.Wait(), 0);
  EXPECT_THAT(trainer.ReadLines(), ElementsAre());
}

// A worker that leaves in the middle of a job, and another that takes it over.
class InterruptTest : public TrainerProcessTest,
                      public testing::WithParamInterface<std::pair<std::string, json>> {
 protected:
  // As long as the test needs it, and the same schedule however long that is.
  json Job(int from_epoch, int to_epoch) const {
    json job = TrainerProcessTest::Job(from_epoch, to_epoch);
    job["objective"] = GetParam().first;
    job["options"] = {{"dataset", dir_.path()}, {"train_examples", 200}};
    job["config"].update(GetParam().second);
    job["max_epochs"] = kMaxEpochs;
    return job;
  }

  static constexpr int kMaxEpochs = 1'000'000;
};

TEST_P(InterruptTest, WhatWasTrainedIsSavedAndGoesOnInTheSameBits) {
  json interrupted = Job(0, kMaxEpochs);
  interrupted["checkpoint_out"] = dir_.File("interrupted");
  TrainerProcess trainer({"--threads", "1"});
  trainer.Send(json({{"job", interrupted}}).dump());
  // Were lines kept in a buffer, this would wait until the limit.
  std::vector<std::string> lines = {trainer.ReadLine()};
  ASSERT_THAT(lines[0], StartsWith(R"({"epoch":1,)"));
  trainer.Kill(SIGTERM);
  for (std::string& line : trainer.ReadLines()) lines.push_back(std::move(line));
  EXPECT_EQ(trainer.Wait(), 0);
  // One line for each epoch, then the checkpoint's, and no `done`.
  const auto epochs = static_cast<int>(lines.size()) - 1;
  ASSERT_EQ(lines.back(), absl::StrCat(R"({"checkpoint":{"epoch":)", epochs, "}}"));

  json rest = Job(epochs, epochs + 2);
  rest["checkpoint_in"] = dir_.File("interrupted");
  rest["checkpoint_out"] = dir_.File("resumed");
  lines.pop_back();
  for (std::string& line : RunAlone(rest, 1)) lines.push_back(std::move(line));

  json straight = Job(0, epochs + 2);
  straight["checkpoint_out"] = dir_.File("straight");
  EXPECT_EQ(RunAlone(straight, 1), lines);
  EXPECT_TRUE(ReadTestFile(dir_.File("resumed")) == ReadTestFile(dir_.File("straight")));
}

INSTANTIATE_TEST_SUITE_P(
    , InterruptTest,
    testing::Values(std::pair<std::string, json>{"lenet", json::object()},
                    std::pair<std::string, json>{"mlp", {{"dropout", 0.2}, {"hidden_units", 32}}},
                    std::pair<std::string, json>{
                        "resnet8", {{"width", 2}, {"augment", true}, {"schedule", "cosine"}}}),
    [](const auto& info) { return info.param.first; });

TEST_F(TrainerProcessTest, ADeviceItDoesNotKnowEndsItBeforeAnyJob) {
  TrainerProcess trainer({"--device", "tpu"});
  trainer.CloseInput();
  EXPECT_THAT(trainer.ReadLines(), ElementsAre());
  const int status = trainer.Wait();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1) << status;
}

TEST_F(TrainerProcessTest, SaysItsVersion) {
  TrainerProcess trainer({"--version"});
  EXPECT_THAT(trainer.ReadLine(), testing::MatchesRegex("halving-trainer [0-9.]+, LibTorch .*"));
  EXPECT_EQ(trainer.Wait(), 0);
}

// What a library prints must not end up between the lines.
TEST(LineWriterTest, OnlyItsOwnLinesReachStandardOutput) {
  int out[2];
  int err[2];
  ASSERT_EQ(pipe(out), 0);
  ASSERT_EQ(pipe(err), 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(out[1], STDOUT_FILENO);
    dup2(err[1], STDERR_FILENO);
    absl::StatusOr<LineWriter> writer = LineWriter::TakeStandardOutput();
    std::printf("a notice\n");
    std::fflush(stdout);
    const bool written = writer.ok() && writer->Write("{\"epoch\":1}").ok();
    _exit(written ? 0 : 1);
  }
  close(out[1]);
  close(err[1]);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  char text[100] = {};
  EXPECT_EQ(read(out[0], text, sizeof(text) - 1), 12);
  EXPECT_STREQ(text, "{\"epoch\":1}\n");
  char notice[100] = {};
  EXPECT_EQ(read(err[0], notice, sizeof(notice) - 1), 9);
  EXPECT_STREQ(notice, "a notice\n");
  close(out[0]);
  close(err[0]);
}

}  // namespace
}  // namespace halving
