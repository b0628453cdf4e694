// What a study records. The rules that decide are in study_rules.cc.
#include "server/core/study.h"

#include <algorithm>
#include <cmath>

#include "common/check.h"

namespace halving {
namespace {

SearchSpace SpaceOf(const StudySpec& spec) {
  absl::StatusOr<SearchSpace> space = SearchSpace::Create(spec.parameters);
  HV_CHECK(space.ok()) << "a spec that was not normalised: " << space.status();
  return *std::move(space);
}

RungLadder LadderOf(const StudySpec& spec) {
  absl::StatusOr<RungLadder> ladder = RungLadder::Create(spec.halving);
  HV_CHECK(ladder.ok()) << "a spec that was not normalised: " << ladder.status();
  return *std::move(ladder);
}

// The first point at the epoch or behind it.
template <typename Curve>
auto PointAt(Curve& curve, int64_t epoch) {
  return std::lower_bound(curve.begin(), curve.end(), epoch,
                          [](const TrialPoint& known, int64_t at) { return known.epoch < at; });
}

}  // namespace

Study::Study(const StudyCreated& created, const Quotas& quotas)
    : uid_(created.study),
      spec_(created.spec),
      first_limits_(created.spec.limits),
      space_(SpaceOf(created.spec)),
      ladder_(LadderOf(created.spec)),
      policy_(Policy::Create(created.spec, ladder_)),
      sampler_(created.spec, &space_, ladder_.rungs()),
      create_time_(created.time),
      quotas_(quotas),
      running_since_(created.time),
      rungs_(ladder_.rungs()),
      rung_pairs_(static_cast<size_t>(ladder_.top())),
      paces_(static_cast<size_t>(ladder_.rungs())) {}

void Study::Apply(const StudyPaused& event) {
  ++version_;
  state_ = StudyState::kPaused;
  counted_time_ = event.running_time;
}

void Study::Apply(const StudyResumed& event) {
  ++version_;
  state_ = StudyState::kRunning;
  running_since_ = event.time;
  for (Pace& pace : paces_) pace.ResumeAt(event.time);
}

void Study::Apply(const StudyEnded& event) {
  ++version_;
  state_ = event.state;
  end_reason_ = event.reason;
  end_time_ = event.time;
  counted_time_ = event.running_time;
  // Their leases are closed. An extension finds them at the front of the queue.
  while (!running_.empty()) {
    Trial& trial = MutableTrial(running_.rbegin()->second);
    StopRunning(trial);
    EnqueueFront(trial);
  }
  const std::vector<TrialId> best = BestTrials();
  for (Trial& trial : trials_) ReleaseOver(trial, best);
  paces_.assign(paces_.size(), Pace());  // Ten thousand studies that are over need none.
}

void Study::Apply(const StudyExtended& event) {
  ++version_;
  spec_.limits = event.limits;
  target_hit_ = 0;
  plateau_.Extend();
  if (!ended()) return;
  state_ = StudyState::kRunning;
  end_time_.reset();
  end_reason_.clear();
  running_since_ = event.time;
}

void Study::Apply(const RunningTimeCounted& event) {
  counted_time_ = event.running_time;
  running_since_ = event.time;
}

void Study::Apply(const TrialSampled& event) {
  ++version_;
  HV_CHECK(event.trial == trials() + 1) << "trial " << event.trial << " of " << trials();
  Trial& trial = trials_.emplace_back();
  trial.id = event.trial;
  trial.round = event.round;
  trial.group = event.group;
  trial.rung = event.group.bracket;
  trial.config = event.config;
  Enqueue(trial, ++back_);
  ranking_.insert(RankOf(trial));
  sampler_.Record(trial.id, trial.config);
}

void Study::Apply(const TrialLeased& event) {
  ++version_;
  Trial& trial = MutableTrial(event.trial);
  Dequeue(trial);
  DropOffered(trial);
  if (!trial.charged) {
    charged_.evaluations += 1;
    charged_.epochs += ladder_.epochs(trial.rung) - event.from_epoch;
    trial.charged = true;
  }
  trial.state = TrialState::kRunning;
  trial.attempts = event.attempt;
  trial.position = event.from_epoch;
  trial.lease = std::make_unique<Lease>(Lease{.worker = event.worker,
                                              .incarnation = event.incarnation,
                                              .request_id = event.request_id,
                                              .from_epoch = event.from_epoch,
                                              .checkpoint_id = event.checkpoint_id,
                                              .start = event.time,
                                              .renewed = event.time});
  ++LevelOf(trial).running;
  running_.insert({event.time, trial.id});
}

void Study::Apply(const AttemptFailed& event) {
  ++version_;
  Trial& trial = MutableTrial(event.trial);
  StopRunning(trial);
  ++trial.failures;
  trial.SetFailure(event.reason);
  last_failure_ = event.reason;
  if (event.cause == FailureCause::kOutOfMemory) trial.out_of_memory = true;
  if (event.cause == FailureCause::kReported || event.cause == FailureCause::kOutOfMemory) {
    EndAttempt(trial, event.attempt, event.digest);
  } else {
    trial.lease->failure_charged = true;
  }
  if (!event.final) return EnqueueFront(trial);
  trial.lease.reset();
  DropOffered(trial);
  trial.state = TrialState::kFailed;
  ++failed_trials_;
  sampler_.Forget(trial.id);
  Level& level = LevelOf(trial);
  ++level.failed;
  if (trial.rung < ladder_.top() && !policy_->OneByOne()) level.outcomes.push_back(trial.id);
  rungs_.FoldIfDone(trial.group);
  ReleaseOver(trial, BestTrials());
}

void Study::Apply(const AttemptReturned& event) {
  ++version_;
  Trial& trial = MutableTrial(event.trial);
  StopRunning(trial);
  trial.SetFailure(event.reason);
  EndAttempt(trial, event.attempt, event.digest);
  ForgetCheckpoint(trial, event.unusable_checkpoint_id);
  EnqueueFront(trial);
}

void Study::Apply(const LateReasonRecorded& event) {
  ++version_;
  Trial& trial = MutableTrial(event.trial);
  trial.SetFailure(event.reason);
  EndAttempt(trial, event.attempt, event.digest);
  ForgetCheckpoint(trial, event.unusable_checkpoint_id);
}

void Study::Apply(const TrialProgressed& event) {
  ++version_;
  Trial& trial = MutableTrial(event.trial);
  if (event.revived) {
    Dequeue(trial);
    TakeFailureBack(trial);
    trial.state = TrialState::kRunning;
    ++LevelOf(trial).running;
    running_.insert({trial.lease->start, trial.id});
  }
  trial.lease->renewed = event.time;
  MergePoints(trial, event.attempt, event.points);
  if (!event.checkpoint_id.empty()) {
    AddCheckpoint(trial, event.checkpoint_id, event.checkpoint_epoch);
    DropSuperseded(trial);
    Advance(trial, event.checkpoint_epoch);
  }
}

void Study::Apply(const TrialReported& event) {
  ++version_;
  Trial& trial = MutableTrial(event.trial);
  const int64_t epochs = ladder_.epochs(trial.rung);
  Withdraw(trial);
  MergePoints(trial, event.attempt, event.points);
  MergePoints(trial, event.attempt, {{.epoch = epochs, .error = event.error}});
  ranking_.erase(RankOf(trial));
  trial.results.push_back({.rung = trial.rung,
                           .error = event.error,
                           .train_time = event.train_time,
                           .worker = &*workers_.insert(trial.lease->worker).first,
                           .metrics = event.metrics,
                           .end_time = event.time,
                           .from_epoch = trial.lease->from_epoch,
                           .study_epochs = epochs_trained_});
  ranking_.insert(RankOf(trial));
  paces_[trial.rung].Add(event.time, event.time - trial.lease->start);
  if (trial.results.size() > 1) {
    const double before = trial.results[trial.results.size() - 2].error;
    rung_pairs_[trial.rung - 1].Add(before, event.error);
  }
  if (!event.checkpoint_id.empty()) {
    AddCheckpoint(trial, event.checkpoint_id, epochs);
    DropAllBut(trial, event.checkpoint_id, epochs);
  }
  EndAttempt(trial, event.attempt, event.digest);
  ++evaluations_;
  const std::optional<double>& target = spec_.limits.target_error;
  if (target.has_value() && RankedError(event.error) <= *target) target_hit_ = trial.id;

  Level& level = LevelOf(trial);
  ++level.reported;
  if (std::isfinite(event.error)) level.errors.Add(event.error);
  if (trial.rung == ladder_.top()) {
    trial.state = TrialState::kCompleted;
    plateau_.Add(event.error, spec_.limits.no_improvement.delta);
    rungs_.FoldIfDone(trial.group);
  } else {
    resumes_ = !event.checkpoint_id.empty();
    trial.state = TrialState::kWaiting;
    if (!policy_->OneByOne()) {
      level.outcomes.push_back(trial.id);
    } else if (std::isfinite(event.error)) {
      level.standings.Add({event.error, trial.id});
    } else {
      trial.state = TrialState::kEliminated;  // No level will close over it.
    }
  }
  sampler_.Learn(trial.id, trial.rung, event.error);
  ReleaseAfterResult(trial);
  if (policy_->OneByOne()) ReleaseHopeless(trial.group, trial.rung);
}

void Study::Apply(const RungClosed& event) {
  ++version_;
  Level& level = rungs_.Group(event.group)[event.rung];
  HV_CHECK(level.outcomes.size() == event.promoted.size() + event.eliminated.size())
      << "rung " << event.rung << " holds " << level.outcomes.size() << " outcomes";
  level.outcomes.clear();
  level.promoted += static_cast<int64_t>(event.promoted.size());
  const std::vector<TrialId> best = BestTrials();
  for (const TrialId id : event.eliminated) {
    Trial& trial = MutableTrial(id);
    if (trial.state == TrialState::kWaiting) trial.state = TrialState::kEliminated;
    ReleaseOver(trial, best);
  }
  // The best is put in front last.
  for (auto id = event.promoted.rbegin(); id != event.promoted.rend(); ++id) {
    Promote(MutableTrial(*id));
  }
  rungs_.FoldIfDone(event.group);
}

void Study::Apply(const TrialPromoted& event) {
  ++version_;
  Trial& trial = MutableTrial(event.trial);
  Level& level = LevelOf(trial);
  ++level.promoted;
  level.standings.Promote({trial.results.back().error, trial.id});
  Promote(trial);
}

void Study::Promote(Trial& trial) {
  ++trial.rung;
  trial.failures = 0;
  trial.out_of_memory = false;
  trial.charged = false;
  EnqueueFront(trial);
}

void Study::Apply(const LeaseRenewed& event) {
  MutableTrial(event.trial).lease->renewed = event.time;
}

void Study::CountLeaseTime(absl::Time now, absl::Duration since_last) {
  lease_time_.Add(now, since_last * static_cast<int64_t>(running_.size()));
}

void Study::Recover(absl::Time now) {
  running_since_ = now;
  for (Pace& pace : paces_) pace.ResumeAt(now);
  for (const auto& [start, id] : running_) MutableTrial(id).lease->renewed = now;
}

void Study::Enqueue(Trial& trial, int64_t position) {
  trial.state = TrialState::kQueued;
  trial.queue_position = position;
  queue_[position] = trial.id;
  ++LevelOf(trial).queued;
  AddQueuedCharge(trial, +1);
}

void Study::Dequeue(Trial& trial) {
  HV_CHECK(trial.state == TrialState::kQueued) << "trial " << trial.id << " is not queued";
  queue_.erase(trial.queue_position);
  --LevelOf(trial).queued;
  AddQueuedCharge(trial, -1);
}

void Study::AddQueuedCharge(const Trial& trial, int sign) {
  const Cost cost = ChargeOf(trial);
  queued_charges_.evaluations += sign * cost.evaluations;
  queued_charges_.epochs += sign * cost.epochs;
}

void Study::StopRunning(Trial& trial) {
  HV_CHECK(trial.state == TrialState::kRunning) << "trial " << trial.id << " is not running";
  running_.erase({trial.lease->start, trial.id});
  --LevelOf(trial).running;
}

void Study::Withdraw(Trial& trial) {
  if (trial.state == TrialState::kRunning) return StopRunning(trial);
  Dequeue(trial);
  TakeFailureBack(trial);
}

// A report has said how it ended. What it uploaded and did not name is nobody's.
void Study::EndAttempt(Trial& trial, int32_t attempt, const Digest& digest) {
  trial.ended.push_back({attempt, digest});
  trial.lease.reset();
  DropOffered(trial);
}

void Study::TakeFailureBack(Trial& trial) {
  if (!trial.lease->failure_charged) return;
  trial.lease->failure_charged = false;
  --trial.failures;
  trial.last_failure.reset();
}

void Study::Advance(Trial& trial, int64_t epoch) {
  if (epoch <= trial.position) return;
  epochs_trained_ += epoch - trial.position;
  epochs_lost_ += std::max<int64_t>(0, std::min(epoch, trial.furthest) - trial.position);
  trial.position = epoch;
  trial.furthest = std::max(trial.furthest, epoch);
}

std::vector<CurvePoint> Study::NewPoints(const Trial& trial,
                                         const std::vector<CurvePoint>& points) const {
  std::vector<CurvePoint> fresh;
  int64_t room = quotas_.points_per_trial - static_cast<int64_t>(trial.curve.size());
  for (const CurvePoint& point : points) {
    const auto kept = PointAt(trial.curve, point.epoch);
    if (kept != trial.curve.end() && kept->epoch == point.epoch) {
      if (kept->attempt < trial.attempts) fresh.push_back(point);
    } else if (room > 0) {
      fresh.push_back(point);
      --room;
    }
  }
  return fresh;
}

void Study::MergePoints(Trial& trial, int32_t attempt, const std::vector<CurvePoint>& points) {
  for (const CurvePoint& point : points) {
    const auto at = PointAt(trial.curve, point.epoch);
    const TrialPoint fresh{.epoch = point.epoch, .error = point.error, .attempt = attempt};
    if (at == trial.curve.end() || at->epoch != point.epoch) {
      trial.curve.insert(at, fresh);
    } else if (at->attempt < attempt) {
      *at = fresh;
    }
    Advance(trial, point.epoch);
  }
}

Study::RankKey Study::RankOf(const Trial& trial) {
  if (trial.results.empty()) return {1, 0, trial.id};
  return {-trial.results.back().rung, RankedError(trial.results.back().error), trial.id};
}

const Trial* Study::FindTrial(TrialId id) const {
  return id >= 1 && id <= trials() ? &trials_[id - 1] : nullptr;
}

TrialState Study::ShownState(const Trial& trial) const {
  // No level closes over who was not promoted; the end of the study does.
  if (state_ == StudyState::kCompleted && policy_->OneByOne() &&
      trial.state == TrialState::kWaiting) {
    return TrialState::kEliminated;
  }
  const bool open = trial.state == TrialState::kQueued || trial.state == TrialState::kRunning ||
                    trial.state == TrialState::kWaiting;
  return ended() && open ? TrialState::kStopped : trial.state;
}

const Trial* Study::Best() const {
  const std::vector<TrialId> first = BestTrials(1);
  return first.empty() ? nullptr : FindTrial(first.front());
}

}  // namespace halving
