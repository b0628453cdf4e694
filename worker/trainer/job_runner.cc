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

JobRunner::JobRunner(Objectives objectives, WriteLine write, Clock* clock, StopWanted stop_wanted)
    : objectives_(std::move(objectives)),
      write_(std::move(write)),
      clock_(clock),
      stop_wanted_(std::move(stop_wanted)) {}

absl::Status JobRunner::HandleLine(absl::string_view line) {
  if (absl::StripAsciiWhitespace(line).empty()) return absl::OkStatus();
  const absl::StatusOr<Job> job = ParseJob(line);
  const absl::Status status = job.ok() ? Run(*job) : job.status();
  if (!output_.ok()) return output_;
  if (status.ok()) return absl::OkStatus();
  const Failure failure = FailureOf(status);
  spdlog::error("the job failed{}: {}", failure.retryable ? ", retryable" : "", failure.reason);
  HV_RETURN_IF_ERROR(Emit(FailedLine(failure)));
  return absl::IsInternal(status) || absl::IsResourceExhausted(status) ? status : absl::OkStatus();
}

absl::Status JobRunner::Run(const Job& job) {
  const absl::Time began = clock_->Now();
  spdlog::info("study {}, trial {}: {} from epoch {} to {}", job.study, job.trial_id, job.objective,
               job.from_epoch, job.to_epoch);
  const auto objective = objectives_.find(job.objective);
  if (objective == objectives_.end()) return UnknownObjective(job.objective, objectives_);
  HV_ASSIGN_OR_RETURN(const std::optional<Safetensors> state, ReadCheckpoint(job));
  HV_ASSIGN_OR_RETURN(const std::unique_ptr<Training> training,
                      objective->second->Start(job, state.has_value() ? &*state : nullptr));
  return TrainAndReport(job, began, training.get());
}

absl::Status JobRunner::TrainAndReport(const Job& job, absl::Time began, Training* training) {
  Progress progress{.epoch = job.from_epoch, .saved_epoch = job.from_epoch, .saved_at = began};
  while (progress.epoch < job.to_epoch) {
    if (stop_wanted_()) return Leave(job, training, &progress);
    HV_ASSIGN_OR_RETURN(progress.error, training->RunEpoch());
    ++progress.epoch;
    HV_RETURN_IF_ERROR(Emit(EpochLine(progress.epoch, progress.error)));
    // A diverged trial is never promoted: more epochs or a checkpoint would be for nothing.
    if (!std::isfinite(progress.error)) return Emit(DoneLine(progress.error, {}));
    if (progress.epoch < job.to_epoch) HV_RETURN_IF_ERROR(SaveIfDue(job, training, &progress));
  }
  return Finish(job, training, &progress);
}

absl::Status JobRunner::Finish(const Job& job, Training* training, Progress* progress) {
  if (!job.checkpoint_out.empty()) {
    const absl::Status saved = Save(job, training, progress);
    if (!absl::IsUnavailable(saved) || !output_.ok()) HV_RETURN_IF_ERROR(saved);
    // A full disk costs the next rung its start, and not this result.
    if (!saved.ok()) spdlog::error("no checkpoint at the end: {}", std::string(saved.message()));
  }
  std::map<std::string, double> metrics;
  if (WantsTestError(job)) {
    HV_ASSIGN_OR_RETURN(metrics["test_error"], training->TestError());
  }
  return Emit(DoneLine(progress->error, metrics));
}

// The trial has not failed, so there is no `failed` line whatever becomes of the checkpoint.
absl::Status JobRunner::Leave(const Job& job, Training* training, Progress* progress) {
  const bool unsaved = progress->epoch > progress->saved_epoch;
  const absl::Status saved =
      unsaved && !job.checkpoint_out.empty() ? Save(job, training, progress) : absl::OkStatus();
  if (!saved.ok())
    spdlog::error("no checkpoint of epoch {}: {}", progress->epoch, std::string(saved.message()));
  spdlog::info("told to stop after epoch {} of {}; epochs up to {} are saved", progress->epoch,
               job.to_epoch, progress->saved_epoch);
  return output_;
}

absl::Status JobRunner::SaveIfDue(const Job& job, Training* training, Progress* progress) {
  if (job.checkpoint_out.empty() || job.checkpoint_interval == absl::ZeroDuration() ||
      clock_->Now() - progress->saved_at < job.checkpoint_interval) {
    return absl::OkStatus();
  }
  const absl::Status saved = Save(job, training, progress);
  if (!absl::IsUnavailable(saved) || !output_.ok()) return saved;
  // The disk may have room again before the end of the job, which is when it counts.
  spdlog::warn("no checkpoint of epoch {}: {}", progress->epoch, std::string(saved.message()));
  progress->saved_at = clock_->Now();
  return absl::OkStatus();
}

absl::Status JobRunner::Save(const Job& job, Training* training, Progress* progress) {
  HV_ASSIGN_OR_RETURN(Safetensors state, training->State());
  HV_RETURN_IF_ERROR(WriteCheckpoint(job, progress->epoch, std::move(state)));
  progress->saved_epoch = progress->epoch;
  progress->saved_at = clock_->Now();
  return Emit(CheckpointLine(progress->epoch));
}

absl::Status JobRunner::Emit(const std::string& line) {
  if (output_.ok()) output_ = write_(line);
  return output_;
}

}  // namespace halving
