// The command tree, and what is made of it: help, suggestions, completion and man pages.
#include "cli/help.h"

#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "cli/command_line.h"
#include "cli/completion.h"
#include "cli/man_page.h"
#include "cli/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/command_fixture.h"

namespace halving {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::Ge;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

const CommandTree& Tree() {
  static const CommandTree* const tree = new CommandTree(CommandLine().Tree());
  return *tree;
}

TEST(CommandTreeTest, EveryCommandIsWholeAndInAGroupThatIsShown) {
  const std::set<absl::string_view> groups(std::begin(kGroups), std::end(kGroups));
  for (const CommandDoc& command : Tree().commands) {
    EXPECT_EQ(groups.count(command.group), 1u) << command.name;
    EXPECT_THAT(command.about, Not(testing::EndsWith("."))) << command.name;
    for (const auto* words : {&command.arguments, &command.flags}) {
      for (const WordDoc& word : *words) {
        EXPECT_FALSE(word.about.empty()) << command.name << " " << word.long_name;
      }
    }
  }
}

TEST(CommandTreeTest, NearestIsWhatWasMeant) {
  std::vector<std::string> names;
  for (const CommandDoc& command : Tree().commands) names.push_back(command.name);
  EXPECT_EQ(Nearest("wathc", names), "watch");
  EXPECT_EQ(Nearest("WATCH", names), "watch");
  EXPECT_EQ(Nearest("staus", names), "status");
  EXPECT_EQ(Nearest("lst", names), "list");
  EXPECT_EQ(Nearest("check", names), "checkpoint");
  EXPECT_EQ(Nearest("frobnicate", names), "");
  EXPECT_EQ(Nearest("x", names), "");
  EXPECT_EQ(Nearest("", names), "");
  EXPECT_EQ(Nearest(std::string(100'000, 'x'), names), "");
}

TEST(CommandTreeTest, TheCommandStandsBehindTheProgramsFlags) {
  EXPECT_EQ(CommandIndex(Tree(), {"list"}), 0u);
  EXPECT_EQ(CommandIndex(Tree(), {"--server", "x:1", "list"}), 2u);
  EXPECT_EQ(CommandIndex(Tree(), {"--server=x:1", "list"}), 1u);
  EXPECT_EQ(CommandIndex(Tree(), {"--server"}), 1u);
  EXPECT_EQ(CommandIndex(Tree(), {}), 0u);
}

TEST(HelpTest, LinesFitTheTerminal) {
  for (const int width : {60, 80, 120}) {
    for (const CommandDoc& command : Tree().commands) {
      const std::string help = RenderHelp(Tree(), command, {.width_columns = width});
      const std::string prose = help.substr(0, help.find("Examples:"));
      for (const absl::string_view line : absl::StrSplit(prose, '\n')) {
        EXPECT_LE(DisplayWidth(line), width) << line;
      }
    }
  }
}

class HelpCommandTest : public CommandFixture {};

TEST_F(HelpCommandTest, HelpOfACommandIsTheSameBothWays) {
  EXPECT_EQ(Run({"watch", "--help"}), kExitOk);
  const std::string by_flag = out();
  EXPECT_THAT(by_flag, StartsWith("Follow a study until it ends.\n\n"));
  EXPECT_EQ(Run({"help", "watch"}), kExitOk) << err();
  EXPECT_EQ(out(), by_flag);
  EXPECT_EQ(Run({"help"}), kExitOk);
  const std::string all = out();
  EXPECT_EQ(Run({"-h"}), kExitOk);
  EXPECT_EQ(out(), all);
}

TEST_F(HelpCommandTest, AllCommandsAreInTheirGroups) {
  EXPECT_EQ(Run({"--help"}), kExitOk);
  size_t at = 0;
  for (const absl::string_view group : kGroups) {
    const size_t found = out().find(absl::StrCat("\n", group, ":\n"));
    ASSERT_NE(found, std::string::npos) << group;
    EXPECT_GT(found, at) << group;
    at = found;
  }
  for (const CommandDoc& command : Tree().commands) {
    EXPECT_THAT(out(), HasSubstr(absl::StrCat("\n  ", command.name, " "))) << command.name;
  }
}

TEST_F(HelpCommandTest, TopicsAreTold) {
  EXPECT_EQ(Run({"help", "exit-codes"}), kExitOk);
  EXPECT_THAT(out(), HasSubstr("\n  3   (watch) the study was STOPPED or has FAILED\n"));
  EXPECT_EQ(Run({"help", "environment"}), kExitOk);
  EXPECT_THAT(out(), HasSubstr("HALVING_SERVER"));
  EXPECT_EQ(Run({"help", "formats"}), kExitOk);
  EXPECT_THAT(out(), HasSubstr("jq"));
  EXPECT_EQ(Run({"help", "wathc"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("did you mean `halving watch`?"));
}

TEST_F(HelpCommandTest, WhatIsMisspeltIsGuessed) {
  EXPECT_EQ(Run({"wathc", "lenet"}), kExitUsage);
  EXPECT_EQ(err(),
            "error: \"wathc\" is no command of halving\n"
            "hint: did you mean `halving watch`? `halving --help` tells what there is\n");
  EXPECT_EQ(Run({"--timeout", "3s", "wathc", "lenet"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("did you mean `halving watch`?"));
  EXPECT_EQ(Run({"trials", "lenet", "--by-eror"}), kExitUsage);
  EXPECT_EQ(err(),
            "error: \"--by-eror\" was not expected by trials\n"
            "hint: did you mean --by-error? `halving trials --help` tells what there is\n");
  EXPECT_EQ(Run({"list", "--colour", "never"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("did you mean --color?"));
  EXPECT_EQ(Run({"list", "\x1b[2J"}), kExitUsage);
  EXPECT_THAT(err(), Not(HasSubstr("\x1b")));
}

std::vector<std::string> Offered(const std::vector<std::string>& words) {
  std::vector<std::string> texts;
  for (const auto& [text, about] : CompleteWords(Tree(), words).candidates) texts.push_back(text);
  return texts;
}

TEST(CompletionTest, CommandsAndTheirMeaning) {
  EXPECT_THAT(Offered({""}), SizeIs(Tree().commands.size()));
  EXPECT_THAT(Offered({"wa"}), ElementsAre("watch"));
  EXPECT_THAT(Offered({"--server", "x:1", "wa"}), ElementsAre("watch"));
  EXPECT_EQ(CompleteWords(Tree(), {"wa"}).candidates[0].second, "Follow a study until it ends");
  EXPECT_THAT(Offered({"help", "wa"}), ElementsAre("watch"));
  EXPECT_THAT(Offered({"help", "exit"}), ElementsAre("exit-codes"));
  EXPECT_THAT(Offered({}), SizeIs(Tree().commands.size()));
}

TEST(CompletionTest, FlagsOfTheCommandAndOfAll) {
  EXPECT_THAT(Offered({"trials", "lenet", "--"}),
              IsSupersetOf({"--by-error", "--state", "--server", "--help"}));
  EXPECT_THAT(Offered({"trials", "lenet", "--by"}), ElementsAre("--by-error"));
  EXPECT_THAT(Offered({"trials", "--by-error", "--by"}), IsEmpty()) << "it is there already";
  EXPECT_THAT(Offered({"trials", "--state", "failed", "--st"}), ElementsAre("--state"));
  EXPECT_THAT(Offered({"--ti"}), ElementsAre("--timeout"));
  EXPECT_THAT(Offered({"list", "--by"}), IsEmpty());
}

TEST(CompletionTest, ValuesOfFlagsAndWords) {
  EXPECT_THAT(Offered({"trials", "lenet", "-o", ""}), ElementsAre("wide", "json", "csv", "name"));
  EXPECT_THAT(Offered({"list", "--output=j"}), ElementsAre("--output=json"));
  EXPECT_THAT(Offered({"trials", "x", "--state", "comp"}), ElementsAre("completed"));
  EXPECT_THAT(Offered({"--color", "a"}), ElementsAre("auto", "always"));
  EXPECT_THAT(Offered({"completion", ""}), ElementsAre("bash", "zsh", "fish"));
  EXPECT_THAT(Offered({"completion", "bash", ""}), IsEmpty());
}

TEST(CompletionTest, WhatElseMayStandThere) {
  EXPECT_EQ(CompleteWords(Tree(), {"create", ""}).kind, WordKind::kFile);
  EXPECT_EQ(CompleteWords(Tree(), {"plot", "x", "-o", ""}).kind, WordKind::kFile);
  EXPECT_EQ(CompleteWords(Tree(), {"watch", ""}).kind, WordKind::kStudy);
  EXPECT_EQ(CompleteWords(Tree(), {"--server", "y:2", "watch", "l"}).server, "y:2");
  EXPECT_EQ(CompleteWords(Tree(), {"watch", "--server=y:2", "l"}).kind, WordKind::kStudy);
  EXPECT_EQ(CompleteWords(Tree(), {"watch", "--server=y:2", "l"}).server, "y:2");
  EXPECT_EQ(CompleteWords(Tree(), {"workers", "--study=l"}).prefix, "--study=");
  EXPECT_EQ(CompleteWords(Tree(), {"watch", "--", "--l"}).kind, WordKind::kStudy);
  EXPECT_EQ(CompleteWords(Tree(), {"watch", "lenet", ""}).kind, WordKind::kOther);
  EXPECT_EQ(CompleteWords(Tree(), {"frobnicate", ""}).kind, WordKind::kOther);
}

class CompleteCommandTest : public CommandFixture {
 protected:
  int Complete(std::vector<std::string> words) {
    words.insert(words.begin(), {"__complete", "--server", server_.address()});
    console_.out.str("");
    return RunCommandLine(words, console_.get());
  }
};

TEST_F(CompleteCommandTest, NamesOfStudiesComeFromTheServer) {
  service_->AddStudy(MakeSampleStudy(1, 7));
  service_->SetStatus(MakeSampleStatus());
  EXPECT_EQ(Complete({"watch", "le"}), kExitOk);
  EXPECT_EQ(out(), "lenet\tRUNNING\n:none\n");
  EXPECT_EQ(Complete({"watch", "x"}), kExitOk);
  EXPECT_EQ(out(), ":none\n");
  EXPECT_EQ(Complete({"workers", "--study=l"}), kExitOk);
  EXPECT_EQ(out(), "--study=lenet\tRUNNING\n:none\n");
  EXPECT_EQ(Complete({"create", ""}), kExitOk);
  EXPECT_EQ(out(), ":file\n");
}

TEST_F(CompleteCommandTest, OfTrialsTheBestAndTheRunningAreOffered) {
  service_->SetStatus(MakeSampleStatus());
  EXPECT_EQ(Complete({"logs", "lenet", ""}), kExitOk);
  EXPECT_EQ(out(), "3\tthe best\n7\trunning on gpu-1\n12\trunning on gpu-2\n:none\n");
  EXPECT_EQ(Complete({"checkpoint", "lenet", "--trial=1"}), kExitOk);
  EXPECT_EQ(out(), "--trial=12\trunning on gpu-2\n:none\n");
  EXPECT_EQ(Complete({"checkpoint", "--trial", ""}), kExitOk);
  EXPECT_EQ(out(), ":none\n");
  EXPECT_EQ(Complete({"trial", "nobody", ""}), kExitOk);
  EXPECT_EQ(out(), ":none\n");
}

TEST_F(CompleteCommandTest, WhatFailsIsSilent) {
  service_->Fail(grpc::Status(grpc::StatusCode::INTERNAL, "broken"));
  EXPECT_EQ(Complete({"watch", ""}), kExitOk);
  EXPECT_EQ(out(), ":none\n");
  EXPECT_EQ(Complete({"--server", "no address", "watch", ""}), kExitOk);
  EXPECT_EQ(out(), ":none\n");
  EXPECT_THAT(err(), IsEmpty());
}

TEST_F(CompleteCommandTest, ThereIsAScriptForEachShell) {
  for (const auto& [shell, use] : CompletionShells()) {
    EXPECT_EQ(Run({"completion", shell}), kExitOk) << err();
    EXPECT_THAT(out(), HasSubstr("__complete")) << shell;
  }
  EXPECT_EQ(Run({"completion", "tcsh"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("there are bash, zsh and fish"));
}

TEST(ManPageTest, SaysWhatHelpSays) {
  for (const CommandDoc& command : Tree().commands) {
    const std::string page = ManPage(command);
    EXPECT_THAT(page, StartsWith(".TH HALVING\\-")) << command.name;
    for (const WordDoc& flag : command.flags) {
      EXPECT_THAT(page, HasSubstr(absl::StrReplaceAll(flag.long_name, {{"-", "\\-"}})));
    }
    // A line that begins so must be a request.
    for (const absl::string_view line : absl::StrSplit(page, '\n')) {
      const bool request = absl::StartsWith(line, ".");
      EXPECT_TRUE(!request || absl::ascii_isupper(static_cast<unsigned char>(line[1])) ||
                  line == ".nf" || line == ".fi")
          << line;
      EXPECT_FALSE(absl::StartsWith(line, "'")) << line;
    }
  }
  EXPECT_THAT(ManPage(Tree()), AllOf(HasSubstr("halving\\-watch(1)"), HasSubstr(".SH EXIT STATUS"),
                                     HasSubstr("HALVING_SERVER")));
}

TEST_F(HelpCommandTest, ManPagesNeedAFolder) {
  EXPECT_EQ(RunCommandLine({"__man"}, console_.get()), kExitUsage);
  EXPECT_EQ(RunCommandLine({"__man", "/nowhere"}, console_.get()), kExitFailed);
  EXPECT_THAT(err(), HasSubstr("cannot write /nowhere/halving.1: No such file or directory"));
}

}  // namespace
}  // namespace halving
