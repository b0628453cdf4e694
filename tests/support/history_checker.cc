#include "tests/support/history_checker.h"

#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status.h"

namespace halving {
namespace {

template <typename... Parts>
absl::Status Broken(const Parts&... parts) {
  return absl::InternalError(absl::StrCat(parts...));
}

}  // namespace

absl::Status HistoryChecker::CheckAll(const std::vector<Event>& events) {
  for (const Event& event : events) HV_RETURN_IF_ERROR(Check(event));
  return absl::OkStatus();
}

absl::Status HistoryChecker::Check(const Event& event) {
  HV_RETURN_IF_ERROR(std::visit([this](const auto& e) { return CheckOne(e); }, event));
  shadow_.Apply(event);
  return depth_ == Depth::kInvariants ? shadow_.CheckInvariants() : absl::OkStatus();
}

absl::Status HistoryChecker::CheckOne(const StudyCreated& event) {
  HV_ASSIGN_OR_RETURN(RungLadder ladder, RungLadder::Create(event.spec.halving));
  HV_ASSIGN_OR_RETURN(SearchSpace space, SearchSpace::Create(event.spec.parameters));
  if (event.spec.seed == 0) return Broken("study ", event.study, " has no seed");
  StudyRecord record = {.spec = event.spec, .ladder = std::move(ladder), .space = std::move(space)};
  record.brackets = BracketsOf(record.spec, record.ladder);
  record.configs = CountDistinct(record.space);
  for (size_t b = 0; b < record.brackets.size(); ++b) record.round_size += record.brackets[b][b];
  if (!studies_.insert({event.study, record}).second) return Broken("a uid was used again");
  return absl::OkStatus();
}

absl::Status HistoryChecker::CheckOne(const StudyPaused& event) {
  StudyRecord& study = studies_.at(event.study);
  if (study.state != StudyState::kRunning) return Broken("paused, but was not RUNNING");
  study.state = StudyState::kPaused;
  return absl::OkStatus();
}

absl::Status HistoryChecker::CheckOne(const StudyResumed& event) {
  StudyRecord& study = studies_.at(event.study);
  if (study.state != StudyState::kPaused) return Broken("resumed, but was not PAUSED");
  study.state = StudyState::kRunning;
  return absl::OkStatus();
}

absl::Status HistoryChecker::CheckOne(const StudyEnded& event) {
  StudyRecord& study = studies_.at(event.study);
  if (study.state != StudyState::kRunning && study.state != StudyState::kPaused) {
    return Broken("study ", event.study, " ended twice");
  }
  if (event.reason.empty()) return Broken("study ", event.study, " ended without a reason");
  const int64_t patience = study.spec.limits.no_improvement.trials;
  if (absl::StartsWith(event.reason, "no_improvement") &&
      (patience == 0 || study.since_best < patience)) {
    return Broken("study ", event.study, " ended after ", study.since_best, " trials of ", patience,
                  " without improvement");
  }
  study.state = event.state;
  for (TrialRecord& trial : study.trials) trial.running = false;
  return absl::OkStatus();
}

absl::Status HistoryChecker::CheckOne(const StudyExtended& event) {
  StudyRecord& study = studies_.at(event.study);
  if (study.state == StudyState::kStopped || study.state == StudyState::kFailed) {
    return Broken("study ", event.study, " was reopened, but had not COMPLETED");
  }
  study.spec.limits = event.limits;
  study.since_best = 0;
  if (study.state == StudyState::kCompleted) study.state = StudyState::kRunning;
  return absl::OkStatus();
}

absl::Status HistoryChecker::CheckOne(const StudyDeleted& event) {
  studies_.at(event.study).trials.clear();
  return absl::OkStatus();
}

absl::Status HistoryChecker::CheckOne(const TrialLeased& event) {
  StudyRecord& study = studies_.at(event.study);
  TrialRecord& trial = study.trials.at(event.trial - 1);
  const std::string who = absl::StrCat("trial ", event.trial, " attempt ", event.attempt);
  if (study.state != StudyState::kRunning) return Broken(who, " was handed out while not RUNNING");
  if (trial.running || trial.failed) return Broken(who, " runs already, or has failed");
  if (trial.errors.contains(trial.rung)) return Broken(who, " has a result at its rung already");
  if (event.attempt != trial.attempts + 1) return Broken(who, " follows ", trial.attempts);
  const int64_t epochs = study.ladder.epochs(trial.rung);
  if (event.from_epoch < 0 || event.from_epoch >= epochs) return Broken(who, " starts beyond");
  if (event.checkpoint_id.empty() != (event.from_epoch == 0)) {
    return Broken(who, " starts from ", event.from_epoch, " with \"", event.checkpoint_id, "\"");
  }
  trial.running = true;
  trial.attempts = event.attempt;
  trial.charged.insert({trial.rung, epochs - event.from_epoch});
  return CheckLimits(study);
}

absl::Status HistoryChecker::CheckLimits(const StudyRecord& study) const {
  int64_t evaluations = 0;
  int64_t epochs = 0;
  for (const TrialRecord& trial : study.trials) {
    evaluations += static_cast<int64_t>(trial.charged.size());
    for (const auto& [rung, charge] : trial.charged) epochs += charge;
  }
  const Limits& limits = study.spec.limits;
  const auto trials = static_cast<int64_t>(study.trials.size());
  if (limits.max_evaluations > 0 && evaluations > limits.max_evaluations) {
    return Broken(evaluations, " evaluations of ", limits.max_evaluations);
  }
  if (limits.max_total_epochs > 0 && epochs > limits.max_total_epochs) {
    return Broken(epochs, " epochs of ", limits.max_total_epochs);
  }
  if (limits.max_rounds > 0 && trials > limits.max_rounds * study.round_size) {
    return Broken(trials, " trials in ", limits.max_rounds, " rounds");
  }
  const int64_t patience = limits.no_improvement.trials;
  if (patience > 0 && study.since_best >= patience) {
    return Broken("work goes on after ", study.since_best, " trials without improvement");
  }
  return absl::OkStatus();
}

absl::Status HistoryChecker::CheckOne(const AttemptFailed& event) {
  StudyRecord& study = studies_.at(event.study);
  TrialRecord& trial = study.trials.at(event.trial - 1);
  if (!trial.running || event.attempt != trial.attempts) return Broken("failed, but did not run");
  trial.running = false;
  trial.failed = event.final;
  if (event.final && trial.rung < study.ladder.top()) AddOutcome(study, event.trial, NAN);
  return absl::OkStatus();
}

absl::Status HistoryChecker::CheckOne(const AttemptReturned& event) {
  TrialRecord& trial = studies_.at(event.study).trials.at(event.trial - 1);
  if (!trial.running || event.attempt != trial.attempts) return Broken("returned, but did not run");
  trial.running = false;
  return absl::OkStatus();
}

absl::Status HistoryChecker::CheckOne(const TrialProgressed& event) {
  TrialRecord& trial = studies_.at(event.study).trials.at(event.trial - 1);
  if (event.attempt != trial.attempts || trial.running == event.revived) {
    return Broken("trial ", event.trial, " progressed, revived ", event.revived);
  }
  trial.running = true;
  return absl::OkStatus();
}

absl::Status HistoryChecker::CheckOne(const TrialReported& event) {
  StudyRecord& study = studies_.at(event.study);
  TrialRecord& trial = study.trials.at(event.trial - 1);
  const std::string who = absl::StrCat("trial ", event.trial, " at rung ", trial.rung);
  if (event.attempt != trial.attempts) return Broken(who, " counts an old attempt's result");
  if (trial.failed) return Broken(who, " has failed for good");
  if (!trial.errors.insert({trial.rung, event.error}).second) return Broken(who, " counts twice");
  trial.running = false;
  if (trial.rung < study.ladder.top()) {
    AddOutcome(study, event.trial, event.error);
    return absl::OkStatus();
  }
  ++study.since_best;
  const double least = study.spec.limits.no_improvement.delta;
  if (std::isfinite(event.error) && event.error < study.best_at_top &&
      event.error <= study.best_at_top - least) {
    study.best_at_top = event.error;
    study.since_best = 0;
  }
  return absl::OkStatus();
}

}  // namespace halving
