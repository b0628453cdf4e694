// Backoff: how long to wait before trying again.
#ifndef HALVING_WORKER_AGENT_BACKOFF_H_
#define HALVING_WORKER_AGENT_BACKOFF_H_

#include "absl/time/time.h"

namespace halving {

// Between `duration` and 1.5 times it, at random: workers that were told to wait come back apart.
absl::Duration Jittered(absl::Duration duration);

// Backoff doubles its waits from `first` up to `cap`, each with jitter. Thread-compatible.
class Backoff {
 public:
  Backoff(absl::Duration first, absl::Duration cap) : first_(first), cap_(cap), base_(first) {}

  // The next wait: between half of the current one and all of it.
  absl::Duration Next();

  // Starts from `first` again, after a success.
  void Reset() { base_ = first_; }

 private:
  const absl::Duration first_;
  const absl::Duration cap_;
  absl::Duration base_;
};

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_BACKOFF_H_
