#include "worker/agent/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "tests/agent/test_util.h"

namespace halving {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class FlagsTest : public testing::Test {
 protected:
  // The exit status, or none.
  std::optional<int> Parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "halving-worker");
    return ParseFlags(static_cast<int>(arguments.size()), arguments.data(), &flags_);
  }

  HostFacts Facts() {
    return {.host = "box", .pid = 42, .cores = 8, .program = temp_.File("halving-worker")};
  }

  // As if the built-in trainer were installed.
  void InstallTrainer() {
    WriteFile(temp_.File("halving-trainer"), "#!/bin/sh\n");
    chmod(temp_.File("halving-trainer").c_str(), 0755);
  }

  TempDir temp_;
  Flags flags_;
};

TEST_F(FlagsTest, Defaults) {
  EXPECT_EQ(Parse({}), std::nullopt);
  InstallTrainer();
  const absl::StatusOr<Flags> flags = ResolveFlags(flags_, Facts());
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->server, "127.0.0.1:7070");
  EXPECT_EQ(flags->id, "box:cpu:42");
  EXPECT_EQ(flags->threads, 8);
  EXPECT_THAT(flags->objectives, ElementsAre("lenet", "mlp", "resnet8"));
  EXPECT_THAT(flags->trainer, HasSubstr("/halving-trainer'"));
  EXPECT_EQ(flags->trainer_timeout, absl::Minutes(30));
  EXPECT_EQ(flags->grace, absl::Seconds(25));
  EXPECT_EQ(flags->max_jobs, 0);
  EXPECT_EQ(flags->max_idle, absl::ZeroDuration());
}

TEST_F(FlagsTest, FromTheCommandLine) {
  EXPECT_EQ(
      Parse(
          {"--server",         "far:1",        "--id",         "me",  "--device",          "cuda:1",
           "--trainer",        "python3 t.py", "--objectives", "a,b", "--objectives",      "c",
           "--checkpoint-dir", "/c",           "--threads",    "3",   "--trainer-timeout", "1h30m",
           "--grace",          "90s",          "--max-jobs",   "5",   "--max-idle",        "10m",
           "--log-level",      "debug"}),
      std::nullopt);
  EXPECT_EQ(flags_.server, "far:1");
  EXPECT_EQ(flags_.id, "me");
  EXPECT_EQ(flags_.device, "cuda:1");
  EXPECT_EQ(flags_.trainer, "python3 t.py");
  EXPECT_THAT(flags_.objectives, ElementsAre("a", "b", "c"));
  EXPECT_EQ(flags_.checkpoint_dir, "/c");
  EXPECT_EQ(flags_.threads, 3);
  EXPECT_EQ(flags_.trainer_timeout, absl::Minutes(90));
  EXPECT_EQ(flags_.grace, absl::Seconds(90));
  EXPECT_EQ(flags_.max_jobs, 5);
  EXPECT_EQ(flags_.max_idle, absl::Minutes(10));
  EXPECT_EQ(flags_.log_level, "debug");
}

TEST_F(FlagsTest, CommandLineThenConfigFileThenEnvironment) {
  WriteFile(temp_.File("worker.toml"), "device = \"cuda:2\"\nobjectives = [\"x\", \"y\"]\n");
  setenv("HALVING_SERVER", "from-env:1", 1);
  setenv("HALVING_DEVICE", "cuda:7", 1);
  setenv("HALVING_GRACE", "7s", 1);
  const std::string config = temp_.File("worker.toml");
  EXPECT_EQ(Parse({"--config", config.c_str(), "--grace", "9s"}), std::nullopt);
  for (const char* name : {"HALVING_SERVER", "HALVING_DEVICE", "HALVING_GRACE"}) unsetenv(name);
  EXPECT_EQ(flags_.server, "from-env:1");
  EXPECT_EQ(flags_.device, "cuda:2");
  EXPECT_EQ(flags_.grace, absl::Seconds(9));
  EXPECT_THAT(flags_.objectives, ElementsAre("x", "y"));
}

TEST_F(FlagsTest, WhatIsWrongEndsWithTwo) {
  WriteFile(temp_.File("bad.toml"), "divice = \"cuda:2\"\n");
  const std::string bad = temp_.File("bad.toml");
  const std::string missing = temp_.File("missing.toml");
  EXPECT_EQ(Parse({"--config", bad.c_str()}), 2);
  EXPECT_EQ(Parse({"--config", missing.c_str()}), 2);
  EXPECT_EQ(Parse({"--no-such-flag"}), 2);
  EXPECT_EQ(Parse({"--grace", "5"}), 2) << "a number without its unit";
  EXPECT_EQ(Parse({"--grace", "-5s"}), 2);
  EXPECT_EQ(Parse({"--trainer-timeout", "inf"}), 2);
  EXPECT_EQ(Parse({"--device", "CUDA 1"}), 2);
  EXPECT_EQ(Parse({"--device", "cuda:"}), 2);
  EXPECT_EQ(Parse({"--threads", "0"}), 2);
  EXPECT_EQ(Parse({"--max-jobs", "-1"}), 2);
  EXPECT_EQ(Parse({"--max-idle", "-1s"}), 2);
  EXPECT_EQ(Parse({"--max-idle", "0"}), std::nullopt) << "no limit";
  EXPECT_EQ(Parse({"--log-level", "loud"}), 2);
  EXPECT_EQ(Parse({"--device", "auto:1"}), 2);
  EXPECT_EQ(Parse({"--help"}), 0);
  EXPECT_EQ(Parse({"--version"}), 0);
}

TEST_F(FlagsTest, ABareNumberIsAGpu) {
  EXPECT_EQ(Parse({"--device", "3"}), std::nullopt);
  EXPECT_EQ(flags_.device, "cuda:3");
  EXPECT_EQ(Parse({"--device", "cpu"}), std::nullopt);
  EXPECT_EQ(flags_.device, "cpu");
  EXPECT_EQ(Parse({"--device", "-1"}), 2);
  EXPECT_EQ(Parse({"--device", "12345"}), 2);
}

TEST_F(FlagsTest, DeviceNamesTheWorker) {
  flags_.trainer = "true";
  flags_.device = "cuda:3";
  EXPECT_EQ(ResolveFlags(flags_, Facts())->id, "box:cuda:3");
  flags_.device = "cuda";
  EXPECT_EQ(ResolveFlags(flags_, Facts())->id, "box:cuda:0");
  EXPECT_EQ(ResolveFlags(flags_, Facts())->device, "cuda:0");
}

TEST_F(FlagsTest, DeviceMayBeLeftToTheMachine) {
  EXPECT_EQ(Parse({"--device", "auto"}), std::nullopt);
  EXPECT_EQ(flags_.device, kAutoDevice);
  EXPECT_EQ(flags_.workers_on_host, 0) << "the supervisor counts them";
}

TEST_F(FlagsTest, CheckOfATrainer) {
  EXPECT_EQ(Parse({}), std::nullopt);
  EXPECT_FALSE(flags_.check.is_asked_for);
  setenv("HALVING_DEVICE", "cuda:7", 1);
  EXPECT_EQ(Parse({"check-trainer", "--trainer", "python3 t.py", "--objective", "o", "--config",
                   "{\"a\":1}", "--options", "{\"b\":2}", "--epochs", "3", "--threads", "4",
                   "--trainer-timeout", "9s"}),
            std::nullopt);
  unsetenv("HALVING_DEVICE");
  EXPECT_TRUE(flags_.check.is_asked_for);
  EXPECT_EQ(flags_.trainer, "python3 t.py");
  EXPECT_EQ(flags_.device, "cuda:7");
  EXPECT_EQ(flags_.threads, 4);
  EXPECT_EQ(flags_.trainer_timeout, absl::Seconds(9));
  EXPECT_EQ(flags_.check.objective, "o");
  EXPECT_EQ(flags_.check.config, "{\"a\":1}");
  EXPECT_EQ(flags_.check.options, "{\"b\":2}");
  EXPECT_EQ(flags_.check.epochs, 3);
  EXPECT_EQ(Parse({"check-trainer", "--epochs", "0"}), 2);
  EXPECT_EQ(Parse({"check-trainer", "--server", "x:1"}), 2) << "it needs none";
  EXPECT_EQ(Parse({"check-trainer", "--help"}), 0);
}

TEST_F(FlagsTest, WorkerIdsAreMadeSafe) {
  EXPECT_EQ(SafeWorkerId("a_B.9:-"), "a_B.9:-");
  EXPECT_EQ(SafeWorkerId("my box/\xC3\xA9"), "my-box---");
  EXPECT_EQ(SafeWorkerId(""), "-");
  EXPECT_EQ(SafeWorkerId(std::string(500, 'x')).size(), 128U);
}

TEST_F(FlagsTest, ThreadsAreSharedByTheWorkersOfAHost) {
  flags_.trainer = "true";
  flags_.workers_on_host = 3;
  EXPECT_EQ(ResolveFlags(flags_, Facts())->threads, 2);
  flags_.workers_on_host = 100;
  EXPECT_EQ(ResolveFlags(flags_, Facts())->threads, 1);
  flags_.threads = 5;
  EXPECT_THAT(TrainerEnvironment(*ResolveFlags(flags_, Facts()), {"", {"HALVING_DEVICE=cpu"}}),
              ElementsAre("HALVING_DEVICE=cpu", "HALVING_THREADS=5", "OMP_NUM_THREADS=5",
                          "OPENBLAS_NUM_THREADS=5"));
}

TEST_F(FlagsTest, OwnTrainerServesAnyObjective) {
  flags_.trainer = "python3 train.py";
  const absl::StatusOr<Flags> flags = ResolveFlags(flags_, Facts());
  ASSERT_TRUE(flags.ok());
  EXPECT_THAT(flags->objectives, IsEmpty());
  EXPECT_EQ(flags->trainer, "python3 train.py");
}

TEST_F(FlagsTest, MissingBuiltInTrainerIsSaid) {
  const absl::StatusOr<Flags> flags = ResolveFlags(flags_, Facts());
  ASSERT_FALSE(flags.ok());
  EXPECT_THAT(flags.status().ToString(), HasSubstr(temp_.File("halving-trainer")));
  EXPECT_THAT(flags.status().ToString(), HasSubstr("--trainer"));
}

}  // namespace
}  // namespace halving
