// What a trainer can train: the seam between the job loop and LibTorch.
#ifndef HALVING_WORKER_TRAINER_OBJECTIVE_H_
#define HALVING_WORKER_TRAINER_OBJECTIVE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "worker/trainer/protocol.h"
#include "worker/trainer/safetensors.h"

namespace halving {

// Training is one trial on its way: a model, its optimiser, and how many epochs it has had.
//
// Every method may fail with INTERNAL, after which nothing of the process is to be trusted, or with
// RESOURCE_EXHAUSTED when the device's memory is too small. Thread-compatible: one job, one thread.
class Training {
 public:
  virtual ~Training() = default;

  // Trains the next epoch; the error on the validation examples. NaN: the training diverged.
  virtual absl::StatusOr<double> RunEpoch() = 0;

  // The error on examples that no decision of the study ever sees.
  virtual absl::StatusOr<double> TestError() = 0;

  // All that the next epochs depend on, besides the job.
  virtual absl::StatusOr<Safetensors> State() = 0;
};

// Objective starts trainings. To add one, implement this in a file of its own and name it in
// objectives.cc. Thread-compatible: the thread that runs jobs owns it.
class Objective {
 public:
  virtual ~Objective() = default;

  // `state` is what State() gave after job.from_epoch epochs, null when that is 0.
  // INVALID_ARGUMENT: options or config are wrong, and how. DATA_LOSS: `state` is not one of this
  // objective under these options. NOT_FOUND, FAILED_PRECONDITION: this machine's data.
  virtual absl::StatusOr<std::unique_ptr<Training>> Start(const Job& job,
                                                          const Safetensors* state) = 0;
};

}  // namespace halving

#endif  // HALVING_WORKER_TRAINER_OBJECTIVE_H_
