// Whole commands, from their arguments to their output, against a server over real gRPC.
#include <cstdio>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/command_line.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/command_fixture.h"

namespace halving {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

class CommandTest : public CommandFixture {};

TEST_F(CommandTest, CreateMakesAStudyAndSaysWhatToDoNext) {
  console_.in.str(R"({"study": {"name": "lenet"}})");
  EXPECT_EQ(Run({"create", "-"}), kExitOk) << err();
  EXPECT_THAT(out(), StartsWith("Created study lenet (RUNNING, seed 7).\n"));
  EXPECT_THAT(out(), HasSubstr(absl::StrCat("halving watch lenet --server ", server_.address())));
  EXPECT_TRUE(service_->HasStudy("lenet"));
}

TEST_F(CommandTest, CreateSaysThatAnEqualStudyIsThere) {
  console_.in.str(R"({"name": "lenet"})");
  ASSERT_EQ(Run({"create", "-"}), kExitOk);
  console_.in.clear();
  console_.in.str(R"({"name": "lenet"})");
  EXPECT_EQ(Run({"create", "-"}), kExitOk);
  EXPECT_THAT(out(), StartsWith("Study lenet exists already with an equal spec and is RUNNING; "
                                "nothing was changed.\n"));
}

TEST_F(CommandTest, CreateUnderATakenNameIsRefused) {
  service_->AddStudy(MakeSampleStudy(1, 1));
  console_.in.str(R"({"name": "lenet", "objective": "other"})");
  EXPECT_EQ(Run({"create", "-"}), kExitFailed);
  EXPECT_THAT(err(), AllOf(HasSubstr("ALREADY_EXISTS"), HasSubstr("has another spec"),
                           HasSubstr("--name")));
  EXPECT_THAT(out(), IsEmpty());
}

TEST_F(CommandTest, CreateTakesAnotherName) {
  console_.in.str(R"({"name": "lenet"})");
  EXPECT_EQ(Run({"create", "-", "--name", "other-1"}), kExitOk) << err();
  EXPECT_TRUE(service_->HasStudy("other-1"));
  EXPECT_FALSE(service_->HasStudy("lenet"));
}

TEST_F(CommandTest, CreateTakesAnotherWarmStart) {
  console_.in.str(R"({"name": "lenet", "warm_start": {"study": "old", "trials": 2}})");
  EXPECT_EQ(Run({"create", "-", "--warm-start", "lenet-1:10"}), kExitOk) << err();
  v1::WarmStart sent = service_->GetStudy("lenet").spec().warm_start();
  EXPECT_EQ(sent.study(), "lenet-1");
  EXPECT_EQ(sent.trials(), 10);
  console_.in.clear();
  console_.in.str(R"({"name": "lenet-2", "warm_start": {"study": "old", "trials": 2}})");
  EXPECT_EQ(Run({"create", "-", "--warm-start", "lenet"}), kExitOk) << err();
  sent = service_->GetStudy("lenet-2").spec().warm_start();
  EXPECT_EQ(sent.trials(), 0) << "as many as the server likes";
  for (const char* wrong : {":3", "a b", "lenet:", "lenet:0", "lenet:x", "lenet:1:2"}) {
    EXPECT_EQ(Run({"create", "-", "--warm-start", wrong}), kExitUsage) << wrong;
  }
}

TEST_F(CommandTest, AWrongFileIsAMistakeAndReachesNoServer) {
  console_.in.str(R"({"nam": "lenet"})");
  EXPECT_EQ(Run({"create", "-"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("error: standard input: \"nam\" is no field of a study"));
  EXPECT_EQ(Run({"plan", "/nowhere/x.json"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("cannot read /nowhere/x.json"));
}

TEST_F(CommandTest, PlanShowsTheServersPlan) {
  v1::StudyPlan plan;
  plan.add_rungs()->set_epochs(27);
  plan.set_rounds(3);
  service_->SetPlan(plan);
  console_.in.str(R"({"name": "lenet"})");
  EXPECT_EQ(Run({"plan", "-"}), kExitOk) << err();
  EXPECT_THAT(out(), AllOf(HasSubstr("27"), HasSubstr("3 within the limits")));
  EXPECT_FALSE(service_->HasStudy("lenet"));
}

TEST_F(CommandTest, StatusAsTextAndAsJson) {
  service_->SetStatus(MakeSampleStatus());
  EXPECT_EQ(Run({"status", "lenet"}), kExitOk) << err();
  EXPECT_THAT(out(), StartsWith("lenet  RUNNING\n"));
  EXPECT_EQ(Run({"status", "lenet", "--json"}), kExitOk) << err();
  EXPECT_THAT(out(), AllOf(StartsWith("{\n"), HasSubstr("\"evaluations\": \"12\""),
                           HasSubstr("\"state\": \"STUDY_STATE_RUNNING\"")));
}

TEST_F(CommandTest, AnUnknownStudyIsNotFound) {
  for (const char* command : {"status", "trials", "plot", "pause", "resume", "stop"}) {
    EXPECT_EQ(Run({command, "nobody"}), kExitFailed) << command;
    EXPECT_THAT(err(), HasSubstr("not found (NOT_FOUND): no study is named \"nobody\"\n"))
        << command;
    EXPECT_THAT(out(), IsEmpty()) << command;
  }
}

TEST_F(CommandTest, TrialsPagesThroughAll) {
  service_->AddStudy(MakeSampleStudy(2, 7));
  EXPECT_EQ(Run({"trials", "lenet"}), kExitOk) << err();
  EXPECT_THAT(OutLines(), SizeIs(17));  // The titles, then 16 trials, on pages of three.
}

TEST_F(CommandTest, TrialsFilterSortAndLimit) {
  service_->AddStudy(MakeSampleStudy(2, 7));
  EXPECT_EQ(Run({"trials", "lenet", "--by-error", "--limit", "2"}), kExitOk) << err();
  ASSERT_THAT(OutLines(), SizeIs(3));
  EXPECT_THAT(OutLines()[1], StartsWith("11 "));
  EXPECT_EQ(Run({"trials", "lenet", "--limit", "5"}), kExitOk) << err();
  EXPECT_THAT(OutLines(), SizeIs(6)) << "more than a page, less than all";
  EXPECT_EQ(Run({"trials", "lenet", "--state", "Completed"}), kExitOk) << err();
  EXPECT_THAT(OutLines(), SizeIs(3));
  EXPECT_EQ(Run({"trials", "lenet", "--state", "completed", "--state", "failed"}), kExitOk)
      << err();
  EXPECT_THAT(OutLines(), SizeIs(3));
  EXPECT_EQ(Run({"trials", "lenet", "--state", "asleep"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("no state of a trial; there are queued, running, "));
}

TEST_F(CommandTest, TrialsAsCsvAndAsJsonLines) {
  service_->AddStudy(MakeSampleStudy(2, 7));
  EXPECT_EQ(Run({"trials", "lenet", "--csv"}), kExitOk) << err();
  ASSERT_THAT(OutLines(), SizeIs(31));  // 16 + 8 + 4 + 2 results.
  EXPECT_THAT(OutLines()[0], HasSubstr("study_epochs,learning_rate,batch_size,test_error"));
  EXPECT_EQ(Run({"trials", "lenet", "--json"}), kExitOk) << err();
  ASSERT_THAT(OutLines(), SizeIs(16));
  for (const std::string& line : OutLines()) EXPECT_THAT(line, StartsWith("{\"id\":\""));
  EXPECT_EQ(Run({"trials", "lenet", "--json", "--csv"}), kExitUsage);
}

TEST_F(CommandTest, DataIsEscapedOnATerminalOnly) {
  SampleStudy sample = MakeSampleStudy(1, 7);
  sample.trials[0].mutable_results(0)->set_worker_id("\x1b[2J");
  service_->AddStudy(sample);
  EXPECT_EQ(Run({"trials", "lenet", "--csv"}), kExitOk) << err();
  EXPECT_THAT(out(), HasSubstr("\x1b[2J"));
  console_.PretendTerminal();
  EXPECT_EQ(Run({"trials", "lenet", "--csv"}), kExitOk) << err();
  EXPECT_THAT(out(), AllOf(HasSubstr("\\x1b[2J"), Not(HasSubstr("\x1b"))));
}

TEST_F(CommandTest, OneTrial) {
  service_->AddStudy(MakeSampleStudy(2, 7));
  EXPECT_EQ(Run({"trial", "lenet", "11"}), kExitOk) << err();
  EXPECT_THAT(out(), AllOf(StartsWith("trial 11  COMPLETED"), HasSubstr("0.1790")));
  EXPECT_EQ(Run({"trial", "lenet", "11", "--json"}), kExitOk) << err();
  EXPECT_THAT(out(), HasSubstr("\"curve\": ["));
  EXPECT_EQ(Run({"trial", "lenet", "99"}), kExitFailed);
  EXPECT_THAT(err(), HasSubstr("there is no trial 99"));
  EXPECT_EQ(Run({"trial", "lenet", "0"}), kExitUsage);
}

TEST_F(CommandTest, ListAndWorkersPageThroughAll) {
  for (int i = 0; i < 7; ++i) {
    SampleStudy sample = MakeSampleStudy(1, 7);
    sample.study.mutable_spec()->set_name(absl::StrCat("study-", i));
    service_->AddStudy(sample);
    v1::Worker worker;
    worker.set_worker_id(absl::StrCat("gpu-", i));
    service_->AddWorker(worker);
  }
  EXPECT_EQ(Run({"list"}), kExitOk) << err();
  EXPECT_THAT(OutLines(), SizeIs(8));
  EXPECT_EQ(Run({"workers"}), kExitOk) << err();
  EXPECT_THAT(OutLines(), SizeIs(10)) << "with a blank and the sum";
}

TEST_F(CommandTest, PauseResumeStop) {
  service_->SetStatus(MakeSampleStatus());
  EXPECT_EQ(Run({"pause", "lenet"}), kExitOk) << err();
  EXPECT_THAT(out(), StartsWith("lenet is PAUSED. "));
  EXPECT_EQ(service_->GetStudy("lenet").state(), v1::STUDY_STATE_PAUSED);
  EXPECT_EQ(Run({"resume", "lenet"}), kExitOk) << err();
  EXPECT_EQ(service_->GetStudy("lenet").state(), v1::STUDY_STATE_RUNNING);
  EXPECT_EQ(Run({"stop", "lenet"}), kExitOk) << err();
  EXPECT_THAT(out(), StartsWith("lenet is STOPPED. "));
}

TEST_F(CommandTest, DeleteWithoutATerminalNeedsYes) {
  service_->AddStudy(MakeSampleStudy(1, 7));
  EXPECT_EQ(Run({"delete", "lenet"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("--yes"));
  EXPECT_TRUE(service_->HasStudy("lenet"));
  EXPECT_EQ(Run({"delete", "lenet", "--yes"}), kExitOk) << err();
  EXPECT_EQ(out(), "Deleted study lenet.\n");
  EXPECT_FALSE(service_->HasStudy("lenet"));
}

TEST_F(CommandTest, DeleteOnATerminalAsksFirst) {
  service_->AddStudy(MakeSampleStudy(1, 7));
  console_.PretendTerminal();
  for (const char* answer : {"n\n", "\n", "", "maybe\n"}) {
    console_.in.clear();
    console_.in.str(answer);
    EXPECT_EQ(Run({"delete", "lenet"}), kExitFailed) << answer;
    EXPECT_THAT(err(), HasSubstr("[y/N] Nothing was deleted.\n"));
    EXPECT_TRUE(service_->HasStudy("lenet")) << answer;
  }
  console_.in.clear();
  console_.in.str(" Yes \n");
  EXPECT_EQ(Run({"delete", "lenet"}), kExitOk);
  EXPECT_FALSE(service_->HasStudy("lenet"));
}

TEST_F(CommandTest, ExtendSendsOnlyTheLimitsGiven) {
  service_->AddStudy(MakeSampleStudy(1, 7));
  EXPECT_EQ(Run({"extend", "lenet", "--max-evaluations", "60", "--target-error", "0"}), kExitOk)
      << err();
  v1::Limits sent = service_->last_extension();
  EXPECT_EQ(sent.max_evaluations(), 60);
  EXPECT_TRUE(sent.has_target_error());
  EXPECT_FALSE(sent.has_max_wall_time());
  EXPECT_THAT(out(), HasSubstr("Limits: 60 evaluations, target error 0.000."));
  EXPECT_EQ(
      Run({"extend", "lenet", "--max-rounds=3", "--max-total-epochs=500", "--max-wall-time=1h30m"}),
      kExitOk)
      << err();
  sent = service_->last_extension();
  EXPECT_EQ(sent.max_rounds(), 3);
  EXPECT_EQ(sent.max_total_epochs(), 500);
  EXPECT_EQ(sent.max_wall_time().seconds(), 5400);
  EXPECT_FALSE(sent.has_target_error());
  EXPECT_FALSE(sent.has_no_improvement());
  EXPECT_EQ(Run({"extend", "lenet", "--no-improvement", "20:0.001"}), kExitOk) << err();
  EXPECT_EQ(service_->last_extension().no_improvement().trials(), 20);
  EXPECT_EQ(service_->last_extension().no_improvement().delta(), 0.001);
  EXPECT_EQ(Run({"extend", "lenet", "--no-improvement", "30"}), kExitOk) << err();
  EXPECT_EQ(service_->last_extension().no_improvement().trials(), 30);
}

TEST_F(CommandTest, ExtendRefusesNothingAndNonsense) {
  service_->AddStudy(MakeSampleStudy(1, 7));
  EXPECT_EQ(Run({"extend", "lenet"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("which limit"));
  EXPECT_EQ(Run({"extend", "lenet", "--max-rounds", "0"}), kExitUsage);
  EXPECT_EQ(Run({"extend", "lenet", "--target-error", "nan"}), kExitUsage);
  EXPECT_EQ(Run({"extend", "lenet", "--max-wall-time", "0"}), kExitUsage);
  EXPECT_EQ(Run({"extend", "lenet", "--max-wall-time", "soon"}), kExitUsage);
  for (const char* wrong : {"0", "x", "5:", "5:-1", "5:inf", ":1", "5:1:2"}) {
    EXPECT_EQ(Run({"extend", "lenet", "--no-improvement", wrong}), kExitUsage) << wrong;
  }
}

TEST_F(CommandTest, ExtendTakesANegativeError) {
  service_->AddStudy(MakeSampleStudy(1, 7));
  EXPECT_EQ(Run({"extend", "lenet", "--target-error", "-1.5"}), kExitOk) << err();
  EXPECT_EQ(service_->last_extension().target_error(), -1.5);
}

TEST_F(CommandTest, PlotToStandardOutput) {
  service_->AddStudy(MakeSampleStudy(2, 7));
  EXPECT_EQ(Run({"plot", "lenet", "-o", "-"}), kExitOk) << err();
  EXPECT_THAT(out(), AllOf(StartsWith("<svg "), HasSubstr("best: trial 11, 0.1790")));
  const std::string plain = out();
  EXPECT_EQ(Run({"plot", "lenet", "-o", "-", "--curves"}), kExitOk) << err();
  EXPECT_THAT(out(), Not(plain));
  EXPECT_GT(out().size(), plain.size());
}

TEST_F(CommandTest, PlotToAFile) {
  service_->AddStudy(MakeSampleStudy(2, 7));
  const std::string path = testing::TempDir() + "halving_plot_test.svg";
  EXPECT_EQ(Run({"plot", "lenet", "-o", path}), kExitOk) << err();
  EXPECT_EQ(out(), absl::StrCat("Wrote ", path, " (16 trials).\n"));
  std::ifstream file(path);
  std::ostringstream content;
  content << file.rdbuf();
  EXPECT_THAT(content.str(), StartsWith("<svg "));
  std::remove(path.c_str());
  EXPECT_EQ(Run({"plot", "lenet", "-o", "/nowhere/x.svg"}), kExitFailed);
  EXPECT_THAT(err(), HasSubstr("cannot write /nowhere/x.svg: No such file or directory"));
}

TEST_F(CommandTest, AServerThatIsNotThereIsNamed) {
  // A port that was just free; nobody listens on it now.
  std::string address;
  {
    const FakeServer gone;
    address = gone.address();
  }
  EXPECT_EQ(RunCommandLine({"list", "--server", address}, console_.get()), kExitFailed);
  EXPECT_THAT(err(), AllOf(HasSubstr("UNAVAILABLE"), HasSubstr(address)));
}

TEST_F(CommandTest, ASilentServerIsNotWaitedForForEver) {
  service_->Hang();
  EXPECT_EQ(Run({"status", "lenet", "--timeout", "50ms"}), kExitFailed);
  EXPECT_THAT(err(), HasSubstr("DEADLINE_EXCEEDED"));
}

TEST_F(CommandTest, ARefusalIsToldInFull) {
  service_->Fail(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "1000 studies; 1000 allowed"));
  EXPECT_EQ(Run({"list"}), kExitFailed);
  EXPECT_THAT(
      err(), HasSubstr("too much for the server (RESOURCE_EXHAUSTED): 1000 studies; 1000 allowed"));
}

TEST_F(CommandTest, OutputThatCannotBeWrittenIsAFailure) {
  console_.out.setstate(std::ios::badbit);
  EXPECT_EQ(Run({"list"}), kExitFailed);
  EXPECT_THAT(err(), HasSubstr("standard output could not be written"));
}

TEST_F(CommandTest, MistakesInTheCommandLineAreUsageErrors) {
  EXPECT_EQ(RunCommandLine({}, console_.get()), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("Usage:"));
  EXPECT_EQ(Run({"frobnicate"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("\"frobnicate\" is no command"));
  EXPECT_EQ(Run({"status"}), kExitUsage);
  EXPECT_EQ(Run({"status", "lenet", "--colour"}), kExitUsage);
  EXPECT_EQ(Run({"status", "no such name"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("names are 1 to 64 letters"));
  EXPECT_EQ(RunCommandLine({"list", "--server", "http://x"}, console_.get()), kExitUsage);
}

TEST_F(CommandTest, HelpAtEveryLevelHasExamples) {
  EXPECT_EQ(RunCommandLine({"--help"}, console_.get()), kExitOk);
  EXPECT_THAT(out(), AllOf(HasSubstr("Examples:"), HasSubstr("Exit codes:")));
  const CommandTree tree = CommandLine().Tree();
  EXPECT_THAT(tree.commands, SizeIs(testing::Ge(20u)));
  for (const CommandDoc& command : tree.commands) {
    EXPECT_EQ(Run({command.name, "--help"}), kExitOk) << command.name;
    EXPECT_THAT(
        out(), AllOf(HasSubstr("Usage:\n  halving " + command.name), HasSubstr("Global flags:\n")));
    // Each is an example of this very command.
    EXPECT_THAT(command.examples, AllOf(StartsWith("  "), HasSubstr("halving " + command.name)));
    EXPECT_THAT(out(), HasSubstr("Examples:\n" + command.examples));
  }
  EXPECT_EQ(RunCommandLine({"--version"}, console_.get()), kExitOk);
}

}  // namespace
}  // namespace halving
