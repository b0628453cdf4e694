// CheckTrainer: a trainer's first day at work, without a server.
#ifndef HALVING_WORKER_AGENT_CHECK_TRAINER_H_
#define HALVING_WORKER_AGENT_CHECK_TRAINER_H_

#include <cstdint>
#include <ostream>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "worker/agent/trainer.h"
#include "worker/agent/wake_event.h"

namespace halving {

struct CheckTrainerOptions {
  Trainer::Options trainer;
  std::string objective;
  std::string config = "{}";  // JSON objects, as a job holds them.
  std::string objective_options = "{}";
  int64_t epochs = 2;                             // Of the first job; others take twice that.
  absl::Duration close_grace = absl::Seconds(5);  // From the end of its input to its own.
};

// Runs the trainer through jobs as a worker would give it (from scratch, from a checkpoint, from a
// broken one, cut short by SIGTERM) and writes a line a rule of docs/trainers.md to `out`: "ok",
// "note" where it works but loses something, "WRONG" where trials would fail or their results
// lie. Returns how many are WRONG. Its files are in a temporary folder, which is removed.
//
// INVALID_ARGUMENT when config or options are no JSON objects, CANCELLED once `quit` is set.
// SIGPIPE must be ignored in the process.
absl::StatusOr<int> CheckTrainer(const CheckTrainerOptions& options, const WakeEvent& quit,
                                 std::ostream& out);

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_CHECK_TRAINER_H_
