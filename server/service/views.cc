#include "server/service/views.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/status.h"
#include "server/service/paging.h"
#include "server/service/translate.h"

namespace halving {
namespace {

constexpr int kMaxRunningShown = 1000;
// Fewer equal errors may be chance.
constexpr int64_t kTiedErrors = 4;
// Below this, what a rung says about the next one is hardly worth its epochs.
constexpr double kPoorCorrelation = 0.3;

void ShowResult(const Study& study, const RungResult& result, v1::RungResult* to) {
  to->set_epochs(study.ladder().epochs(result.rung));
  to->set_error(result.error);
  ToProto(result.train_time, to->mutable_train_time());
  to->set_worker_id(*result.worker);
  for (const auto& [name, value] : result.metrics) (*to->mutable_metrics())[name] = value;
  ToProto(result.end_time, to->mutable_end_time());
  to->set_from_epoch(result.from_epoch);
  to->set_study_epochs(result.study_epochs);
}

// Outcomes that wait for the level to close or, where levels never close, for a promotion.
int64_t Waiting(const Level& level) {
  return static_cast<int64_t>(level.outcomes.size() + level.standings.waiting().size());
}

// Needs size and waiting.
void ShowPace(const Study& study, int rung, absl::Time now, v1::RungStatus* to) {
  const std::optional<absl::Duration> usual = study.PaceAt(rung).MedianTime();
  if (usual.has_value()) ToProto(*usual, to->mutable_usual_time());
  // The top one closes nothing. Of rounds that are over only a sum is left, which closes no more.
  const bool over = to->round() == 0 && study.spec().policy == PolicyKind::kHalvingPerRound;
  if (over || rung == study.ladder().top() || to->size() <= to->waiting()) return;
  const std::optional<absl::Duration> closes = study.TimeFor(rung, to->size() - to->waiting(), now);
  if (closes.has_value()) ToProto(*closes, to->mutable_closes_in());
}

void ShowLevels(const Study& study, GroupKey group, const Levels& levels, absl::Time now,
                v1::StudyStatus* to) {
  for (int k = group.bracket; k < study.ladder().rungs(); ++k) {
    const Level& level = levels[k];
    v1::RungStatus* rung = to->add_rungs();
    rung->set_epochs(study.ladder().epochs(k));
    rung->set_size(study.SizeOf(group.bracket, k));
    // A study that has ended keeps its queue, for an extension, but nothing in it waits for
    // anybody.
    rung->set_waiting(study.ended() ? 0 : Waiting(level));
    rung->set_queued(study.ended() ? 0 : level.queued);
    rung->set_running(level.running);
    rung->set_reported(level.reported);
    rung->set_failed(level.failed);
    rung->set_promoted(level.promoted);
    rung->set_round(group.round);
    rung->set_bracket(group.bracket);
    ShowPace(study, k, now, rung);
    if (level.errors.empty()) continue;
    rung->set_best_error(level.errors.least());
    rung->set_median_error(level.errors.Median());
  }
}

void ShowRungs(const Study& study, absl::Time now, v1::StudyStatus* to) {
  const Levels& closed = study.rungs().closed();
  const bool any_closed = std::any_of(closed.begin(), closed.end(), [](const Level& level) {
    return level.reported + level.failed > 0;
  });
  if (any_closed) ShowLevels(study, GroupKey{}, closed, now, to);
  // Rungs that no trial has come to yet are shown, too, unless they are those of a coming round.
  const Levels empty(static_cast<size_t>(study.ladder().rungs()));
  absl::btree_map<GroupKey, const Levels*> shown;
  for (const auto& [key, levels] : study.rungs().groups()) shown.insert({key, &levels});
  if (study.spec().policy == PolicyKind::kHyperband) {
    for (int b = 0; b < study.ladder().rungs(); ++b) shown.insert({{.bracket = b}, &empty});
  } else if (shown.empty() && !any_closed) {
    shown.insert({GroupKey{}, &empty});
  }
  for (const auto& [key, levels] : shown) ShowLevels(study, key, *levels, now, to);
}

void ShowRunning(const Study& study, absl::Time now, v1::StudyStatus* to) {
  const std::vector<absl::Time> straggler_starts = study.StragglerStarts(now);
  for (const auto& [start, id] : study.running()) {
    if (to->running_size() == kMaxRunningShown) break;
    const Trial& trial = *study.FindTrial(id);
    v1::RunningTrial* running = to->add_running();
    running->set_trial_id(id);
    running->set_worker_id(trial.lease->worker);
    running->set_epochs(study.ladder().epochs(trial.rung));
    running->set_epoch(trial.position);
    running->set_attempt(trial.attempts);
    ToProto(std::max(absl::ZeroDuration(), now - start), running->mutable_running_for());
    running->set_straggling(start < straggler_starts[trial.rung]);
  }
}

// Promotions between equal errors go by the trial ids.
template <typename Shown>
void NoteTies(const Study& study, GroupKey group, const Levels& levels, Shown* to) {
  for (int k = group.bracket; k < study.ladder().rungs(); ++k) {
    const ErrorSummary& errors = levels[k].errors;
    if (errors.count() < kTiedErrors || errors.least() != errors.most()) continue;
    to->add_notes(absl::StrCat("all ", errors.count(), " errors at ", study.ladder().epochs(k),
                               " epochs are ", errors.least(),
                               ", so promotions there are by chance; train longer (min_epochs)"));
  }
}

// A rung whose order says little about that of the next one promotes almost by chance.
template <typename Shown>
void NotePoorForecast(const Study& study, int rung, Shown* to) {
  const RungPairs& pairs = study.PairsAt(rung);
  const std::optional<double> correlation = pairs.Correlation();
  if (!correlation.has_value() || *correlation >= kPoorCorrelation) return;
  const int64_t epochs = study.ladder().epochs(rung);
  const bool hyperband = study.spec().policy == PolicyKind::kHyperband;
  to->add_notes(absl::StrFormat(
      "the order at %d epochs says little about that at %d (rank correlation %.2f over the last %d "
      "trials that reached both); set a larger min_epochs%s in the next study",
      epochs, study.ladder().epochs(rung + 1), *correlation, pairs.size(),
      hyperband ? "" : ", or POLICY_HYPERBAND,"));
}

// What a person should know, and would not see at a glance.
// Of a StudyStatus or a StudyRow.
template <typename Shown>
void ShowNotes(const Scheduler& scheduler, const Study& study, absl::Time now, Shown* to) {
  if (study.ended()) return;
  if (!scheduler.IsServed(study.spec(), now)) {
    to->add_notes(absl::StrCat("no worker that serves the objective \"", study.spec().objective,
                               "\" is connected; start one with halving-worker"));
  }
  for (const auto& [key, levels] : study.rungs().groups()) NoteTies(study, key, levels, to);
  for (int k = 0; k < study.ladder().top(); ++k) NotePoorForecast(study, k, to);
  if (study.sampler().Exhausted()) {
    to->add_notes(
        "every config of the search space was handed out; further trials repeat them with other "
        "training seeds, so widen the space or stop the study");
  }
}

void ShowWorker(const Scheduler& scheduler, const Scope& scope, const std::string& id,
                const WorkerInfo& info, absl::Time now, v1::Worker* to) {
  to->set_worker_id(id);
  to->set_host(info.host);
  to->set_device(info.device);
  for (const std::string& objective : info.objectives) to->add_objectives(objective);
  ToProto(std::max(absl::ZeroDuration(), now - info.last_seen), to->mutable_last_seen());
  to->set_trials_finished(info.trials_finished);
  to->set_leases_lost(info.leases_lost);
  to->set_connected(WorkerTable::IsConnected(id, info, now, scheduler.leases()));
  std::vector<LeaseTable::Key> held = scheduler.leases().HeldBy(id);
  std::erase_if(held, [&](const LeaseTable::Key& key) {
    return !IsWithin(scope, scheduler.FindStudy(key.first)->spec());
  });
  if (held.empty()) {
    to->set_utilisation(info.busy.Share(now, std::nullopt));
    ToProto(std::max(absl::ZeroDuration(), now - info.idle_since), to->mutable_idle_for());
    return;
  }
  const Study& study = *scheduler.FindStudy(held.front().first);
  const Trial& trial = *study.FindTrial(held.front().second);
  to->set_utilisation(info.busy.Share(now, trial.lease->start));
  to->set_straggling(trial.lease->start < study.StragglerStarts(now)[trial.rung]);
  to->set_study(study.spec().name);
  to->set_trial_id(trial.id);
}

}  // namespace

absl::Status NoStudy(const std::string& name) {
  return absl::NotFoundError(
      absl::StrCat("there is no study \"", name, "\"; ListStudies names those that exist"));
}

absl::Status NoTrial(const Study& study, TrialId id) {
  return absl::NotFoundError(absl::StrCat("study \"", study.spec().name, "\" has no trial ", id,
                                          "; it has 1 to ", study.trials()));
}

void ShowStudy(const Study& study, v1::Study* to) {
  ToProto(study.spec(), to->mutable_spec());
  to->set_state(static_cast<v1::StudyState>(study.state()));
  ToProto(study.create_time(), to->mutable_create_time());
  if (study.end_time().has_value()) ToProto(*study.end_time(), to->mutable_end_time());
  to->set_end_reason(study.end_reason());
}

void ShowTrial(const Study& study, const Trial& trial, bool with_curve, v1::Trial* to) {
  to->set_id(trial.id);
  to->set_round(trial.round);
  ToProto(study.space().Decode(trial.config), to->mutable_config());
  to->set_state(static_cast<v1::TrialState>(study.ShownState(trial)));
  for (const RungResult& result : trial.results) ShowResult(study, result, to->add_results());
  to->set_attempts(trial.attempts);
  to->set_failures(trial.failures);
  to->set_failure(trial.Failure());
  if (trial.state == TrialState::kRunning) to->set_worker_id(trial.lease->worker);
  to->set_has_checkpoint(trial.NewestCheckpoint() != nullptr);
  if (!with_curve) return;
  for (const Checkpoint& checkpoint : trial.checkpoints) {
    if (checkpoint.offered) continue;
    v1::Checkpoint* shown = to->add_checkpoints();
    shown->set_checkpoint_id(checkpoint.id);
    shown->set_epoch(checkpoint.epoch);
    shown->set_size_bytes(checkpoint.bytes);
    shown->set_sha256(checkpoint.sha256);
  }
  for (const TrialPoint& point : trial.curve) {
    v1::CurvePoint* shown = to->add_curve();
    shown->set_epoch(point.epoch);
    shown->set_error(point.error);
  }
}

void ShowStatus(const Scheduler& scheduler, const Study& study, absl::Time now,
                v1::StudyStatus* to) {
  ShowStudy(study, to->mutable_study());
  if (study.Best() != nullptr) ShowTrial(study, *study.Best(), false, to->mutable_best());
  ShowRungs(study, now, to);
  ShowRunning(study, now, to);
  to->set_queued(study.ended() ? 0 : study.queued());
  to->set_evaluations(study.evaluations());
  to->set_epochs_trained(study.epochs_trained());
  to->set_failed_trials(study.failed_trials());
  const absl::Duration workers = scheduler.WorkerTime(now);
  if (workers > absl::ZeroDuration()) {
    to->set_utilisation(std::min(1.0, absl::FDivDuration(study.LeaseTime(now), workers)));
  }
  to->set_progress(study.Progress(now));
  ToProto(study.RunningTime(now), to->mutable_running_time());
  const std::optional<absl::Duration> left = study.TimeLeft(now);
  if (left.has_value()) ToProto(*left, to->mutable_time_left());
  to->set_epochs_lost(study.epochs_lost());
  to->set_running_total(static_cast<int64_t>(study.running().size()));
  ShowNotes(scheduler, study, now, to);
}

void ShowRow(const Scheduler& scheduler, const Study& study, absl::Time now, v1::StudyRow* to) {
  to->set_name(study.spec().name);
  to->set_objective(study.spec().objective);
  to->set_state(static_cast<v1::StudyState>(study.state()));
  ToProto(study.create_time(), to->mutable_create_time());
  if (study.end_time().has_value()) ToProto(*study.end_time(), to->mutable_end_time());
  to->set_end_reason(study.end_reason());
  to->set_progress(study.Progress(now));
  const std::optional<absl::Duration> left = study.TimeLeft(now);
  if (left.has_value()) ToProto(*left, to->mutable_time_left());
  to->set_trials(study.trials());
  to->set_queued(study.ended() ? 0 : study.queued());
  to->set_running(static_cast<int64_t>(study.running().size()));
  to->set_evaluations(study.evaluations());
  to->set_epochs_trained(study.epochs_trained());
  to->set_failed_trials(study.failed_trials());
  ShowNotes(scheduler, study, now, to);
  const Trial* best = study.Best();
  if (best == nullptr) return;
  to->set_best_error(best->results.back().error);
  to->set_best_epochs(study.ladder().epochs(best->results.back().rung));
  to->set_best_trial_id(best->id);
}

bool IsWithin(const Scope& scope, const Scheduler& scheduler, const std::string& worker) {
  if (scope.empty() || scope == OwnerOfWorker(worker)) return true;
  const auto held = scheduler.leases().HeldBy(worker);
  return std::any_of(held.begin(), held.end(), [&](const LeaseTable::Key& key) {
    return IsWithin(scope, scheduler.FindStudy(key.first)->spec());
  });
}

absl::Status ListStudies(const Scheduler& scheduler, const Scope& scope,
                         const v1::ListStudiesRequest& request, v1::ListStudiesResponse* to) {
  HV_ASSIGN_OR_RETURN(const int page_size, PageSize(request.page_size()));
  StudyUid after = 0;
  if (!request.page_token().empty() && !absl::SimpleAtoi(request.page_token(), &after)) {
    return BadPageToken();
  }
  size_t bytes = 0;
  for (auto at = scheduler.studies().upper_bound(after); at != scheduler.studies().end(); ++at) {
    if (to->studies_size() == page_size || bytes >= kMaxPageBytes) {
      to->set_next_page_token(absl::StrCat(after));
      break;
    }
    if (!IsWithin(scope, at->second->spec())) continue;
    v1::Study* shown = to->add_studies();
    ShowStudy(*at->second, shown);
    bytes += shown->ByteSizeLong();
    after = at->first;
  }
  return absl::OkStatus();
}

absl::Status ListWorkers(const Scheduler& scheduler, const Scope& scope, absl::Time now,
                         const v1::ListWorkersRequest& request, v1::ListWorkersResponse* to) {
  HV_ASSIGN_OR_RETURN(const int page_size, PageSize(request.page_size()));
  const auto& workers = scheduler.workers().all();
  size_t bytes = 0;
  for (auto at = workers.upper_bound(request.page_token()); at != workers.end(); ++at) {
    if (to->workers_size() == page_size || bytes >= kMaxPageBytes) {
      to->set_next_page_token(std::prev(at)->first);
      break;
    }
    if (!IsWithin(scope, scheduler, at->first)) continue;
    v1::Worker* shown = to->add_workers();
    ShowWorker(scheduler, scope, at->first, at->second, now, shown);
    bytes += shown->ByteSizeLong();
  }
  return absl::OkStatus();
}

}  // namespace halving
