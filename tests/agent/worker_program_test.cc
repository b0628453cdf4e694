// The halving-worker program itself: its exit statuses, its signals, and what dies with it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "tests/agent/agent_fixture.h"

namespace halving {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class WorkerProgramTest : public testing::Test {
 protected:
  ~WorkerProgramTest() override {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }

  void Start(std::vector<std::string> flags) {
    flags.insert(flags.begin(), {HALVING_WORKER, "--server", server_.address(), "--id", "w",
                                 "--checkpoint-dir", temp_.File("ckpt")});
    StartExactly(std::move(flags));
  }

  void StartExactly(std::vector<std::string> arguments) {
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, temp_.File("stderr").c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0644);
    const int error = posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    ASSERT_EQ(error, 0);
  }

  // The exit status; 1000 when it does not end, 1000 + N when it dies by signal N.
  int Wait() {
    int status = 0;
    if (!Eventually([&] { return waitpid(pid_, &status, WNOHANG) == pid_; })) return 1000;
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }

  std::string Stderr() const { return ReadFile(temp_.File("stderr")); }

  // What ["save", saved] of the fake trainer left.
  json Saved() {
    const std::string path = temp_.File("saved");
    if (!Eventually([&] { return std::filesystem::exists(path); })) {
      ADD_FAILURE() << "no trainer began; " << Stderr();
      return {{"pid", 0}};
    }
    return json::parse(ReadFile(path));
  }
  json Save() { return Step("save", temp_.File("saved")); }

  TempDir temp_;
  FakeServer server_;
  pid_t pid_ = 0;
};

TEST_F(WorkerProgramTest, LeavesAfterMaxJobsAndTellsTheTrainerItsPlace) {
  server_.Add(MakeScripted(1, {Save(), PrintDone()}));
  server_.Add(MakeAssignment(2));
  Start({"--trainer", FAKE_TRAINER, "--max-jobs", "1", "--device", "cuda:3", "--threads", "5"});
  EXPECT_EQ(Wait(), 0) << Stderr();
  EXPECT_EQ(Saved().at("device"), "cuda:0") << "of the one GPU that it sees";
  EXPECT_EQ(Saved().at("cuda_visible_devices"), "3");
  EXPECT_EQ(Saved().at("threads"), "5");
  ASSERT_EQ(server_.final_reports().size(), 1U);
  EXPECT_FALSE(server_.final_reports()[0].has_next());
  EXPECT_EQ(server_.asks()[0].objectives_size(), 0) << "a trainer of one's own serves any";
  EXPECT_TRUE(IsGoneSoon(Saved().at("pid").get<pid_t>()));
}

TEST_F(WorkerProgramTest, SigtermGivesTheTrialBack) {
  server_.Add(MakeScripted(1, {Save(), Step("hang")}));
  Start({"--trainer", FAKE_TRAINER});
  const pid_t trainer = Saved().at("pid").get<pid_t>();
  ASSERT_GT(trainer, 0);
  kill(pid_, SIGTERM);
  EXPECT_EQ(Wait(), 0) << Stderr();
  ASSERT_EQ(server_.final_reports().size(), 1U);
  EXPECT_EQ(server_.final_reports()[0].returned().reason(), "worker is leaving (SIGTERM)");
  EXPECT_TRUE(IsGoneSoon(trainer));
}

TEST_F(WorkerProgramTest, SecondSignalEndsAtOnce) {
  server_.Add(MakeScripted(1, {Step("ignore_sigterm"), Save(), Step("hang")}));
  // The shell dies of the first signal's SIGTERM, the trainer below it does not.
  Start({"--trainer",
         absl::StrCat("echo $$ > ", temp_.File("shell"), "; ", FAKE_TRAINER, "; exit 3")});
  const pid_t trainer = Saved().at("pid").get<pid_t>();
  const pid_t shell = ReadPid(temp_.File("shell"));
  ASSERT_GT(trainer, 0);
  ASSERT_GT(shell, 0);
  kill(pid_, SIGINT);
  ASSERT_TRUE(IsGoneSoon(shell));
  EXPECT_FALSE(IsGone(trainer));
  kill(pid_, SIGTERM);
  EXPECT_EQ(Wait(), 128 + SIGTERM) << Stderr();
  EXPECT_TRUE(IsGoneSoon(trainer));
}

TEST_F(WorkerProgramTest, ASignalThatWasIgnoredStaysSoAsUnderNohup) {
  server_.Add(MakeScripted(1, {Save(), Step("await", temp_.File("go")), PrintDone()}));
  server_.Add(MakeAssignment(2));
  StartExactly({"/bin/sh", "-c",
                absl::StrCat("trap '' HUP; exec ", HALVING_WORKER, " --server ", server_.address(),
                             " --id w --max-jobs 2 --checkpoint-dir ", temp_.File("ckpt"),
                             " --trainer ", FAKE_TRAINER)});
  ASSERT_GT(Saved().at("pid").get<pid_t>(), 0);
  kill(pid_, SIGHUP);
  WriteFile(temp_.File("go"), "");
  EXPECT_EQ(Wait(), 0) << Stderr();
  const std::vector<v1::ReportRequest> reports = server_.final_reports();
  ASSERT_EQ(reports.size(), 2U) << Stderr();
  EXPECT_TRUE(reports[0].has_completed() && reports[1].has_completed()) << Stderr();
}

TEST_F(WorkerProgramTest, KilledWorkerTakesItsTrainerAlong) {
  server_.Add(MakeScripted(1, {Step("ignore_sigterm"), Save(), Step("hang")}));
  // Below a shell with more to do, so that the trainer is a grandchild.
  Start({"--trainer", absl::StrCat(FAKE_TRAINER, "; exit 3")});
  const pid_t trainer = Saved().at("pid").get<pid_t>();
  ASSERT_GT(trainer, 0);
  kill(pid_, SIGKILL);
  EXPECT_EQ(Wait(), 1000 + SIGKILL);
  EXPECT_TRUE(IsGoneSoon(trainer));
}

TEST_F(WorkerProgramTest, NextOneCleansUpAfterAKilledOne) {
  server_.Add(MakeScripted(1, {Step("checkpoint", "half"), Save(), Step("hang")}));
  Start({"--trainer", FAKE_TRAINER});
  const std::string left = Saved().at("job").at("checkpoint_out");
  kill(pid_, SIGKILL);
  Wait();
  ASSERT_EQ(ReadFile(left), "half");
  server_.Add(MakeScripted(2, {PrintDone()}));
  Start({"--trainer", FAKE_TRAINER, "--max-jobs", "1"});
  EXPECT_EQ(Wait(), 0) << Stderr();
  EXPECT_FALSE(std::filesystem::exists(left));
}

TEST_F(WorkerProgramTest, RefusalEndsItWithTheServersMessage) {
  server_.set_on_suggest([](const v1::SuggestRequest&, int, v1::SuggestResponse*) {
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "another process is worker w");
  });
  Start({"--trainer", FAKE_TRAINER});
  EXPECT_EQ(Wait(), 1);
  EXPECT_THAT(Stderr(), HasSubstr("another process is worker w"));
}

TEST_F(WorkerProgramTest, WithoutATrainerItSaysWhatToDo) {
  const std::string alone = temp_.File("halving-worker");
  std::filesystem::copy_file(HALVING_WORKER, alone);
  StartExactly({alone});
  EXPECT_EQ(Wait(), 2);
  EXPECT_THAT(Stderr(), HasSubstr(temp_.File("halving-trainer")));
}

TEST_F(WorkerProgramTest, CheckpointFolderThatCannotBeIsSaid) {
  WriteFile(temp_.File("ckpt"), "a file");
  Start({"--trainer", FAKE_TRAINER});
  EXPECT_EQ(Wait(), 2);
  EXPECT_THAT(Stderr(), HasSubstr("--checkpoint-dir"));
}

TEST_F(WorkerProgramTest, ChecksATrainerWithoutAServer) {
  StartExactly({HALVING_WORKER, "check-trainer", "--trainer", FAKE_TRAINER});
  EXPECT_EQ(Wait(), 0) << Stderr();
  StartExactly({HALVING_WORKER, "check-trainer", "--trainer", "exit 3"});
  EXPECT_EQ(Wait(), 1) << Stderr();
  StartExactly({HALVING_WORKER, "check-trainer", "--trainer", FAKE_TRAINER, "--config", "no"});
  EXPECT_EQ(Wait(), 2);
  EXPECT_THAT(Stderr(), HasSubstr("--config"));
}

TEST_F(WorkerProgramTest, GuardModeIsNotForPeople) {
  StartExactly({HALVING_WORKER, "--exec-trainer", "true"});
  EXPECT_EQ(Wait(), 2);
  EXPECT_THAT(Stderr(), HasSubstr("--help"));
}

}  // namespace
}  // namespace halving
