// JobRunner: a job line in, event lines out.
#ifndef HALVING_WORKER_TRAINER_JOB_RUNNER_H_
#define HALVING_WORKER_TRAINER_JOB_RUNNER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "worker/trainer/objective.h"
#include "worker/trainer/protocol.h"

namespace halving {

using Objectives = std::map<std::string, std::unique_ptr<Objective>>;

// Hands one event line, without its newline, to the worker. An error means that nobody listens.
using WriteLine = std::function<absl::Status(const std::string& line)>;

// JobRunner trains what job lines ask for and reports each step. It knows the protocol and
// checkpoints, but no model: objectives do the training.
//
// Thread-compatible: one thread reads lines and calls HandleLine for each.
class JobRunner {
 public:
  JobRunner(Objectives objectives, WriteLine write);

  // Runs one job to its `done` or `failed` line; a blank line is nothing. An error means that the
  // process must end: nobody listens any more, or LibTorch failed in a way that leaves it unknown.
  absl::Status HandleLine(absl::string_view line);

 private:
  absl::Status Run(const Job& job);
  absl::Status TrainAndReport(const Job& job, Training* training);
  absl::Status Emit(const std::string& line);

  const Objectives objectives_;
  const WriteLine write_;
  absl::Status output_;  // The first failure of write_.
};

}  // namespace halving

#endif  // HALVING_WORKER_TRAINER_JOB_RUNNER_H_
