// The engine on its own thread, with callers on several others.
#include <array>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/engine_fixture.h"

namespace halving {
namespace {

using absl::StatusCode;

constexpr int kThreads = 4;
constexpr int kCallsPerThread = 300;

// Blocks until it was opened, or for so long that it never will be. Thread-safe.
class Gate {
 public:
  void Open() {
    MutexLock lock(&mu_);
    open_ = true;
    opened_.NotifyAll();
  }
  void Wait() {
    MutexLock lock(&mu_);
    while (!open_) ASSERT_TRUE(opened_.WaitFor(&mu_, absl::Seconds(60)) || open_) << "never came";
  }

 private:
  Mutex mu_;
  CondVar opened_;
  bool open_ ABSL_GUARDED_BY(mu_) = false;
};

class EngineThreadsTest : public testing::Test {
 protected:
  EngineThreadsTest() {
    absl::StatusOr<std::unique_ptr<Engine>> created = Engine::Create(&journal_, &clock_);
    HV_CHECK(created.ok()) << created.status();
    engine_ = *std::move(created);
  }

  // What a call of its own kind counts each time it is answered.
  Engine::Done Count(int call) {
    return [this, call](absl::StatusOr<Engine::Reply> reply, const Engine::View&) {
      ++answers_[call];
      if (reply.ok() && reply->assignment.has_value()) {
        MutexLock lock(&mu_);
        leases_.push_back(reply->assignment->lease);
      }
    };
  }
  Engine::ReadDone CountRead(int call) {
    return [this, call](const absl::Status&, const Engine::View& view) {
      ++answers_[call];
      EXPECT_THAT(view.scheduler.CheckInvariants(), IsOk());
    };
  }
  std::optional<LeaseKey> SomeLease() {
    MutexLock lock(&mu_);
    if (leases_.empty()) return std::nullopt;
    const LeaseKey lease = leases_.back();
    leases_.pop_back();
    return lease;
  }

  // One of all kinds of calls; every fifth caller leaves at once.
  void PostOne(int thread, int i) {
    const int call = thread * kCallsPerThread + i;
    const Engine::Gone gone = Engine::NewGone();
    const std::string worker = absl::StrCat("w", thread);
    Ask ask{.worker = worker, .request_id = absl::StrCat(call), .incarnation = "1"};
    const std::optional<LeaseKey> lease = i % 3 == 0 ? SomeLease() : std::nullopt;
    if (lease.has_value()) {
      engine_->PostReport({.lease = *lease, .outcome = Completed{.error = 0.5}}, std::move(ask),
                          absl::Seconds(30), gone, Count(call));
    } else if (i % 7 == 1) {
      engine_->Post(Flat(absl::StrCat("s", i % 20), 10), Count(call));
    } else if (i % 7 == 2) {
      engine_->PostRead(CountRead(call));
    } else if (i % 7 == 3) {
      engine_->PostWatch(absl::StrCat("s", i % 20), 0, absl::InfinitePast(), gone, CountRead(call));
    } else {
      engine_->PostAsk(std::move(ask), absl::Seconds(i % 2 == 0 ? 30 : 0), gone, Count(call));
    }
    if (i % 5 == 0) {
      gone->store(true);
      engine_->Sweep();
    }
  }

  std::vector<std::thread> PostFromAllThreads() {
    std::vector<std::thread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([this, thread] {
        for (int i = 0; i < kCallsPerThread; ++i) PostOne(thread, i);
      });
    }
    return threads;
  }

  void ExpectEachAnsweredOnce() {
    for (size_t call = 0; call < answers_.size(); ++call) {
      EXPECT_EQ(answers_[call].load(), 1) << "call " << call;
    }
  }

  FakeClock clock_;
  FaultJournal journal_;
  std::unique_ptr<Engine> engine_;
  std::array<std::atomic<int>, kThreads* kCallsPerThread> answers_ = {};
  Mutex mu_;
  std::vector<LeaseKey> leases_ ABSL_GUARDED_BY(mu_);
};

TEST_F(EngineThreadsTest, EveryCallIsAnsweredOnce) {
  engine_->Start();
  for (std::thread& thread : PostFromAllThreads()) thread.join();
  engine_->Stop();
  ExpectEachAnsweredOnce();
}

TEST_F(EngineThreadsTest, EveryCallIsAnsweredOnceThoughTheServerDrainsMeanwhile) {
  engine_->Start();
  std::vector<std::thread> threads = PostFromAllThreads();
  engine_->Drain();
  for (std::thread& thread : threads) thread.join();
  engine_->Stop();
  ExpectEachAnsweredOnce();
}

TEST_F(EngineThreadsTest, EveryCallIsAnsweredOnceThoughTheEngineStopsMeanwhile) {
  engine_->Start();
  std::vector<std::thread> threads = PostFromAllThreads();
  engine_->Stop();
  for (std::thread& thread : threads) thread.join();
  engine_.reset();  // What came after Stop().
  ExpectEachAnsweredOnce();
}

TEST_F(EngineThreadsTest, EveryCallIsAnsweredOnceThoughTheDiskIsFullMeanwhile) {
  std::atomic<int> health_changes = 0;
  engine_->OnHealthChange([&health_changes](bool) { ++health_changes; });
  engine_->Start();
  std::vector<std::thread> threads = PostFromAllThreads();
  journal_.FillDisk(1);
  clock_.Advance(absl::Seconds(1));
  for (std::thread& thread : threads) thread.join();
  engine_->Stop();
  ExpectEachAnsweredOnce();
}

TEST_F(EngineThreadsTest, TheJournalHoldsWhatTheEngineKnows) {
  engine_->Start();
  for (std::thread& thread : PostFromAllThreads()) thread.join();
  std::string known;
  Gate read;
  engine_->PostRead([&](const absl::Status&, const Engine::View& view) {
    known = view.scheduler.DebugString();
    read.Open();
  });
  read.Wait();
  engine_->Stop();
  Scheduler replayed;
  for (const Event& event : journal_.events()) replayed.Apply(event);
  EXPECT_EQ(replayed.DebugString(), known);
}

TEST_F(EngineThreadsTest, ACallWakesTheIdleThread) {
  engine_->Start();
  for (int i = 0; i < 100; ++i) {
    Gate answered;
    engine_->PostRead([&answered](const absl::Status&, const Engine::View&) { answered.Open(); });
    answered.Wait();
  }
}

TEST_F(EngineThreadsTest, ACallbackMayPost) {
  engine_->Start();
  Gate answered;
  engine_->PostRead([&](const absl::Status&, const Engine::View&) {
    engine_->PostRead([&answered](const absl::Status&, const Engine::View&) { answered.Open(); });
  });
  answered.Wait();
}

TEST_F(EngineThreadsTest, AfterARestartALeaseEndsThoughNobodyCalls) {
  CreateStudy create = Flat("s", 1);
  create.spec.lease = absl::Seconds(1);
  engine_->Post(create, Count(0));
  engine_->PostAsk({.worker = "a", .request_id = "r"}, absl::ZeroDuration(), nullptr, Count(1));
  engine_->RunOnce();
  engine_ = *Engine::Create(&journal_, &clock_);
  Gate ended;
  journal_.OnAppend([&ended](const std::vector<Event>& events) {
    if (CountOf<AttemptFailed>(events) > 0) ended.Open();
  });
  clock_.Advance(absl::Seconds(2));
  engine_->Start();
  ended.Wait();
  engine_->Stop();
}

TEST_F(EngineThreadsTest, StopAnswersWhatCallbacksPostMeanwhile) {
  std::atomic<bool> answered = false;
  engine_->PostAsk({.worker = "a", .request_id = "r"}, absl::Seconds(30), nullptr,
                   [&](absl::StatusOr<Engine::Reply>, const Engine::View&) {
                     engine_->PostRead([&answered](const absl::Status&, const Engine::View&) {
                       answered = true;
                     });
                   });
  engine_->Stop();
  EXPECT_TRUE(answered);
}

TEST_F(EngineThreadsTest, StopMayBeCalledTwiceAndWithoutStart) {
  engine_->Stop();
  engine_->Stop();
}

TEST_F(EngineThreadsTest, AnEngineThatWasNeverStartedAnswersWhenItIsDestroyed) {
  bool answered = false;
  engine_->PostRead([&answered](const absl::Status&, const Engine::View&) { answered = true; });
  engine_.reset();
  EXPECT_TRUE(answered);
}

}  // namespace
}  // namespace halving
