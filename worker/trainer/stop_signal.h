// SIGTERM as something to look at instead of something that interrupts.
#ifndef HALVING_WORKER_TRAINER_STOP_SIGNAL_H_
#define HALVING_WORKER_TRAINER_STOP_SIGNAL_H_

#include "absl/status/statusor.h"

namespace halving {

// StopSignal keeps SIGTERM from ending the process, and tells whether it came. The worker sends it
// to have the job dropped; what has been trained by then is worth a checkpoint.
//
// The signal's handler makes a descriptor readable and does nothing else, so that one poll() waits
// for the signal and for input without a race between the two. A blocked signal with a signalfd
// would need no handler, but libraries begin threads before main(), OpenBLAS for one, and a thread
// that does not block the signal would still die of it.
//
// Thread-safe. A process has one, until its end.
class StopSignal {
 public:
  // INTERNAL: the system has no descriptor left.
  static absl::StatusOr<StopSignal> TakeSigterm();

  // Whether SIGTERM has come. Once true, always true.
  bool Raised() const;

  // Readable, for poll(), once SIGTERM has come. Nobody may read from it, since that forgets it.
  int fd() const { return fd_; }

 private:
  explicit StopSignal(int fd) : fd_(fd) {}

  int fd_;  // An eventfd. Never closed, since the handler may write to it until the end.
};

}  // namespace halving

#endif  // HALVING_WORKER_TRAINER_STOP_SIGNAL_H_
