// Leave and Patience: the wish that the worker go, and what may still be finished then.
#ifndef HALVING_WORKER_AGENT_PATIENCE_H_
#define HALVING_WORKER_AGENT_PATIENCE_H_

#include <algorithm>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "worker/agent/wake_event.h"

namespace halving {

// Patience says how long something may go on: for ever, or for `grace` once `quit` is set.
// Thread-safe.
struct Patience {
  const WakeEvent* quit = nullptr;  // Not owned; null: never.
  absl::Duration grace;

  // Infinite until `quit` is set.
  absl::Duration Left() const {
    if (quit == nullptr || !quit->IsSet()) return absl::InfiniteDuration();
    return std::max(quit->set_time() + grace - Clock::Real()->Now(), absl::ZeroDuration());
  }
  bool Over() const { return Left() <= absl::ZeroDuration(); }

  // Waits for `duration`, or until `quit` becomes set in the meantime, or patience is over.
  void Wait(absl::Duration duration) const {
    if (quit != nullptr && !quit->IsSet()) {
      quit->WaitFor(duration);
    } else {
      halving::SleepFor(std::min(duration, Left()));
    }
  }
};

// Leave is asked for once, by a signal, with the reason that the server will be told. Thread-safe.
class Leave {
 public:
  void Request(std::string reason) ABSL_LOCKS_EXCLUDED(mu_) {
    {
      MutexLock lock(&mu_);
      if (reason_.empty()) reason_ = std::move(reason);
    }
    event_.Set();
  }

  bool requested() const { return event_.IsSet(); }
  const WakeEvent& event() const { return event_; }

  std::string reason() const ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(&mu_);
    return reason_;
  }

 private:
  WakeEvent event_;
  mutable Mutex mu_;
  std::string reason_ ABSL_GUARDED_BY(mu_);
};

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_PATIENCE_H_
