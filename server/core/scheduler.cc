// Execute, and what is recorded. What is decided: scheduler_studies.cc and scheduler_trials.cc.
#include "server/core/scheduler.h"

#include <algorithm>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/status.h"

namespace halving {
namespace {

constexpr absl::Duration kTickEvery = absl::Seconds(1);
constexpr absl::Duration kCountTimeEvery = absl::Minutes(1);

RunningTimeCounted CountTime(const Study& study, absl::Time now) {
  return {.study = study.uid(), .running_time = study.RunningTime(now), .time = now};
}

}  // namespace

absl::StatusOr<Answer> Scheduler::Execute(const Command& command, absl::Time now,
                                          std::vector<Event>* events) {
  return std::visit([&](const auto& c) { return ExecuteOne(c, now, events); }, command);
}

template <typename OneCommand>
absl::StatusOr<Answer> Scheduler::ExecuteOne(const OneCommand& command, absl::Time now,
                                             std::vector<Event>* events) {
  absl::Duration paused_for;
  if constexpr (std::is_same_v<OneCommand, Tick>) paused_for = command.paused_for;
  if (now - last_tick_ >= kTickEvery || paused_for > absl::ZeroDuration()) {
    // Before anything expires: a server that was stopped itself must not blame the workers.
    Record(TimePassed{.time = now, .paused_for = paused_for}, events);
  }
  Settle(now, events);
  const size_t before = events->size();
  bool last = false;
  absl::StatusOr<Decision> decision;
  do {
    decision = DecideOn(command, now);
    if (!decision.ok()) return std::move(decision).status();
    last = decision->last || !decision->event.has_value();
    // What was counted in this very call is no duplicate of itself.
    decision->answer.duplicate = decision->answer.duplicate && events->size() == before;
    if (!decision->event.has_value()) break;
    Record(*std::move(decision->event), events);
    Settle(now, events);  // What follows comes first: a level closes before the next hand-out.
  } while (!last);
  return std::move(decision->answer);
}

void Scheduler::Record(Event event, std::vector<Event>* events) {
  Apply(event);
  events->push_back(std::move(event));
}

void Scheduler::Settle(absl::Time now, std::vector<Event>* events) {
  SettleStudies(now, events);
  // One by one: the third failure of one trial may close a level before that of the next.
  while (const std::optional<LeaseTable::Key> due = leases_.FirstDue(now)) {
    const Study& study = *studies_.at(due->first);
    const std::string reason =
        absl::StrCat("worker ", study.FindTrial(due->second)->lease->worker, " was silent for ",
                     absl::FormatDuration(study.spec().lease), ", the study's lease");
    Record(Lose(*due, FailureCause::kExpired, reason, now), events);
    SettleStudies(now, events);
  }
}

void Scheduler::SettleStudies(absl::Time now, std::vector<Event>* events) {
  while (!touched_.empty()) {
    const StudyUid uid = *touched_.begin();
    const Study* study = FindStudy(uid);
    std::optional<Event> due = study == nullptr ? std::nullopt : study->DueEvent(now);
    // Beside what is written anyway, so that a restart knows how long it ran; those with a limit of
    // it are counted when nothing happens, too.
    if (!due.has_value() && study != nullptr && study->UncountedTime(now) >= kCountTimeEvery) {
      due = CountTime(*study, now);
    }
    if (due.has_value()) {
      Record(*std::move(due), events);
    } else {
      touched_.erase(uid);
    }
  }
}

// For the other callers of Execute(const Ask&).
template absl::StatusOr<Answer> Scheduler::ExecuteOne(const Ask&, absl::Time, std::vector<Event>*);

absl::StatusOr<Scheduler::Decision> Scheduler::DecideOn(const Tick&, absl::Time now) const {
  for (const StudyUid uid : timed_) {
    const Study& study = *studies_.at(uid);
    if (study.UncountedTime(now) >= kCountTimeEvery)
      return Decision{.event = CountTime(study, now)};
  }
  return Decision{};
}

absl::Time Scheduler::NextDue() const {
  absl::Time next = leases_.NextDeadline();
  const absl::Time tick = last_tick_ + kTickEvery;
  // Ticks keep the wall time and the sliding sums; without studies there is nothing to keep.
  return candidates_.empty() && leases_.size() == 0 ? next : std::min(next, tick);
}

void Scheduler::Apply(const Event& event) {
  std::visit([this](const auto& e) { ApplyOne(e); }, event);
}

template <typename StudyEvent>
void Scheduler::ApplyOne(const StudyEvent& event) {
  Study& study = MutableStudy(event.study);
  study.Apply(event);
  Reindex(study);
}

void Scheduler::ApplyOne(const StudyCreated& event) {
  // A compacted journal gives a study's events behind those of younger ones.
  HV_CHECK(!studies_.contains(event.study)) << "study uid " << event.study << " is taken";
  last_uid_ = std::max(last_uid_, event.study);
  by_name_[event.spec.name] = event.study;
  studies_[event.study] = std::make_unique<Study>(event, quotas_);
  Reindex(*studies_[event.study]);
}

void Scheduler::ApplyOne(const StudyDeleted& event) {
  last_uid_ = std::max(last_uid_, event.study);
  if (!studies_.contains(event.study)) return;  // Its events were compacted away.
  const auto key = candidate_key_.find(event.study);
  if (key != candidate_key_.end()) {
    candidates_.erase({key->second, event.study});
    candidate_key_.erase(key);
  }
  timed_.erase(event.study);
  Study& study = MutableStudy(event.study);
  study.DropAllCheckpoints();
  CollectDropped(study);
  by_name_.erase(study.spec().name);
  studies_.erase(event.study);
}

void Scheduler::ApplyOne(const StudyEnded& event) {
  Study& study = MutableStudy(event.study);
  for (const auto& [start, id] : study.running()) {
    const Trial& trial = *study.FindTrial(id);
    EndLease(study, trial, event.time);
    workers_.CloseLease(trial.lease->worker, event.time);
  }
  study.Apply(event);
  Reindex(study);
}

void Scheduler::ApplyOne(const WorkerStarted& event) { workers_.Start(event); }

void Scheduler::ApplyOne(const WorkerSeen& event) { workers_.See(event); }

void Scheduler::ApplyOne(const TrialLeased& event) {
  Study& study = MutableStudy(event.study);
  study.Apply(event);
  asks_.Record(event.worker, event.incarnation, event.request_id,
               {.study = event.study, .trial = event.trial, .attempt = event.attempt});
  workers_.SeeAt(event.worker, event.time);
  IndexLease(study, event.trial);
  Reindex(study);
}

void Scheduler::ApplyOne(const AttemptFailed& event) {
  Study& study = MutableStudy(event.study);
  const Trial& trial = *study.FindTrial(event.trial);
  const std::string worker = trial.lease->worker;
  EndLease(study, trial, event.time);
  const bool lost = event.cause == FailureCause::kExpired || event.cause == FailureCause::kReplaced;
  lost ? workers_.CountLost(worker, event.time) : workers_.MarkIdle(worker, event.time);
  study.Apply(event);
  Reindex(study);
}

void Scheduler::ApplyOne(const AttemptReturned& event) {
  Study& study = MutableStudy(event.study);
  const Trial& trial = *study.FindTrial(event.trial);
  EndLease(study, trial, event.time);
  workers_.MarkIdle(trial.lease->worker, event.time);
  study.Apply(event);
  Reindex(study);
}

void Scheduler::ApplyOne(const TrialProgressed& event) {
  Study& study = MutableStudy(event.study);
  study.Apply(event);
  workers_.SeeAt(study.FindTrial(event.trial)->lease->worker, event.time);
  IndexLease(study, event.trial);
  Reindex(study);
}

void Scheduler::ApplyOne(const TrialReported& event) {
  Study& study = MutableStudy(event.study);
  const Trial& trial = *study.FindTrial(event.trial);
  EndLease(study, trial, event.time);
  workers_.CountFinished(trial.lease->worker, event.time);
  study.Apply(event);
  Reindex(study);
}

void Scheduler::ApplyOne(const LeaseRenewed& event) {
  Study& study = MutableStudy(event.study);
  study.Apply(event);
  workers_.SeeAt(study.FindTrial(event.trial)->lease->worker, event.time);
  IndexLease(study, event.trial);
}

void Scheduler::ApplyOne(const TimePassed& event) {
  leases_.Postpone(event.paused_for);
  if (last_tick_ != absl::InfinitePast()) {
    const absl::Duration passed = event.time - last_tick_;
    worker_time_.Add(event.time, passed * workers_.Connected(event.time, leases_));
    for (const StudyUid uid : leases_.Studies()) {
      MutableStudy(uid).CountLeaseTime(event.time, passed);
    }
  }
  last_tick_ = event.time;
  if (event.paused_for > absl::ZeroDuration()) {
    for (const auto& [running, uid] : candidates_) {
      MutableStudy(uid).SkipTime(event.paused_for, event.time);
    }
  }
  touched_.insert(timed_.begin(), timed_.end());
  asks_.ForgetOld(event.time);
  workers_.ForgetUnseen(event.time, leases_);
}

void Scheduler::IndexLease(const Study& study, TrialId trial) {
  const Lease& lease = *study.FindTrial(trial)->lease;
  leases_.Set({study.uid(), trial}, lease.worker, lease.renewed + study.spec().lease);
}

void Scheduler::EndLease(const Study& study, const Trial& trial, absl::Time now) {
  leases_.Erase({study.uid(), trial.id});
  workers_.CountBusy(trial.lease->worker, trial.lease->start, now);
  asks_.Retire(trial.lease->worker, trial.lease->incarnation, trial.lease->request_id, now);
}

void Scheduler::CollectDropped(Study& study) {
  for (std::string& id : study.TakeDropped()) dropped_.push_back(std::move(id));
}

void Scheduler::Reindex(Study& study) {
  CollectDropped(study);
  touched_.insert(study.uid());
  const bool runs = study.state() == StudyState::kRunning;
  if (runs && study.spec().limits.max_wall_time > absl::ZeroDuration()) {
    timed_.insert(study.uid());
  } else {
    timed_.erase(study.uid());
  }
  const auto running = static_cast<int64_t>(study.running().size());
  const auto key = candidate_key_.find(study.uid());
  if (key != candidate_key_.end()) {
    if (runs && key->second == running) return;
    candidates_.erase({key->second, study.uid()});
    candidate_key_.erase(key);
  }
  if (!runs) return;
  candidates_.insert({running, study.uid()});
  candidate_key_[study.uid()] = running;
}

void Scheduler::Recover(absl::Time now) {
  last_tick_ = now;
  for (const auto& [uid, study] : studies_) {
    study->Recover(now);
    for (const auto& [start, id] : study->running()) IndexLease(*study, id);
  }
}

const Study* Scheduler::FindStudy(const std::string& name) const {
  const auto at = by_name_.find(name);
  return at == by_name_.end() ? nullptr : FindStudy(at->second);
}

const Study* Scheduler::FindStudy(const std::string& name, const Scope& scope) const {
  const Study* study = FindStudy(name);
  return study != nullptr && IsWithin(scope, study->spec()) ? study : nullptr;
}

const Study* Scheduler::FindStudy(StudyUid uid) const {
  const auto at = studies_.find(uid);
  return at == studies_.end() ? nullptr : at->second.get();
}

bool Scheduler::IsServed(const StudySpec& spec, absl::Time now) const {
  return std::any_of(workers_.all().begin(), workers_.all().end(), [&](const auto& entry) {
    const WorkerInfo& info = entry.second;
    if (!IsWithin(Scope(OwnerOfWorker(entry.first)), spec)) return false;
    const bool serves = info.objectives.empty() ||
                        std::find(info.objectives.begin(), info.objectives.end(), spec.objective) !=
                            info.objectives.end();
    return serves && WorkerTable::IsConnected(entry.first, info, now, leases_);
  });
}

absl::Status Scheduler::CheckInvariants() const {
  int64_t running = 0;
  absl::btree_set<std::pair<int64_t, StudyUid>> served;
  for (const auto& [uid, study] : studies_) {
    HV_RETURN_IF_ERROR(study->CheckInvariants());
    const auto here = static_cast<int64_t>(study->running().size());
    running += here;
    if (study->state() == StudyState::kRunning) served.insert({here, uid});
    for (const auto& [start, id] : study->running()) {
      if (!leases_.Contains({uid, id})) {
        return absl::InternalError(
            absl::StrCat("trial ", id, " of study ", uid, " runs, but its lease has no end"));
      }
    }
  }
  if (running != leases_.size()) {
    return absl::InternalError(
        absl::StrCat(running, " trials run under ", leases_.size(), " leases"));
  }
  if (served != candidates_) return absl::InternalError("the order of the studies is wrong");
  return absl::OkStatus();
}

std::string Scheduler::DebugString() const {
  std::string text = absl::StrCat("last uid ", last_uid_, ", ", leases_.size(), " leases\n");
  for (const auto& [uid, study] : studies_) text += study->DebugString();
  return text;
}

}  // namespace halving
