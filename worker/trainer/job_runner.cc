#include "worker/trainer/job_runner.h"

#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status.h"
#include "spdlog/spdlog.h"
#include "worker/trainer/checkpoint.h"

namespace halving {
namespace {

absl::Status UnknownObjective(const std::string& name, const Objectives& objectives) {
  const std::string known =
      absl::StrJoin(objectives, ", ",
                    [](std::string* out, const auto& entry) { absl::StrAppend(out, entry.first); });
  // Not the job's fault: another worker's trainer may have it.
  return absl::NotFoundError(absl::StrCat("objective is \"", name,
                                          "\", which this trainer does not have; it has ", known));
}

// The test set costs as much as a tenth of an epoch, so it is looked at where it counts: at the top
// rung, or everywhere when nobody said where that is.
bool WantsTestError(const Job& job) {
  return job.max_epochs.value_or(job.to_epoch) == job.to_epoch;
}

}  // namespace

JobRunner::JobRunner(Objectives objectives, WriteLine write)
    : objectives_(std::move(objectives)), write_(std::move(write)) {}

absl::Status JobRunner::HandleLine(absl::string_view line) {
  if (absl::StripAsciiWhitespace(line).empty()) return absl::OkStatus();
  const absl::StatusOr<Job> job = ParseJob(line);
  const absl::Status status = job.ok() ? Run(*job) : job.status();
  if (!output_.ok()) return output_;
  if (status.ok()) return absl::OkStatus();
  const Failure failure = FailureOf(status);
  spdlog::error("the job failed{}: {}", failure.retryable ? ", retryable" : "", failure.reason);
  HV_RETURN_IF_ERROR(Emit(FailedLine(failure)));
  return absl::IsInternal(status) ? status : absl::OkStatus();
}

absl::Status JobRunner::Run(const Job& job) {
  spdlog::info("study {}, trial {}: {} from epoch {} to {}", job.study, job.trial_id, job.objective,
               job.from_epoch, job.to_epoch);
  const auto objective = objectives_.find(job.objective);
  if (objective == objectives_.end()) return UnknownObjective(job.objective, objectives_);
  HV_ASSIGN_OR_RETURN(const std::optional<Safetensors> state, ReadCheckpoint(job));
  HV_ASSIGN_OR_RETURN(const std::unique_ptr<Training> training,
                      objective->second->Start(job, state.has_value() ? &*state : nullptr));
  return TrainAndReport(job, training.get());
}

absl::Status JobRunner::TrainAndReport(const Job& job, Training* training) {
  double error = 0;
  for (int64_t epoch = job.from_epoch + 1; epoch <= job.to_epoch; ++epoch) {
    HV_ASSIGN_OR_RETURN(error, training->RunEpoch());
    HV_RETURN_IF_ERROR(Emit(EpochLine(epoch, error)));
    // A diverged trial is never promoted: more epochs or a checkpoint would be for nothing.
    if (!std::isfinite(error)) return Emit(DoneLine(error, {}));
  }
  if (!job.checkpoint_out.empty()) {
    HV_ASSIGN_OR_RETURN(Safetensors state, training->State());
    HV_RETURN_IF_ERROR(WriteCheckpoint(job, job.to_epoch, std::move(state)));
    HV_RETURN_IF_ERROR(Emit(CheckpointLine(job.to_epoch)));
  }
  std::map<std::string, double> metrics;
  if (WantsTestError(job)) {
    HV_ASSIGN_OR_RETURN(metrics["test_error"], training->TestError());
  }
  return Emit(DoneLine(error, metrics));
}

absl::Status JobRunner::Emit(const std::string& line) {
  if (output_.ok()) output_ = write_(line);
  return output_;
}

}  // namespace halving
