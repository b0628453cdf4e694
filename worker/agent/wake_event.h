// WakeEvent: one thread tells others, once, and they may be inside poll().
#ifndef HALVING_WORKER_AGENT_WAKE_EVENT_H_
#define HALVING_WORKER_AGENT_WAKE_EVENT_H_

#include <poll.h>

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/unique_fd.h"

namespace halving {

// WakeEvent is set once and stays set. Thread-safe.
//
// A waiter that learnt of it by WaitFor() or by polling fd() may destroy it at once: Set() touches
// nothing after the descriptor is readable. One that only looked at IsSet() may not.
class WakeEvent {
 public:
  WakeEvent();
  WakeEvent(const WakeEvent&) = delete;
  WakeEvent& operator=(const WakeEvent&) = delete;

  void Set();
  bool IsSet() const { return set_time() != absl::InfiniteFuture(); }

  // When Set() was first called; the infinite future until then.
  absl::Time set_time() const;

  // True when it is set, false when `timeout` passed first.
  bool WaitFor(absl::Duration timeout) const;

  // Readable once it is set.
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  std::atomic<int64_t> set_nanos_;  // Since the epoch; kNever until Set().
};

// poll() for at most `timeout`, gone on with after a signal. The number of descriptors ready.
int PollFor(absl::Span<pollfd> fds, absl::Duration timeout);

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_WAKE_EVENT_H_
