// Supervisor by itself, over small programs; and halving-worker --device auto, which uses it.
#include "worker/agent/supervisor.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"
#include "tests/agent/agent_fixture.h"

namespace halving {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(SupervisedArgumentsTest, NameTheDeviceOnce) {
  const std::vector<std::string> given = {"worker",     "--device", "auto",         "--id=w",
                                          "--max-jobs", "2",        "--device=auto"};
  EXPECT_THAT(SupervisedArguments(given, "cuda:1", "w", false, 4),
              ElementsAre("worker", "--max-jobs", "2", "--device", "cuda:1", "--supervised",
                          "--workers-on-host", "4", "--id", "w:cuda:1"));
  EXPECT_THAT(
      SupervisedArguments({"worker", "--workers-on-host", "8"}, "cuda:0", "", true, 4),
      ElementsAre("worker", "--workers-on-host", "8", "--device", "cuda:0", "--supervised"));
}

// The supervisor takes the signals of its process, so it gets one of its own: each case runs in a
// child, whose exit status is Run()'s.
class SupervisorTest : public testing::Test {
 protected:
  // A Python program; stdin, PATH and all as ours. `signal` and `os` are imported.
  Supervisor::Program Python(const std::string& name, const std::string& program) {
    return {name, {"/usr/bin/env", "python3", "-c", absl::StrCat("import os, signal\n", program)}};
  }

  int RunForked(const std::vector<Supervisor::Program>& programs) {
    const pid_t pid = fork();
    if (pid == 0) {
      Supervisor supervisor({.programs = programs,
                             .first_wait = absl::Milliseconds(1),
                             .max_wait = absl::Milliseconds(10)});
      _exit(supervisor.Run());
    }
    int status = 0;
    if (!Eventually([&] { return waitpid(pid, &status, WNOHANG) == pid; })) {
      kill(pid, SIGKILL);
      waitpid(pid, &status, 0);
      ADD_FAILURE() << "it does not end";
    }
    return WEXITSTATUS(status);
  }

  // Appends a line to a file of the test.
  std::string Note(const std::string& file, const std::string& expression) {
    return absl::StrCat("open('", temp_.File(file), "', 'a').write(str(", expression,
                        ") + chr(10))\n");
  }
  std::vector<std::string> Notes(const std::string& file) {
    return absl::StrSplit(ReadFile(temp_.File(file)), '\n', absl::SkipEmpty());
  }

  TempDir temp_;
};

TEST_F(SupervisorTest, EndsWithTheWorstStatusOnceAllHaveEnded) {
  EXPECT_EQ(RunForked({Python("a", "os._exit(0)"), Python("b", "os._exit(2)"),
                       Python("c", "os._exit(1)")}),
            2);
}

TEST_F(SupervisorTest, OneThatExitsIsNotStartedAgain) {
  EXPECT_EQ(RunForked({Python("a", Note("starts", "1") + "os._exit(3)")}), 3);
  EXPECT_THAT(Notes("starts"), ElementsAre("1"));
}

TEST_F(SupervisorTest, OneThatIsKilledIs) {
  const std::string program =
      absl::StrCat(Note("starts", "os.getpid()"), "if len(open('", temp_.File("starts"),
                   "').readlines()) < 4: os.kill(os.getpid(), signal.SIGKILL)\nos._exit(0)");
  EXPECT_EQ(RunForked({Python("a", program)}), 0);
  const std::vector<std::string> pids = Notes("starts");
  EXPECT_EQ(pids.size(), 4U);
  EXPECT_EQ(std::set<std::string>(pids.begin(), pids.end()).size(), 4U);
}

TEST_F(SupervisorTest, SignalsArePassedOnToEachAndNothingIsStartedAfter) {
  // Each tells of the signal it got. The last one to come up sends it.
  const std::string wait_and_tell =
      absl::StrCat("got = signal.sigwait({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})\n",
                   Note("got", "int(got)"));
  const std::string up = Note("up", "1");
  const std::string send_if_last =
      absl::StrCat("if len(open('", temp_.File("up"),
                   "').readlines()) == 2: os.kill(os.getppid(), ", "signal.SIGTERM)\n");
  EXPECT_EQ(RunForked({Python("a", up + send_if_last + wait_and_tell + "os._exit(0)"),
                       Python("b", up + send_if_last + wait_and_tell +
                                       "os.kill(os.getpid(), signal.SIGKILL)")}),
            128 + SIGKILL);
  EXPECT_THAT(Notes("got"), ElementsAre("15", "15"));
  EXPECT_THAT(Notes("up"), ElementsAre("1", "1"));
}

TEST_F(SupervisorTest, EachRunsInAGroupOfItsOwn) {
  EXPECT_EQ(RunForked({Python("a", "os._exit(0 if os.getpgrp() == os.getpid() else 9)")}), 0);
}

TEST_F(SupervisorTest, WhatCannotBeStartedIsTriedUntilToldToLeave) {
  EXPECT_EQ(RunForked({{"a", {"/no/such/program"}},
                       Python("b", "os.kill(os.getppid(), signal.SIGTERM)\nos._exit(0)")}),
            0);
}

// halving-worker as people start it, on a machine whose nvidia-smi says what a test wants.
class AutoDeviceTest : public testing::Test {
 protected:
  ~AutoDeviceTest() override {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }

  void PutNvidiaSmi(const std::string& script) {
    std::filesystem::create_directory(temp_.File("path"));
    WriteFile(temp_.File("path/nvidia-smi"), absl::StrCat("#!/bin/sh\n", script));
    chmod(temp_.File("path/nvidia-smi").c_str(), 0755);
  }
  void PutTwoGpus() { PutNvidiaSmi("echo '0, GPU-a, T4'; echo '1, GPU-b, H100'"); }

  void Start(std::vector<std::string> flags, std::vector<std::string> environment = {}) {
    flags.insert(flags.begin(), {HALVING_WORKER, "--server", server_.address(), "--checkpoint-dir",
                                 temp_.File("ckpt"), "--trainer", FAKE_TRAINER});
    environment.push_back(absl::StrCat("PATH=", temp_.File("path"), ":/usr/bin:/bin"));
    const auto pointers = [](std::vector<std::string>& strings) {
      std::vector<char*> all;
      all.reserve(strings.size() + 1);
      for (std::string& string : strings) all.push_back(string.data());
      all.push_back(nullptr);
      return all;
    };
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, temp_.File("stderr").c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0644);
    const int error = posix_spawn(&pid_, HALVING_WORKER, &actions, nullptr, pointers(flags).data(),
                                  pointers(environment).data());
    posix_spawn_file_actions_destroy(&actions);
    ASSERT_EQ(error, 0);
  }

  int Wait() {
    int status = 0;
    if (!Eventually([&] { return waitpid(pid_, &status, WNOHANG) == pid_; })) return 1000;
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }

  std::string Stderr() const { return ReadFile(temp_.File("stderr")); }

  // "id on device" of each worker that has asked.
  std::set<std::string> Workers() {
    std::set<std::string> workers;
    for (const v1::SuggestRequest& ask : server_.asks()) {
      workers.insert(absl::StrCat(ask.worker_id(), " on ", ask.device()));
    }
    return workers;
  }
  bool WorkersAre(const std::set<std::string>& expected) {
    return Eventually([&] { return Workers() == expected; });
  }

  // The worker processes that say they are supervised by ours.
  std::vector<pid_t> SupervisedProcesses() const {
    std::vector<pid_t> pids;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string name = entry.path().filename();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      const std::string command = ReadFile(entry.path() / "cmdline");
      if (command.find(kSupervisedFlag) != std::string::npos &&
          command.find(temp_.File("ckpt")) != std::string::npos) {
        pids.push_back(std::stoi(name));
      }
    }
    return pids;
  }

  TempDir temp_;
  FakeServer server_;
  pid_t pid_ = 0;
};

TEST_F(AutoDeviceTest, AWorkerForEachGpuUntilTheSignal) {
  PutTwoGpus();
  Start({"--device", "auto", "--id", "w"});
  EXPECT_TRUE(WorkersAre({"w:cuda:0 on cuda:0 T4", "w:cuda:1 on cuda:1 H100"})) << Stderr();
  kill(pid_, SIGTERM);
  EXPECT_EQ(Wait(), 0) << Stderr();
  EXPECT_THAT(SupervisedProcesses(), ElementsAre());
}

TEST_F(AutoDeviceTest, EachTrainsOnItsGpuAndSharesTheCores) {
  PutTwoGpus();
  server_.Add(MakeScripted(1, {Step("save", temp_.File("saved")), PrintDone()}));
  Start({"--max-jobs", "1", "--threads", "3"}, {"HALVING_DEVICE=auto", "CUDA_VISIBLE_DEVICES=1"});
  EXPECT_EQ(Wait(), 0) << Stderr();
  const json saved = json::parse(ReadFile(temp_.File("saved")));
  EXPECT_EQ(saved.at("device"), "cuda:0");
  EXPECT_EQ(saved.at("cuda_visible_devices"), "GPU-b");
  EXPECT_EQ(saved.at("threads"), "3");
  ASSERT_FALSE(server_.asks().empty());
  EXPECT_EQ(server_.asks()[0].device(), "cuda:0 H100") << "the only one that is visible";
}

TEST_F(AutoDeviceTest, KilledWorkerComesBackAndTheOtherOneStays) {
  PutTwoGpus();
  Start({"--device=auto", "--id", "w"});
  ASSERT_TRUE(WorkersAre({"w:cuda:0 on cuda:0 T4", "w:cuda:1 on cuda:1 H100"})) << Stderr();
  const std::vector<pid_t> before = SupervisedProcesses();
  ASSERT_EQ(before.size(), 2U);
  kill(before[0], SIGKILL);
  EXPECT_TRUE(Eventually([&] {
    const std::vector<pid_t> now = SupervisedProcesses();
    return now.size() == 2 && now != before;
  })) << Stderr();
  EXPECT_FALSE(IsGone(before[1]));
  kill(pid_, SIGTERM);
  EXPECT_EQ(Wait(), 0) << Stderr();
}

TEST_F(AutoDeviceTest, WorkersLeaveWhenTheirSupervisorIsKilled) {
  PutTwoGpus();
  Start({"--device", "auto", "--id", "w"});
  ASSERT_TRUE(WorkersAre({"w:cuda:0 on cuda:0 T4", "w:cuda:1 on cuda:1 H100"})) << Stderr();
  kill(pid_, SIGKILL);
  EXPECT_EQ(Wait(), 1000 + SIGKILL);
  EXPECT_TRUE(Eventually([&] { return SupervisedProcesses().empty(); })) << Stderr();
  EXPECT_THAT(Stderr(), HasSubstr("the supervisor of this worker has died"));
}

TEST_F(AutoDeviceTest, WithoutAGpuItIsTheCpu) {
  for (const char* script : {"exit 9", "echo 'No devices were found'"}) {
    PutNvidiaSmi(script);
    server_.Add(MakeScripted(1, {PrintDone()}));
    Start({"--device", "auto", "--max-jobs", "1"});
    EXPECT_EQ(Wait(), 0) << Stderr();
    EXPECT_EQ(server_.asks().back().device(), "cpu") << script;
  }
  EXPECT_THAT(Stderr(), AllOf(HasSubstr("training on the CPU"), HasSubstr("status 9")));
}

TEST_F(AutoDeviceTest, GpuThatIsNotThereIsAnErrorOfTheFlags) {
  PutTwoGpus();
  Start({"--device", "cuda:2"});
  EXPECT_EQ(Wait(), 2);
  EXPECT_THAT(Stderr(), AllOf(HasSubstr("\"cuda:2\""), HasSubstr("cuda:1 H100")));
}

TEST_F(AutoDeviceTest, SupervisedModeIsNotForPeople) {
  Start({"--supervised"});
  EXPECT_EQ(Wait(), 2);
  EXPECT_THAT(Stderr(), HasSubstr("--device cuda:N"));
}

}  // namespace
}  // namespace halving
