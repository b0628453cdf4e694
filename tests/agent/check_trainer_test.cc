#include "worker/agent/check_trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/agent/test_util.h"

namespace halving {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

struct BugCase {
  std::string bug;  // As checked_trainer.py knows it.
  std::string level;
  std::string finding;  // A part of it.
  // Shorter where it would be waited for in vain.
  absl::Duration leave_grace = kTestTimeout;
  absl::Duration close_grace = kTestTimeout;
};

class CheckTrainerTest : public testing::TestWithParam<BugCase> {
 protected:
  CheckTrainerTest() {
    signal(SIGPIPE, SIG_IGN);
    setenv("TMPDIR", temp_.path().c_str(), 1);
  }
  ~CheckTrainerTest() override { unsetenv("TMPDIR"); }

  CheckTrainerOptions Options(const std::string& command) {
    return {.trainer = {.process = {.guard = HALVING_WORKER, .command = command},
                        .silence_limit = kTestTimeout,
                        .leave_grace = kTestTimeout},
            .objective = "test",
            .close_grace = kTestTimeout};
  }

  CheckTrainerOptions WithBug(const std::string& bug) {
    CheckTrainerOptions options = Options("exec env -u PYTHONUNBUFFERED python3 " CHECKED_TRAINER);
    options.objective_options = absl::StrCat("{\"bug\":\"", bug, "\"}");
    return options;
  }

  absl::StatusOr<int> Check(const CheckTrainerOptions& options) {
    const absl::StatusOr<int> wrong = CheckTrainer(options, quit_, out_);
    EXPECT_TRUE(std::filesystem::is_empty(temp_.path())) << "it left files behind";
    return wrong;
  }

  // The lines of a level: "ok", "note" or "WRONG".
  std::vector<std::string> Lines(const std::string& level) const {
    std::vector<std::string> lines;
    for (const absl::string_view line : absl::StrSplit(out_.str(), '\n')) {
      if (absl::StartsWith(line, absl::StrCat(level, " "))) lines.emplace_back(line);
    }
    return lines;
  }

  TempDir temp_;
  std::ostringstream out_;
  WakeEvent quit_;
};

TEST_F(CheckTrainerTest, GoodOneIsGoodThroughout) {
  const absl::StatusOr<int> wrong = Check(WithBug(""));
  ASSERT_TRUE(wrong.ok()) << wrong.status();
  EXPECT_EQ(*wrong, 0);
  EXPECT_EQ(Lines("ok").size(), 11U) << out_.str();
  EXPECT_EQ(Lines("note").size() + Lines("WRONG").size(), 0U) << out_.str();
}

TEST_P(CheckTrainerTest, BugIsFound) {
  const BugCase& c = GetParam();
  CheckTrainerOptions options = WithBug(c.bug);
  options.trainer.leave_grace = c.leave_grace;
  options.close_grace = c.close_grace;
  options.trainer.stop_grace = std::min(c.close_grace, absl::Seconds(5));
  const absl::StatusOr<int> wrong = Check(options);
  ASSERT_TRUE(wrong.ok()) << wrong.status();
  EXPECT_EQ(*wrong, static_cast<int>(Lines("WRONG").size())) << out_.str();
  EXPECT_THAT(Lines(c.level), testing::Contains(HasSubstr(c.finding))) << out_.str();
  if (c.level == "note" && c.bug != "no_checkpoint") {
    EXPECT_EQ(*wrong, 0) << out_.str();
  }
}

INSTANTIATE_TEST_SUITE_P(
    Rules, CheckTrainerTest,
    testing::ValuesIn(std::vector<BugCase>{
        {"skips", "WRONG", "the epochs reported were: 2;"},
        {"nan", "WRONG", "an error is NaN or infinite"},
        {"infinite_done", "WRONG", "done has the error inf, the last epoch has 0.5"},
        {"other_done", "note", "done has the error 1.5, the last epoch has 0.5"},
        {"no_checkpoint", "WRONG", "no checkpoint of epoch 2 was announced"},
        {"no_checkpoint", "note", "resuming was not tried"},
        {"announce_only", "WRONG", "checkpoint_out was not there"},
        {"from_one", "WRONG", "epoch 1 is not in (2, 4]"},
        {"removes_input", "WRONG", "checkpoint_in was gone"},
        {"forgets", "WRONG", "does not seem to load checkpoint_in"},
        {"random", "note", "keep the state of the optimiser"},
        {"no_interval", "note", "no checkpoint was written inside the job"},
        {"trusts_broken", "WRONG", "trained on as if nothing were amiss"},
        {"dies_of_broken", "note", "dies, which costs attempts"},
        {"fails_for_broken", "WRONG", "fails for good"},
        {"dies_of_sigterm", "note", "it ends, but without a checkpoint"},
        {"deaf", "WRONG", "still there after 100ms", absl::Milliseconds(100)},
        {"stays", "note", "still ran 100ms later", kTestTimeout, absl::Milliseconds(100)},
        {"no_flush", "WRONG", "flush standard output after each"},
    }),
    [](const auto& info) { return absl::StrCat(info.param.bug, "_", info.param.level); });

TEST_F(CheckTrainerTest, OneThatDiesIsQuotedAndNotTriedFurther) {
  const absl::StatusOr<int> wrong = Check(Options("echo no such module >&2; exit 3"));
  ASSERT_TRUE(wrong.ok()) << wrong.status();
  EXPECT_EQ(*wrong, 1);
  EXPECT_THAT(out_.str(), AllOf(StartsWith("WRONG  a job from scratch failed: "),
                                HasSubstr("exited with status 3"), HasSubstr("no such module"),
                                HasSubstr("note   the other checks need this one first")));
}

TEST_F(CheckTrainerTest, SilentOneIsAskedWhetherItFlushes) {
  CheckTrainerOptions options = Options("exec sleep 1000");
  options.trainer.silence_limit = absl::Milliseconds(100);
  const absl::StatusOr<int> wrong = Check(options);
  ASSERT_TRUE(wrong.ok()) << wrong.status();
  EXPECT_EQ(*wrong, 1);
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("printed nothing for 100ms"), HasSubstr("flush")));
}

TEST_F(CheckTrainerTest, ConfigAndOptionsMustBeObjects) {
  CheckTrainerOptions options = Options("true");
  options.config = "{learning_rate: 1}";
  EXPECT_THAT(Check(options).status().ToString(),
              AllOf(HasSubstr("--config"), HasSubstr("learning_rate: 1")));
  options.config = "{}";
  options.objective_options = "[]";
  EXPECT_TRUE(absl::IsInvalidArgument(Check(options).status()));
}

TEST_F(CheckTrainerTest, ASignalEndsItAndItsFilesGo) {
  quit_.Set();
  EXPECT_TRUE(absl::IsCancelled(Check(WithBug("")).status()));
}

}  // namespace
}  // namespace halving
