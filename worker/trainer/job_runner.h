// JobRunner: a job line in, event lines out.
#ifndef HALVING_WORKER_TRAINER_JOB_RUNNER_H_
#define HALVING_WORKER_TRAINER_JOB_RUNNER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "worker/trainer/objective.h"
#include "worker/trainer/protocol.h"

namespace halving {

using Objectives = std::map<std::string, std::unique_ptr<Objective>>;

// Hands one event line, without its newline, to the worker. An error means that nobody listens.
using WriteLine = std::function<absl::Status(const std::string& line)>;

// Whether the worker wants the job dropped. Once true, always true.
using StopWanted = std::function<bool()>;

// JobRunner trains what job lines ask for and reports each step. It knows the protocol and
// checkpoints, but no model: objectives do the training.
//
// It asks `stop_wanted` before each epoch. Where that says so, it saves what is not saved yet and
// leaves the job without `done` or `failed`, so that the trial goes on elsewhere.
//
// Thread-compatible: one thread reads lines and calls HandleLine for each.
class JobRunner {
 public:
  // The clock, which tells when a checkpoint is due, must outlive the runner.
  JobRunner(Objectives objectives, WriteLine write, Clock* clock, StopWanted stop_wanted);

  // Runs one job to its `done` or `failed` line, or to where it is to stop; a blank line is
  // nothing. An error means that the process must end: nobody listens any more (UNAVAILABLE),
  // LibTorch failed in a way that leaves it unknown (INTERNAL), or the memory was too small
  // (RESOURCE_EXHAUSTED). In the last case what is left of it is kept by allocators out of reach
  // from here, CUDA's among them, and only the end of the process gives all of it back.
  absl::Status HandleLine(absl::string_view line);

 private:
  // How far a job has come.
  struct Progress {
    int64_t epoch = 0;
    int64_t saved_epoch = 0;  // Of the last checkpoint, or of checkpoint_in.
    absl::Time saved_at;      // When that was, or the job began.
    double error = 0;         // After `epoch` epochs, once any has been trained.
  };

  absl::Status Run(const Job& job);
  absl::Status TrainAndReport(const Job& job, absl::Time began, Training* training);
  absl::Status Finish(const Job& job, Training* training, Progress* progress);
  absl::Status Leave(const Job& job, Training* training, Progress* progress);
  absl::Status SaveIfDue(const Job& job, Training* training, Progress* progress);
  absl::Status Save(const Job& job, Training* training, Progress* progress);
  absl::Status Emit(const std::string& line);

  const Objectives objectives_;
  const WriteLine write_;
  Clock* const clock_;
  const StopWanted stop_wanted_;
  absl::Status output_;  // The first failure of write_.
};

}  // namespace halving

#endif  // HALVING_WORKER_TRAINER_JOB_RUNNER_H_
