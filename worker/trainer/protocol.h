// The JSON lines that a worker and its trainer exchange: a job comes in, events go out.
//
// Pure functions on text, so that tests and fuzzers need neither LibTorch nor a process.
#ifndef HALVING_WORKER_TRAINER_PROTOCOL_H_
#define HALVING_WORKER_TRAINER_PROTOCOL_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace halving {

// What one job line asks for: train one trial from `from_epoch` until it has had `to_epoch` epochs.
struct Job {
  std::string study;
  int64_t trial_id = 0;
  std::string objective;
  nlohmann::json options = nlohmann::json::object();  // Always an object; the study's constants.
  nlohmann::json config = nlohmann::json::object();   // Always an object; the hyper-parameters.
  int64_t from_epoch = 0;                             // 0, or where checkpoint_in stands.
  int64_t to_epoch = 0;                               // Above from_epoch.
  int64_t seed = 0;                                   // For weights and shuffling.
  std::string checkpoint_in;                          // Set exactly when from_epoch > 0.
  std::string checkpoint_out;                         // Empty: no checkpoint is wanted.
  std::optional<int64_t> max_epochs;                  // Of the study's top rung, where known.
  absl::Duration checkpoint_interval;                 // Zero: a checkpoint at the end only.
};

// INVALID_ARGUMENT quotes the line and names what is wrong. Fields that are not known are ignored,
// since a newer worker may send more.
absl::StatusOr<Job> ParseJob(absl::string_view line);

// How a job ended that did not reach its last epoch.
struct Failure {
  std::string reason;
  bool retryable = false;
  bool unusable_checkpoint = false;  // checkpoint_in cannot be gone on from; nothing was trained.
  bool out_of_memory = false;        // Of the device or the host; a bigger one may do.
};

// INVALID_ARGUMENT: the job itself is at fault, so trying again cannot help. DATA_LOSS: the
// checkpoint is at fault. RESOURCE_EXHAUSTED: the memory is too small. Anything else, and these
// two, may be different on another worker or another day.
Failure FailureOf(const absl::Status& status);

// One line each, without its newline. An error that is not finite is written as a quoted string
// ("NaN", "Infinity", "-Infinity"), which every JSON parser takes. Never fails: bytes that are not
// UTF-8 are replaced.
std::string EpochLine(int64_t epoch, double error);
std::string CheckpointLine(int64_t epoch);
std::string DoneLine(double error, const std::map<std::string, double>& metrics);
std::string FailedLine(const Failure& failure);

}  // namespace halving

#endif  // HALVING_WORKER_TRAINER_PROTOCOL_H_
