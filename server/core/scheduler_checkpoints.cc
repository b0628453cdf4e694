// What is asked and decided about checkpoints whose bytes lie on the server.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/status.h"
#include "server/core/checkpoint_id.h"
#include "server/core/scheduler.h"

namespace halving {

absl::StatusOr<Scheduler::Upload> Scheduler::CheckUpload(const StoreCheckpoint& command) const {
  HV_ASSIGN_OR_RETURN(const Leased leased, FindLease(command.lease, command.scope));
  HV_RETURN_IF_ERROR(CheckOpen(leased, command.lease.attempt));
  const Trial& trial = *leased.trial;
  const int64_t from = trial.lease->from_epoch;
  const int64_t to = leased.study->ladder().epochs(trial.rung);
  if (command.epoch <= from || command.epoch > to) {
    return absl::InvalidArgumentError(
        absl::StrCat("header.epoch is ", command.epoch, "; this attempt trains from epoch ", from,
                     " to ", to, ", so its checkpoints stand at ", from + 1, " to ", to));
  }
  Upload upload{.checkpoint_id = StoredCheckpointId(command.lease, command.epoch, command.sha256)};
  upload.stored = trial.FindCheckpoint(upload.checkpoint_id) != nullptr;
  if (upload.stored) return upload;
  const int64_t offered = trial.NewestOffered();
  const int64_t newest = std::max(trial.ResumePoint(to).epoch, offered);
  if (command.epoch < newest || (command.epoch == newest && offered < newest)) {
    return absl::FailedPreconditionError(absl::StrCat("header.epoch is ", command.epoch,
                                                      ", but the trial has a checkpoint of epoch ",
                                                      newest, " already; drop this one"));
  }
  const int64_t kept = leased.study->checkpoint_bytes();
  if (command.bytes > quotas_.checkpoint_bytes_per_study - kept) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the checkpoints of study \"", leased.study->spec().name, "\" have ", kept,
                     " bytes, and with ", command.bytes, " more they would be beyond the ",
                     quotas_.checkpoint_bytes_per_study,
                     " that a study may have (halving-server --max-study-checkpoints)"));
  }
  return upload;
}

absl::StatusOr<Scheduler::Decision> Scheduler::DecideOn(const StoreCheckpoint& command,
                                                        absl::Time) const {
  HV_ASSIGN_OR_RETURN(const Upload upload, CheckUpload(command));
  if (upload.stored) {
    return Decision{
        .answer = {.study = command.lease.study, .checkpoint_id = upload.checkpoint_id}};
  }
  return Decision{.event = CheckpointStored{.study = command.lease.study,
                                            .trial = command.lease.trial,
                                            .attempt = command.lease.attempt,
                                            .checkpoint_id = upload.checkpoint_id,
                                            .epoch = command.epoch,
                                            .bytes = command.bytes,
                                            .sha256 = command.sha256}};
}

absl::StatusOr<Scheduler::Decision> Scheduler::DecideOn(const LoseCheckpoint& command,
                                                        absl::Time) const {
  if (!IsNeeded(command.checkpoint_id)) return Decision{};
  const StoredCheckpointName name = *ParseStoredCheckpointId(command.checkpoint_id);
  return Decision{.event = CheckpointLost{.study = name.lease.study,
                                          .trial = name.lease.trial,
                                          .checkpoint_id = command.checkpoint_id}};
}

absl::StatusOr<const Trial*> Scheduler::TrialOfLease(const LeaseKey& lease,
                                                     const Scope& scope) const {
  HV_ASSIGN_OR_RETURN(const Leased leased, FindLease(lease, scope));
  HV_RETURN_IF_ERROR(CheckOpen(leased, lease.attempt));
  return leased.trial;
}

bool Scheduler::IsOpen(const LeaseKey& lease) const { return TrialOfLease(lease).ok(); }

bool Scheduler::IsNeeded(const std::string& checkpoint_id, const Scope& scope) const {
  const std::optional<StoredCheckpointName> name = ParseStoredCheckpointId(checkpoint_id);
  if (!name.has_value()) return false;
  const Study* study = FindStudy(name->lease.study);
  if (study == nullptr) return false;
  if (!IsWithin(scope, study->spec())) return true;
  const Trial* trial = study->FindTrial(name->lease.trial);
  return trial != nullptr && trial->FindCheckpoint(checkpoint_id) != nullptr;
}

std::vector<std::string> Scheduler::NeededCheckpoints() const {
  std::vector<std::string> needed;
  for (const auto& [uid, study] : studies_) {
    for (TrialId id = 1; id <= study->trials(); ++id) {
      for (const Checkpoint& checkpoint : study->FindTrial(id)->checkpoints) {
        if (checkpoint.stored) needed.push_back(checkpoint.id);
      }
    }
  }
  return needed;
}

}  // namespace halving
