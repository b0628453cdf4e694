#include "worker/agent/trainer_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/agent/test_util.h"
#include "worker/agent/trainer.h"

namespace halving {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class TrainerProcessTest : public testing::Test {
 protected:
  TrainerProcessTest() { signal(SIGPIPE, SIG_IGN); }

  std::unique_ptr<TrainerProcess> Start(const std::string& command) {
    absl::StatusOr<std::unique_ptr<TrainerProcess>> process =
        TrainerProcess::Start({.guard = HALVING_WORKER,
                               .command = command,
                               .environment = {"HALVING_TEST=from the test"}});
    if (!process.ok()) ADD_FAILURE() << process.status();
    return *std::move(process);
  }

  // All lines until it ends, and how it ended.
  std::vector<std::string> Output(TrainerProcess* process) {
    std::vector<std::string> output;
    for (;;) {
      const TrainerEvent event = process->Next(kTestTimeout, {});
      if (const auto* line = std::get_if<OutputLine>(&event)) {
        output.push_back(line->too_long ? "(too long)" : line->text);
        continue;
      }
      const auto* exit = std::get_if<TrainerExit>(&event);
      output.push_back(exit != nullptr ? exit->Describe() : "(neither line nor exit)");
      return output;
    }
  }

  std::string NextLine(TrainerProcess* process) {
    const TrainerEvent event = process->Next(kTestTimeout, {});
    const auto* line = std::get_if<OutputLine>(&event);
    return line != nullptr ? line->text : "(no line)";
  }

  TempDir dir_;
};

TEST_F(TrainerProcessTest, LinesThenStatus) {
  EXPECT_THAT(Output(Start("echo a; echo $HALVING_TEST; printf end; exit 3").get()),
              ElementsAre("a", "from the test", "end", "exited with status 3"));
}

TEST_F(TrainerProcessTest, DeathBySignalIsNamed) {
  EXPECT_THAT(Output(Start("kill -SEGV $$").get()),
              ElementsAre("was killed by signal 11 (SIGSEGV)"));
  EXPECT_THAT(Output(Start("kill -KILL $$").get()),
              ElementsAre("was killed by signal 9 (SIGKILL)"));
}

TEST_F(TrainerProcessTest, DeathBySignalBelowAShellIsNamedToo) {
  EXPECT_THAT(Output(Start("sh -c 'kill -KILL $$'; exit $?").get()),
              ElementsAre("exited with status 137 (how a shell says: killed by SIGKILL)"));
}

TEST_F(TrainerProcessTest, CommandThatIsNotThere) {
  const auto process = Start("exec /no/such/trainer --flag");
  EXPECT_THAT(Output(process.get()), ElementsAre("exited with status 127"));
  EXPECT_THAT(process->StderrTail(), HasSubstr("/no/such/trainer"));
}

TEST_F(TrainerProcessTest, LinesGoInAndOut) {
  const auto process = Start("while read -r line; do echo \"got $line\"; done");
  process->Send("one");
  EXPECT_EQ(NextLine(process.get()), "got one");
  process->Send("two");
  EXPECT_EQ(NextLine(process.get()), "got two");
  process->CloseAndStop(kTestTimeout, absl::ZeroDuration());
  EXPECT_THAT(Output(process.get()), ElementsAre("exited with status 0"));
}

TEST_F(TrainerProcessTest, LineLargerThanAPipeGoesInWhileItPrints) {
  const auto process = Start("yes noise | head -c 1000000; read -r line; echo; echo ${#line}");
  process->Send(std::string(1'000'000, 'x'));
  const std::vector<std::string> output = Output(process.get());
  EXPECT_EQ(output.back(), "exited with status 0");
  EXPECT_EQ(output[output.size() - 2], "1000000");
}

TEST_F(TrainerProcessTest, WritingToOneThatReadsNothingIsNoHarm) {
  const auto process = Start("exec <&-; echo closed; exit 0");
  EXPECT_EQ(NextLine(process.get()), "closed");
  process->Send(std::string(1'000'000, 'x'));
  EXPECT_THAT(Output(process.get()), ElementsAre("exited with status 0"));
}

TEST_F(TrainerProcessTest, HugeLineIsCut) {
  EXPECT_THAT(Output(Start("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo after").get()),
              ElementsAre("(too long)", "after", "exited with status 0"));
}

TEST_F(TrainerProcessTest, StderrKeepsItsEnd) {
  const auto process = Start("seq 1 1000 >&2; printf 'the end \\377' >&2");
  EXPECT_THAT(Output(process.get()), ElementsAre("exited with status 0"));
  const std::string tail = process->StderrTail();
  EXPECT_THAT(tail, AllOf(HasSubstr("952\n"), HasSubstr("\n1000\nthe end \xEF\xBF\xBD")));
  EXPECT_THAT(tail, Not(HasSubstr("951"))) << "50 lines at most";
}

TEST_F(TrainerProcessTest, StderrIsBoundedInBytes) {
  const auto process = Start(
      "for i in 1 2 3 4 5 6; do head -c 3000 /dev/zero | tr '\\0' $i >&2; "
      "echo >&2; done");
  EXPECT_THAT(Output(process.get()), ElementsAre("exited with status 0"));
  EXPECT_LE(process->StderrTail().size(), 8192U + 3);
  EXPECT_THAT(process->StderrTail(), HasSubstr("6666"));
}

TEST_F(TrainerProcessTest, SilenceIsNoticedAndAnyOutputBreaksIt) {
  const auto quiet = Start("exec sleep 1000");
  EXPECT_TRUE(std::holds_alternative<TrainerSilent>(quiet->Next(absl::Milliseconds(50), {})));
  const auto noisy = Start("while sleep 0.05; do printf . >&2; done");
  WakeEvent wake;
  std::thread waker([&wake] { wake.WaitFor(absl::Milliseconds(600)), wake.Set(); });
  const WakeEvent* const wakes[] = {&wake};
  EXPECT_TRUE(std::holds_alternative<TrainerWoken>(noisy->Next(absl::Milliseconds(500), wakes)));
  waker.join();
}

TEST_F(TrainerProcessTest, WakesWhileWaiting) {
  const auto process = Start("exec sleep 1000");
  WakeEvent wake;
  std::thread waker([&wake] { wake.Set(); });
  const WakeEvent* const wakes[] = {&wake};
  EXPECT_TRUE(std::holds_alternative<TrainerWoken>(process->Next(kTestTimeout, wakes)));
  waker.join();
}

TEST_F(TrainerProcessTest, StopReachesGrandchildren) {
  const auto process = Start(absl::StrCat("sh -c 'echo $$ > ", dir_.File("pid"),
                                          "; echo ready; while :; do sleep 0.05; done'; true"));
  EXPECT_EQ(NextLine(process.get()), "ready");
  const pid_t grandchild = ReadPid(dir_.File("pid"));
  ASSERT_GT(grandchild, 0);
  process->Stop(kTestTimeout);
  EXPECT_TRUE(IsGoneSoon(grandchild));
  EXPECT_THAT(Output(process.get()), ElementsAre("was killed by signal 15 (SIGTERM)"));
}

TEST_F(TrainerProcessTest, GrandchildHasTheGraceToo) {
  // The shell dies of SIGTERM at once; the program under it has something left to do.
  const auto process =
      Start(absl::StrCat("sh -c 'trap \"sleep 0.2; echo saved > ", dir_.File("saved"),
                         "; exit\" TERM; echo ready; while :; do sleep 0.05; done'; true"));
  EXPECT_EQ(NextLine(process.get()), "ready");
  process->Stop(kTestTimeout);
  EXPECT_EQ(ReadFile(dir_.File("saved")), "saved\n");
}

TEST_F(TrainerProcessTest, StubbornGroupIsKilledAfterTheGrace) {
  const auto process = Start(absl::StrCat("trap '' TERM; echo $$ > ", dir_.File("pid"),
                                          "; echo ready; while :; do sleep 0.05; done"));
  EXPECT_EQ(NextLine(process.get()), "ready");
  const pid_t shell = ReadPid(dir_.File("pid"));
  ASSERT_GT(shell, 0);
  process->Stop(absl::Milliseconds(100));
  EXPECT_TRUE(IsGoneSoon(shell));
  EXPECT_THAT(Output(process.get()), ElementsAre("was killed by signal 9 (SIGKILL)"));
}

TEST_F(TrainerProcessTest, WhatItLeavesRunningDiesWithIt) {
  const auto process = Start(absl::StrCat("sh -c 'echo $$ > ", dir_.File("pid"),
                                          "; exec sleep 1000' & while [ ! -s ", dir_.File("pid"),
                                          " ]; do sleep 0.01; done; echo bye"));
  EXPECT_THAT(Output(process.get()), ElementsAre("bye", "exited with status 0"));
  const pid_t left = ReadPid(dir_.File("pid"));
  ASSERT_GT(left, 0);
  EXPECT_TRUE(IsGoneSoon(left));
}

TEST_F(TrainerProcessTest, DestructionKills) {
  auto process = Start(absl::StrCat("echo $$ > ", dir_.File("pid"),
                                    "; echo ready; "
                                    "while :; do sleep 0.05; done"));
  EXPECT_EQ(NextLine(process.get()), "ready");
  const pid_t shell = ReadPid(dir_.File("pid"));
  ASSERT_GT(shell, 0);
  process.reset();
  EXPECT_TRUE(IsGoneSoon(shell));
}

TEST_F(TrainerProcessTest, NoDescriptorOfOursReachesIt) {
  EXPECT_THAT(Output(Start("ls /proc/self/fd | grep -v '^[012]$' | wc -l").get()),
              ElementsAre("1", "exited with status 0"))
      << "only the one that ls itself has open";
}

TEST_F(TrainerProcessTest, GuardThatIsNotThere) {
  const auto process = TrainerProcess::Start({.guard = "/no/such/worker", .command = "true"});
  ASSERT_FALSE(process.ok());
  EXPECT_THAT(process.status().ToString(), HasSubstr("/no/such/worker"));
}

// Trainer, on top of it.

struct Heard : TrainingObserver {
  void OnEpoch(int64_t epoch, double error) override {
    said.push_back(absl::StrCat("epoch ", epoch, " ", error));
  }
  void OnCheckpoint(int64_t epoch) override { said.push_back(absl::StrCat("checkpoint ", epoch)); }
  std::vector<std::string> said;
};

class TrainerTest : public TrainerProcessTest {
 protected:
  Trainer Make(const std::string& command) {
    return Trainer({.process = {.guard = HALVING_WORKER, .command = command},
                    .silence_limit = kTestTimeout,
                    .stop_grace = absl::Seconds(1)});
  }

  // "done 0.5", "failed for good: ...", "crashed: ...".
  static std::string Show(const TrainingEnd& end) {
    if (const auto* done = std::get_if<DoneLine>(&end)) return absl::StrCat("done ", done->error);
    if (const auto* failed = std::get_if<TrainingFailed>(&end)) {
      if (failed->failed.out_of_memory) return absl::StrCat("no memory: ", failed->failed.reason);
      return absl::StrCat(failed->crashed            ? "crashed: "
                          : failed->failed.retryable ? "failed: "
                                                     : "failed for good: ",
                          failed->failed.reason);
    }
    return "interrupted";
  }

  std::string Run(Trainer* trainer, int64_t from = 0, int64_t to = 4) {
    const TrainingJob job = {.name = "job", .line = "{}", .from_epoch = from, .to_epoch = to};
    return Show(trainer->Run(job, &heard_, drop_, leave_));
  }

  std::string RunLines(const std::string& lines, int64_t from = 0, int64_t to = 4) {
    WriteFile(dir_.File("lines"), lines);
    Trainer trainer = Make(absl::StrCat("read -r job; cat ", dir_.File("lines")));
    return Run(&trainer, from, to);
  }

  Heard heard_;
  WakeEvent drop_;
  WakeEvent leave_;
};

TEST_F(TrainerTest, HearsPointsAndCheckpointsUntilDone) {
  EXPECT_EQ(RunLines("hello\n{\"epoch\":3,\"error\":0.5}\n{\"checkpoint\":{\"epoch\":3}}\n"
                     "{\"epoch\":4,\"error\":0.25}\n{\"done\":{\"error\":0.25}}\n",
                     2, 4),
            "done 0.25");
  EXPECT_THAT(heard_.said, ElementsAre("epoch 3 0.5", "checkpoint 3", "epoch 4 0.25"));
}

TEST_F(TrainerTest, DoneBeforeTheTargetCounts) {
  EXPECT_EQ(RunLines("{\"done\":{\"error\":0.5}}\n"), "done 0.5");
}

TEST_F(TrainerTest, EpochsMustCountUpInRange) {
  for (const char* lines :
       {"{\"epoch\":2,\"error\":0}\n", "{\"epoch\":5,\"error\":0}\n",
        "{\"epoch\":4,\"error\":0}\n{\"epoch\":4,\"error\":0}\n",
        "{\"epoch\":4,\"error\":0}\n{\"epoch\":3,\"error\":0}\n",
        "{\"checkpoint\":{\"epoch\":2}}\n", "{\"checkpoint\":{\"epoch\":5}}\n"}) {
    EXPECT_THAT(RunLines(lines, 2, 4),
                AllOf(HasSubstr("failed for good: "), HasSubstr("is not in ("), HasSubstr("epoch")))
        << lines;
  }
}

TEST_F(TrainerTest, MalformedAndEndlessLinesFailForGood) {
  EXPECT_THAT(RunLines("{\"epoch\":1}\n"),
              AllOf(HasSubstr("failed for good: "), HasSubstr("{\\\"epoch\\\":1}")));
  EXPECT_THAT(RunLines(std::string(2'000'000, 'x')),
              AllOf(HasSubstr("failed for good: "), HasSubstr("more than 1048576 bytes")));
}

TEST_F(TrainerTest, ExitWithoutDoneIsACrash) {
  Trainer trainer = Make("echo out of memory >&2; exit 0");
  EXPECT_THAT(Run(&trainer), AllOf(HasSubstr("crashed: the trainer exited with status 0"),
                                   HasSubstr("out of memory")));
}

TEST_F(TrainerTest, DeathForWantOfMemoryIsToldApart) {
  Trainer trainer = Make("echo torch.OutOfMemoryError: CUDA out of memory. >&2; exit 1");
  EXPECT_THAT(Run(&trainer), HasSubstr("no memory: the trainer exited with status 1"));
}

TEST_F(TrainerTest, WantOfMemoryInAnEarlierJobIsNotBlamedAgain) {
  Trainer trainer =
      Make(R"(read -r job; echo MemoryError >&2; echo '{"failed":{"reason":"too big"}}'; )"
           R"(read -r job; echo '{"epoch":1,"error":1}'; exit 7)");
  EXPECT_EQ(Run(&trainer), "failed for good: too big");
  EXPECT_EQ(Run(&trainer), "crashed: the trainer exited with status 7");
}

TEST_F(TrainerTest, SilenceIsACrash) {
  Trainer trainer({.process = {.guard = HALVING_WORKER, .command = "echo stuck >&2; sleep 1000"},
                   .silence_limit = absl::Milliseconds(200),
                   .stop_grace = absl::Seconds(1)});
  EXPECT_THAT(Run(&trainer),
              AllOf(HasSubstr("crashed: "), HasSubstr("nothing for 200ms"), HasSubstr("stuck")));
}

TEST_F(TrainerTest, IsKeptBetweenJobs) {
  Trainer trainer = Make(absl::StrCat("echo x >> ", dir_.File("starts"),
                                      "; while read -r job; do echo '{\"done\":{\"error\":1}}'; "
                                      "done"));
  EXPECT_EQ(Run(&trainer), "done 1");
  EXPECT_EQ(Run(&trainer), "done 1");
  EXPECT_EQ(ReadFile(dir_.File("starts")), "x\n");
  trainer.Shutdown();
}

TEST_F(TrainerTest, OneForASingleJobIsStartedAgain) {
  // It lingers for a moment after its last word, so that the next job is sent to one that leaves.
  Trainer trainer = Make("read -r job; echo '{\"done\":{\"error\":1}}'; sleep 0.1; exit 1");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Run(&trainer), "done 1");
}

TEST_F(TrainerTest, LastingCrashOfAKeptOneIsReported) {
  Trainer trainer =
      Make(absl::StrCat("echo x >> ", dir_.File("starts"), "; [ $(wc -l < ", dir_.File("starts"),
                        ") -gt 1 ] && exit 7; "
                        "read -r job; echo '{\"done\":{\"error\":1}}'; read -r job"));
  EXPECT_EQ(Run(&trainer), "done 1");
  EXPECT_THAT(Run(&trainer), HasSubstr("crashed: the trainer exited with status 7"));
  EXPECT_EQ(ReadFile(dir_.File("starts")), "x\nx\n") << "once again, not for ever";
}

TEST_F(TrainerTest, WordsAfterTheEndStartItAnew) {
  Trainer trainer = Make(
      "while read -r job; do printf '{\"done\":{\"error\":1}}\\n"
      "{\"epoch\":1,\"error\":1}\\n'; done");
  EXPECT_EQ(Run(&trainer), "done 1");
  EXPECT_EQ(Run(&trainer), "done 1");
  EXPECT_TRUE(heard_.said.empty());
}

}  // namespace
}  // namespace halving
