// What the calls of workers decide.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/status.h"
#include "server/core/checkpoint_id.h"
#include "server/core/scheduler.h"
#include "server/core/state_names.h"

namespace halving {
namespace {

std::string NameOf(const Study& study, const Trial& trial) {
  return absl::StrCat("trial ", trial.id, " of study \"", study.spec().name, "\"");
}

const std::vector<CurvePoint>* PointsOf(const Outcome& outcome) {
  if (const auto* progress = std::get_if<Progress>(&outcome)) return &progress->points;
  if (const auto* completed = std::get_if<Completed>(&outcome)) return &completed->points;
  return nullptr;
}

bool Serves(const Ask& ask, const Study& study) {
  if (!IsWithin(ask.scope, study.spec())) return false;
  return ask.objectives.empty() || std::find(ask.objectives.begin(), ask.objectives.end(),
                                             study.spec().objective) != ask.objectives.end();
}

// The lease must be the newest attempt's.
absl::Status CheckEpochs(const Study& study, const Trial& trial, const Outcome& outcome) {
  const int64_t from = trial.lease->from_epoch;
  const int64_t to = study.ladder().epochs(trial.rung);
  const std::vector<CurvePoint>* points = PointsOf(outcome);
  for (size_t i = 0; points != nullptr && i < points->size(); ++i) {
    const int64_t epoch = (*points)[i].epoch;
    if (epoch > from && epoch <= to) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("points[", i, "].epoch is ", epoch, "; this attempt trains from epoch ", from,
                     " to ", to, ", so its points are at ", from + 1, " to ", to));
  }
  const auto* progress = std::get_if<Progress>(&outcome);
  if (progress != nullptr && !progress->checkpoint_id.empty() &&
      (progress->checkpoint_epoch <= from || progress->checkpoint_epoch > to)) {
    return absl::InvalidArgumentError(
        absl::StrCat("checkpoint_epoch is ", progress->checkpoint_epoch,
                     "; this attempt trains from epoch ", from, " to ", to));
  }
  return absl::OkStatus();
}

// A report may name what its trial has, or what some other place than this server holds.
absl::Status CheckNamedCheckpoint(const Study& study, const Trial& trial, const Outcome& outcome) {
  std::string id;
  int64_t epoch = study.ladder().epochs(trial.rung);
  if (const auto* completed = std::get_if<Completed>(&outcome)) id = completed->checkpoint_id;
  const auto* progress = std::get_if<Progress>(&outcome);
  if (progress != nullptr) {
    id = progress->checkpoint_id;
    epoch = progress->checkpoint_epoch;
  }
  if (!IsStoredCheckpointId(id)) return absl::OkStatus();
  const Checkpoint* known = trial.FindCheckpoint(id);
  if (known != nullptr && known->epoch == epoch) return absl::OkStatus();
  // One that a newer one has replaced since; the report is late, and right.
  if (known == nullptr && progress != nullptr && !trial.checkpoints.empty() &&
      epoch <= trial.checkpoints.back().epoch) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("checkpoint_id is \"", id.substr(0, 128), "\", ",
                   known == nullptr ? "which was not uploaded under this lease"
                                    : absl::StrCat("which was uploaded as one of epoch ",
                                                   known->epoch, ", and the report says ", epoch),
                   "; name what Upload returned, with its epoch"));
}

}  // namespace

absl::StatusOr<Scheduler::Decision> Scheduler::DecideOn(const Ask& ask, absl::Time now) const {
  const WorkerInfo* info = workers_.Find(ask.worker);
  if (info == nullptr && static_cast<int64_t>(workers_.all().size()) >= quotas_.workers) {
    return absl::ResourceExhaustedError(absl::StrCat(
        workers_.all().size(), " workers were seen within a day, the most that this server keeps; ",
        "let workers keep their ids over restarts"));
  }
  if (!ask.incarnation.empty()) {
    if (workers_.IsSuperseded(ask.worker, ask.incarnation)) {
      return absl::FailedPreconditionError(
          absl::StrCat("worker id \"", ask.worker,
                       "\" was taken over by a newer process; this one must leave, or ask under "
                       "another worker id"));
    }
    if (info == nullptr || info->incarnation != ask.incarnation) {
      return Decision{.event = WorkerStarted{
                          .worker = ask.worker, .incarnation = ask.incarnation, .time = now}};
    }
    std::optional<Event> replaced = ReplacedLease(ask, now);
    if (replaced.has_value()) return Decision{.event = std::move(replaced)};
  }
  // Only what is older is refreshed: a clock set back over a restart leaves times ahead of `now`.
  if (info == nullptr || info->last_seen < now || info->host != ask.host ||
      info->device != ask.device || info->objectives != ask.objectives) {
    return Decision{.event = WorkerSeen{.worker = ask.worker,
                                        .incarnation = ask.incarnation,
                                        .host = ask.host,
                                        .device = ask.device,
                                        .objectives = ask.objectives,
                                        .time = now}};
  }
  const LeaseKey* known = asks_.Find(ask.worker, ask.incarnation, ask.request_id);
  if (known != nullptr) return KnownAsk(ask, *known, now);
  return Decision{.event = NextHandOut(ask, now)};
}

Scheduler::Decision Scheduler::KnownAsk(const Ask&, const LeaseKey& lease, absl::Time now) const {
  const Study* study = FindStudy(lease.study);
  const Trial* trial = study == nullptr ? nullptr : study->FindTrial(lease.trial);
  if (trial == nullptr || trial->attempts != lease.attempt ||
      trial->state != TrialState::kRunning) {
    return Decision{.answer = {.over = true}};
  }
  if (trial->lease->renewed != now) {
    return Decision{.event = LeaseRenewed{.study = lease.study, .trial = lease.trial, .time = now}};
  }
  return Decision{.answer = {.study = lease.study, .assignment = study->Describe(*trial)}};
}

std::optional<Event> Scheduler::ReplacedLease(const Ask& ask, absl::Time now) const {
  for (const LeaseTable::Key& key : leases_.HeldBy(ask.worker)) {
    const Lease& lease = *FindStudy(key.first)->FindTrial(key.second)->lease;
    if (lease.incarnation.empty() || lease.incarnation == ask.incarnation) continue;
    return Lose(key, FailureCause::kReplaced,
                absl::StrCat("worker ", ask.worker, " was started anew"), now);
  }
  return std::nullopt;
}

std::optional<Event> Scheduler::NextHandOut(const Ask& ask, absl::Time now) const {
  for (const auto& [running, uid] : candidates_) {
    const Study& study = *FindStudy(uid);
    if (!Serves(ask, study)) continue;
    const std::optional<TrialId> next = study.NextQueued();
    if (!next.has_value()) {
      if (std::optional<Event> fresh = study.NextToQueue(); fresh.has_value()) return fresh;
      continue;
    }
    const Trial& trial = *study.FindTrial(*next);
    const Checkpoint resume = trial.ResumePoint(study.ladder().epochs(trial.rung));
    return TrialLeased{.study = uid,
                       .trial = trial.id,
                       .attempt = trial.attempts + 1,
                       .worker = ask.worker,
                       .incarnation = ask.incarnation,
                       .request_id = ask.request_id,
                       .from_epoch = resume.epoch,
                       .checkpoint_id = resume.id,
                       .time = now};
  }
  return std::nullopt;
}

AttemptFailed Scheduler::Lose(LeaseTable::Key key, FailureCause cause, std::string reason,
                              absl::Time now) const {
  const Study& study = *FindStudy(key.first);
  const Trial& trial = *study.FindTrial(key.second);
  return {.study = key.first,
          .trial = key.second,
          .attempt = trial.attempts,
          .cause = cause,
          .reason = std::move(reason),
          .final = trial.failures + 1 >= study.spec().max_attempts,
          .time = now};
}

absl::StatusOr<Scheduler::Leased> Scheduler::FindLease(const LeaseKey& lease,
                                                       const Scope& scope) const {
  const Study* study = FindStudy(lease.study);
  const bool known = study != nullptr && IsWithin(scope, study->spec());
  const Trial* trial = known ? study->FindTrial(lease.trial) : nullptr;
  if (trial == nullptr || lease.attempt < 1 || lease.attempt > trial->attempts) {
    return absl::NotFoundError(
        "lease_id names no lease of a study that exists; was the study deleted? Drop the work");
  }
  return Leased{study, trial};
}

absl::Status Scheduler::CheckOpen(const Leased& leased, int32_t attempt) const {
  const Study& study = *leased.study;
  const Trial& trial = *leased.trial;
  if (study.ended()) {
    return absl::FailedPreconditionError(absl::StrCat("study \"", study.spec().name, "\" is ",
                                                      StateName(study.state()), " (",
                                                      study.end_reason(), "); drop the work"));
  }
  if (attempt != trial.attempts) {
    return absl::FailedPreconditionError(
        absl::StrCat(NameOf(study, trial), " was handed out again as attempt ", trial.attempts,
                     ", so the lease of attempt ", attempt, " is over; drop the work"));
  }
  const bool open = trial.lease != nullptr &&
                    (trial.state == TrialState::kRunning || trial.state == TrialState::kQueued);
  if (open) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the lease of attempt ", attempt, " of ", NameOf(study, trial), " is over",
                   trial.state == TrialState::kFailed ? ": the trial has failed for good" : "",
                   "; drop the work"));
}

absl::StatusOr<Scheduler::Decision> Scheduler::DecideOn(const Report& report,
                                                        absl::Time now) const {
  HV_ASSIGN_OR_RETURN(const Leased leased, FindLease(report.lease, report.scope));
  const Study* study = leased.study;
  const Trial* trial = leased.trial;
  const int32_t attempt = report.lease.attempt;
  const bool progress = std::holds_alternative<Progress>(report.outcome);
  const auto counted =
      std::find_if(trial->ended.begin(), trial->ended.end(),
                   [attempt](const EndedAttempt& ended) { return ended.attempt == attempt; });
  if (counted != trial->ended.end() && !progress) {
    if (counted->digest == DigestOf(report.outcome)) {
      return Decision{.answer = {.study = study->uid(), .duplicate = true}};
    }
    return absl::AlreadyExistsError(
        absl::StrCat("attempt ", attempt, " of ", NameOf(*study, *trial),
                     " has reported another outcome, which was counted; drop this one"));
  }
  if (study->ended() && progress) return Decision{.answer = {.study = study->uid(), .stop = true}};
  HV_RETURN_IF_ERROR(CheckOpen(leased, attempt));
  HV_RETURN_IF_ERROR(CheckEpochs(*study, *trial, report.outcome));
  HV_RETURN_IF_ERROR(CheckNamedCheckpoint(*study, *trial, report.outcome));
  if (progress) return DecideProgress(*study, *trial, report, now);
  HV_ASSIGN_OR_RETURN(Decision decision, DecideOutcome(*study, *trial, report, now));
  // The lease goes with the event, so this is the time to say whose it was.
  decision.answer = {.study = study->uid(), .worker = trial->lease->worker};
  decision.last = true;
  return decision;
}

absl::StatusOr<Scheduler::Decision> Scheduler::DecideProgress(const Study& study,
                                                              const Trial& trial,
                                                              const Report& report,
                                                              absl::Time now) const {
  const auto& progress = std::get<Progress>(report.outcome);
  const bool revive = trial.state == TrialState::kQueued;
  if (revive && workers_.IsSuperseded(trial.lease->worker, trial.lease->incarnation)) {
    return absl::FailedPreconditionError(
        absl::StrCat("worker id \"", trial.lease->worker,
                     "\" was taken over by a newer process; drop the work"));
  }
  const bool new_checkpoint =
      study.IsNewCheckpoint(trial, progress.checkpoint_id, progress.checkpoint_epoch);
  std::vector<CurvePoint> points = study.NewPoints(trial, progress.points);
  if (revive || new_checkpoint || !points.empty()) {
    return Decision{
        .event = TrialProgressed{.study = study.uid(),
                                 .trial = trial.id,
                                 .attempt = trial.attempts,
                                 .points = std::move(points),
                                 .checkpoint_id = new_checkpoint ? progress.checkpoint_id : "",
                                 .checkpoint_epoch = new_checkpoint ? progress.checkpoint_epoch : 0,
                                 .revived = revive,
                                 .time = now}};
  }
  if (trial.lease->renewed != now) {
    return Decision{.event = LeaseRenewed{.study = study.uid(), .trial = trial.id, .time = now}};
  }
  return Decision{.answer = {.study = study.uid()}};
}

absl::StatusOr<Scheduler::Decision> Scheduler::DecideOutcome(const Study& study, const Trial& trial,
                                                             const Report& report,
                                                             absl::Time now) const {
  const Digest digest = DigestOf(report.outcome);
  if (const auto* completed = std::get_if<Completed>(&report.outcome)) {
    return Decision{.event = TrialReported{.study = study.uid(),
                                           .trial = trial.id,
                                           .attempt = trial.attempts,
                                           .error = completed->error,
                                           .points = study.NewPoints(trial, completed->points),
                                           .metrics = completed->metrics,
                                           .checkpoint_id = completed->checkpoint_id,
                                           .train_time = completed->train_time,
                                           .digest = digest,
                                           .time = now}};
  }
  const auto* failed = std::get_if<Failed>(&report.outcome);
  const auto* returned = std::get_if<Returned>(&report.outcome);
  if (trial.state == TrialState::kQueued) {  // It expired before; that was charged already.
    return Decision{
        .event = LateReasonRecorded{
            .study = study.uid(),
            .trial = trial.id,
            .attempt = trial.attempts,
            .reason = failed != nullptr ? failed->reason : returned->reason,
            .unusable_checkpoint_id = returned != nullptr ? returned->unusable_checkpoint_id : "",
            .digest = digest}};
  }
  if (failed != nullptr) {
    const bool last = trial.failures + 1 >= study.spec().max_attempts;
    // Another worker may have a bigger device; a second one is no bigger by luck.
    const bool hopeless = failed->out_of_memory ? trial.out_of_memory : !failed->retryable;
    return Decision{.event =
                        AttemptFailed{.study = study.uid(),
                                      .trial = trial.id,
                                      .attempt = trial.attempts,
                                      .cause = failed->out_of_memory ? FailureCause::kOutOfMemory
                                                                     : FailureCause::kReported,
                                      .reason = failed->reason,
                                      .final = last || hopeless,
                                      .digest = digest,
                                      .time = now}};
  }
  return Decision{.event =
                      AttemptReturned{.study = study.uid(),
                                      .trial = trial.id,
                                      .attempt = trial.attempts,
                                      .reason = returned->reason,
                                      .unusable_checkpoint_id = returned->unusable_checkpoint_id,
                                      .digest = digest,
                                      .time = now}};
}

}  // namespace halving
