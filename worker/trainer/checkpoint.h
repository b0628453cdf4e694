// Checkpoint files: an objective's state with what identifies it, as safetensors.
#ifndef HALVING_WORKER_TRAINER_CHECKPOINT_H_
#define HALVING_WORKER_TRAINER_CHECKPOINT_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "worker/trainer/protocol.h"
#include "worker/trainer/safetensors.h"

namespace halving {

// Writes `state`, after `epoch` epochs of `job`, to job.checkpoint_out, durable and in one step.
absl::Status WriteCheckpoint(const Job& job, int64_t epoch, Safetensors state);

// What job.checkpoint_in holds; none when the job starts afresh. DATA_LOSS when the file is
// missing, unreadable, damaged, of another objective or of another epoch than job.from_epoch.
absl::StatusOr<std::optional<Safetensors>> ReadCheckpoint(const Job& job);

}  // namespace halving

#endif  // HALVING_WORKER_TRAINER_CHECKPOINT_H_
