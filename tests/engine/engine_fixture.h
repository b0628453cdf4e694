// EngineFixture: an Engine in a test's hands, batch by batch.
#ifndef HALVING_TESTS_ENGINE_ENGINE_FIXTURE_H_
#define HALVING_TESTS_ENGINE_ENGINE_FIXTURE_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/check.h"
#include "gtest/gtest.h"
#include "server/engine/engine.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fault_journal.h"
#include "tests/support/matchers.h"

namespace halving {

// A study of `trials` trials, which train one epoch each and then are done.
inline CreateStudy Flat(const std::string& name, int64_t trials,
                        const std::string& objective = "lenet") {
  return {.spec = {.name = name,
                   .objective = objective,
                   .parameters = {{"x", FloatRange{0, 1}}},
                   .halving = {.min_epochs = 1, .max_epochs = 1, .eta = 2},
                   .limits = {.max_evaluations = trials},
                   .lease = absl::Seconds(60)},
          .fallback_seed = 7};
}

// Holds what a callback is given, once it is.
class Answered {
 public:
  void Set(absl::StatusOr<Engine::Reply> reply) {
    ++times_;
    reply_ = std::move(reply);
  }
  int times() const { return times_; }
  bool waits() const { return times_ == 0; }
  const absl::StatusOr<Engine::Reply>& reply() const { return reply_; }
  // 0: none.
  TrialId trial() const {
    return reply_.ok() && reply_->assignment.has_value() ? reply_->assignment->lease.trial : 0;
  }

 private:
  int times_ = 0;
  absl::StatusOr<Engine::Reply> reply_ = absl::UnknownError("not answered yet");
};
using Pending = std::shared_ptr<Answered>;

// Engine on a FakeClock and a FaultJournal. Each call that says "Start" posts; Run() carries out
// all that was posted, in one batch. That each call is answered once is checked at the end.
// Thread-compatible.
class EngineFixture {
 public:
  EngineFixture() { Restart(); }
  ~EngineFixture() {
    engine_->Stop();
    for (const Pending& pending : all_) EXPECT_EQ(pending->times(), 1) << "answers to one call";
  }
  EngineFixture(const EngineFixture&) = delete;
  EngineFixture& operator=(const EngineFixture&) = delete;

  // The process is killed and starts again.
  void Restart() {
    if (engine_ != nullptr) engine_->Stop();
    absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Create(&journal, &clock);
    HV_CHECK(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
  }

  Engine& engine() { return *engine_; }
  void Run() { engine_->RunOnce(); }

  // Time passes as for a server that runs: a batch whenever one is due.
  void Pass(absl::Duration by) {
    const absl::Time end = clock.Now() + by;
    while (engine_->NextWake() <= end) {
      clock.Advance(std::max(absl::ZeroDuration(), engine_->NextWake() - clock.Now()));
      Run();
    }
    clock.Advance(end - clock.Now());
    Run();
  }

  // ---- posted, to be answered by a later batch
  Pending StartCommand(Command command) {
    const Pending pending = NewPending();
    engine_->Post(std::move(command), Into(pending));
    return pending;
  }
  Pending StartAsk(Ask ask, absl::Duration wait = absl::Seconds(30), Engine::Gone gone = nullptr) {
    if (ask.request_id.empty()) ask.request_id = absl::StrCat("ask-", ++asks_);
    const Pending pending = NewPending();
    engine_->PostAsk(std::move(ask), wait, std::move(gone), Into(pending));
    return pending;
  }
  Pending StartAsk(const std::string& worker, absl::Duration wait = absl::Seconds(30),
                   Engine::Gone gone = nullptr) {
    return StartAsk(Ask{.worker = worker}, wait, std::move(gone));
  }
  Pending StartReport(const LeaseKey& lease, Outcome outcome,
                      std::optional<Ask> next = std::nullopt,
                      absl::Duration wait = absl::ZeroDuration(), Engine::Gone gone = nullptr) {
    const Pending pending = NewPending();
    engine_->PostReport({.lease = lease, .outcome = std::move(outcome)}, std::move(next), wait,
                        std::move(gone), Into(pending));
    return pending;
  }
  // The status of a read, or of a watch, as that of a reply.
  Pending StartRead() {
    const Pending pending = NewPending();
    engine_->PostRead(StatusInto(pending));
    return pending;
  }
  Pending StartWatch(const std::string& study, uint64_t version,
                     absl::Time earliest = absl::InfinitePast(), Engine::Gone gone = nullptr) {
    const Pending pending = NewPending();
    engine_->PostWatch(study, version, earliest, std::move(gone), StatusInto(pending));
    return pending;
  }

  // ---- in a batch of their own
  absl::StatusOr<Engine::Reply> Call(Command command) {
    const Pending pending = StartCommand(std::move(command));
    Run();
    return pending->reply();
  }
  absl::StatusOr<Engine::Reply> CallReport(const LeaseKey& lease, Outcome outcome) {
    const Pending pending = StartReport(lease, std::move(outcome));
    Run();
    return pending->reply();
  }
  // The trial that the worker gets at once, without waiting.
  Assignment Take(const std::string& worker) {
    const Pending pending = StartAsk(worker, absl::ZeroDuration());
    Run();
    EXPECT_NE(pending->trial(), 0) << worker << " got nothing: " << pending->reply().status();
    return pending->trial() == 0 ? Assignment{} : *pending->reply()->assignment;
  }

  // What the engine knows, and what a replay of the journal would.
  std::string Known() {
    std::string text;
    engine_->PostRead([&text](const absl::Status& status, const Engine::View& view) {
      text = status.ok() ? view.scheduler.DebugString() : status.ToString();
    });
    Run();
    return text;
  }
  std::string Replayed() const {
    Scheduler scheduler;
    for (const Event& event : journal.events()) scheduler.Apply(event);
    return scheduler.DebugString();
  }
  uint64_t VersionOf(const std::string& study) {
    uint64_t version = 0;
    engine_->PostRead([&](const absl::Status&, const Engine::View& view) {
      if (view.scheduler.FindStudy(study) != nullptr) {
        version = view.scheduler.FindStudy(study)->version();
      }
    });
    Run();
    return version;
  }

  FakeClock clock;
  FaultJournal journal;

 private:
  Pending NewPending() { return all_.emplace_back(std::make_shared<Answered>()); }
  static Engine::Done Into(const Pending& pending) {
    return [pending](absl::StatusOr<Engine::Reply> reply, const Engine::View&) {
      pending->Set(std::move(reply));
    };
  }
  static Engine::ReadDone StatusInto(const Pending& pending) {
    return [pending](const absl::Status& status, const Engine::View&) {
      status.ok() ? pending->Set(Engine::Reply{}) : pending->Set(status);
    };
  }

  std::unique_ptr<Engine> engine_;
  std::vector<Pending> all_;
  int asks_ = 0;
};

// How many events of one kind there are.
template <typename T>
int CountOf(const std::vector<Event>& events) {
  int count = 0;
  for (const Event& event : events) count += std::holds_alternative<T>(event) ? 1 : 0;
  return count;
}

}  // namespace halving

#endif  // HALVING_TESTS_ENGINE_ENGINE_FIXTURE_H_
