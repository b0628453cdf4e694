// Clock: the one source of time, so that tests can move it by hand.
#ifndef HALVING_COMMON_CLOCK_H_
#define HALVING_COMMON_CLOCK_H_

#include "absl/time/time.h"

namespace halving {

// Reads the time. Implementations are thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;

  // Never goes back, and runs at the speed of real time whatever is done to the wall clock: the
  // wall clock's reading when the process started plus the monotonic time since.
  virtual absl::Time Now() = 0;

  // The process's real clock. Lives for ever.
  static Clock* Real();
};

// Blocks the calling thread. Only for retry loops against other processes.
void SleepFor(absl::Duration duration);

}  // namespace halving

#endif  // HALVING_COMMON_CLOCK_H_
