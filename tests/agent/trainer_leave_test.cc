// How a trainer leaves: what still counts between SIGTERM and its end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "tests/agent/test_util.h"
#include "worker/agent/trainer.h"

namespace halving {
namespace {

using nlohmann::json;
using testing::ElementsAre;

// Keeps what a job says, and does something at its first epoch, when the trainer is known to be at
// the step after it.
struct Listener : TrainingObserver {
  void OnEpoch(int64_t epoch, double error) override {
    said.push_back(absl::StrCat("epoch ", epoch, " ", error));
    if (said.size() == 1) at_first_epoch();
  }
  void OnCheckpoint(int64_t epoch) override {
    said.push_back(absl::StrCat("checkpoint ", epoch, ": ", ReadFile(checkpoint)));
    at_checkpoint();
  }
  std::vector<std::string> said;
  std::string checkpoint;
  std::function<void()> at_first_epoch = [] {};
  std::function<void()> at_checkpoint = [] {};
};

class TrainerLeaveTest : public testing::Test {
 protected:
  TrainerLeaveTest() {
    signal(SIGPIPE, SIG_IGN);
    listener_.checkpoint = temp_.File("out");
    listener_.at_first_epoch = [this] { leave_.Set(); };
  }

  static json Point(int64_t epoch) {
    return {"print", absl::StrCat("{\"epoch\":", epoch, ",\"error\":0.5}")};
  }
  static json Announce(int64_t epoch) {
    return {"print", absl::StrCat("{\"checkpoint\":{\"epoch\":", epoch, "}}")};
  }
  static json Print(const std::string& text) { return {"print", text}; }

  // Trains with the fake trainer below `before` and `after` of a shell command.
  std::string Run(const json& script, const std::string& before = "exec ",
                  const std::string& after = "") {
    Trainer trainer(
        {.process = {.guard = HALVING_WORKER, .command = absl::StrCat(before, FAKE_TRAINER, after)},
         .silence_limit = kTestTimeout,
         .stop_grace = kTestTimeout,
         .leave_grace = leave_grace_});
    const json job = {{"checkpoint_out", listener_.checkpoint}, {"options", {{"script", script}}}};
    const TrainingEnd end = trainer.Run(
        {.name = "job", .line = json{{"job", job}}.dump(), .from_epoch = 0, .to_epoch = 4},
        &listener_, drop_, leave_);
    if (const auto* done = std::get_if<DoneLine>(&end)) return absl::StrCat("done ", done->error);
    const auto* failed = std::get_if<TrainingFailed>(&end);
    return failed == nullptr ? "interrupted" : absl::StrCat("failed: ", failed->failed.reason);
  }

  TempDir temp_;
  Listener listener_;
  WakeEvent drop_;
  WakeEvent leave_;
  absl::Duration leave_grace_ = kTestTimeout;
};

TEST_F(TrainerLeaveTest, EpochAndCheckpointAfterSigtermCount) {
  EXPECT_EQ(Run({{"catch_sigterm"},
                 Point(1),
                 {"await_sigterm"},
                 Point(2),
                 {"checkpoint", "two"},
                 Announce(2),
                 {"exit", 3}}),
            "interrupted");
  EXPECT_THAT(listener_.said, ElementsAre("epoch 1 0.5", "epoch 2 0.5", "checkpoint 2: two"));
}

TEST_F(TrainerLeaveTest, SoTheyDoBelowAShellThatDiesAtOnce) {
  EXPECT_EQ(Run({{"catch_sigterm"},
                 Point(1),
                 {"await_sigterm"},
                 {"checkpoint", "one"},
                 Announce(1),
                 {"exit", 0}},
                "", "; true"),
            "interrupted");
  EXPECT_THAT(listener_.said, ElementsAre("epoch 1 0.5", "checkpoint 1: one"));
}

TEST_F(TrainerLeaveTest, DoneInTimeCounts) {
  EXPECT_EQ(Run({{"catch_sigterm"},
                 Point(1),
                 {"await_sigterm"},
                 Point(4),
                 Print(R"({"done":{"error":0.25}})")}),
            "done 0.25");
}

TEST_F(TrainerLeaveTest, OneThatDiesOfTheSignalIsNoFailure) {
  EXPECT_EQ(Run({Point(1), {"hang"}}), "interrupted");
}

TEST_F(TrainerLeaveTest, NeitherIsWhatItSaysThen) {
  EXPECT_EQ(Run({{"catch_sigterm"},
                 Point(1),
                 {"await_sigterm"},
                 Print(R"({"failed":{"reason":"KeyboardInterrupt"}})"),
                 Print(R"({"epoch":"two"})"),
                 Point(9),
                 Point(2),
                 {"exit", 1}}),
            "interrupted");
  EXPECT_THAT(listener_.said, ElementsAre("epoch 1 0.5", "epoch 2 0.5"));
}

TEST_F(TrainerLeaveTest, StubbornOneIsKilledAfterTheGraceAndItsLastWordsAreHeard) {
  leave_grace_ = absl::ZeroDuration();
  // What it says while the worker is busy with epoch 1 stands in the pipe when it is killed.
  listener_.at_first_epoch = [this] {
    leave_.Set();
    WriteFile(temp_.File("go"), "");
    EXPECT_TRUE(Eventually([this] { return std::filesystem::exists(temp_.File("said")); }));
  };
  EXPECT_EQ(Run({{"ignore_sigterm"},
                 Point(1),
                 {"await", temp_.File("go")},
                 {"checkpoint", "one"},
                 Announce(1),
                 Point(2),
                 {"save", temp_.File("said")},
                 {"hang"}}),
            "interrupted");
  EXPECT_THAT(listener_.said, ElementsAre("epoch 1 0.5", "checkpoint 1: one", "epoch 2 0.5"));
}

TEST_F(TrainerLeaveTest, DroppedWhileLeavingItIsKilledAtOnce) {
  leave_grace_ = absl::Hours(1);  // Waited for, the test would not end in time.
  listener_.at_checkpoint = [this] { drop_.Set(); };
  EXPECT_EQ(Run({{"catch_sigterm"}, Point(1), {"await_sigterm"}, Announce(1), {"hang"}}),
            "interrupted");
}

TEST_F(TrainerLeaveTest, DroppedWorkIsNotHeardToTheEnd) {
  listener_.at_first_epoch = [this] { drop_.Set(); };
  EXPECT_EQ(Run({{"catch_sigterm"}, Point(1), {"await_sigterm"}, Point(2), {"exit", 0}}),
            "interrupted");
  EXPECT_THAT(listener_.said, ElementsAre("epoch 1 0.5"));
}

TEST_F(TrainerLeaveTest, NothingIsBegunWhenLeaving) {
  leave_.Set();
  EXPECT_EQ(Run({{"save", temp_.File("begun")}, Point(1), {"hang"}}), "interrupted");
  EXPECT_FALSE(std::filesystem::exists(temp_.File("begun")));
}

}  // namespace
}  // namespace halving
