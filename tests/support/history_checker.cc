#include "tests/support/history_checker.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status.h"
#include "server/core/sampler.h"

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
  const StudyRecord record = {
      .spec = event.spec, .ladder = std::move(ladder), .space = std::move(space)};
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
  if (study.state == StudyState::kCompleted) study.state = StudyState::kRunning;
  return absl::OkStatus();
}

absl::Status HistoryChecker::CheckOne(const StudyDeleted& event) {
  studies_.at(event.study).trials.clear();
  return absl::OkStatus();
}

absl::Status HistoryChecker::CheckOne(const TrialSampled& event) {
  StudyRecord& study = studies_.at(event.study);
  const auto next = static_cast<TrialId>(study.trials.size()) + 1;
  if (study.state != StudyState::kRunning) return Broken("a trial was sampled while not RUNNING");
  if (event.trial != next) return Broken("trial ", event.trial, " was sampled before ", next);
  if (event.round != (next - 1) / study.ladder.size(0) + 1) {
    return Broken("trial ", next, " is of round ", event.round);
  }
  const auto initial = static_cast<TrialId>(study.spec.initial_configs.size());
  const Config expected = next <= initial
                              ? *study.space.Encode(study.spec.initial_configs[next - 1], "")
                              : SampleRandom(study.space, study.spec.seed, next);
  if (event.config != expected) return Broken("trial ", next, " has not the config of its seed");
  study.trials.push_back({.group = event.group});
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
  if (limits.max_rounds > 0 && trials > limits.max_rounds * study.ladder.size(0)) {
    return Broken(trials, " trials in ", limits.max_rounds, " rounds");
  }
  return absl::OkStatus();
}

absl::Status HistoryChecker::CheckOne(const AttemptFailed& event) {
  StudyRecord& study = studies_.at(event.study);
  TrialRecord& trial = study.trials.at(event.trial - 1);
  if (!trial.running || event.attempt != trial.attempts) return Broken("failed, but did not run");
  trial.running = false;
  trial.failed = event.final;
  if (event.final && trial.rung < study.ladder.top()) {
    study.outcomes[{trial.group, trial.rung}].push_back(event.trial);
  }
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
    study.outcomes[{trial.group, trial.rung}].push_back(event.trial);
  }
  return absl::OkStatus();
}

std::pair<int64_t, int64_t> HistoryChecker::Promotions(const StudyRecord& study,
                                                       const RungClosed& event, int64_t outcomes,
                                                       int64_t finite) const {
  if (!event.drained) {
    const int64_t all = std::min(study.ladder.size(event.rung + 1), finite);
    return {all, all};
  }
  const int64_t most = std::min(std::max<int64_t>(1, outcomes / study.ladder.eta()), finite);
  return {std::min<int64_t>(1, most), most};  // As many as the limits allow.
}

absl::Status HistoryChecker::CheckOne(const RungClosed& event) {
  StudyRecord& study = studies_.at(event.study);
  std::vector<TrialId>& outcomes = study.outcomes[{event.group, event.rung}];
  const auto count = static_cast<int64_t>(outcomes.size());
  const std::string where = absl::StrCat("rung ", event.rung, " with ", count, " outcomes ");
  std::vector<std::pair<double, TrialId>> ranked;
  for (const TrialId id : outcomes) {
    const TrialRecord& trial = study.trials[id - 1];
    const double error = trial.failed ? NAN : trial.errors.at(event.rung);
    ranked.emplace_back(std::isfinite(error) ? error : INFINITY, id);
  }
  std::sort(ranked.begin(), ranked.end());
  const int64_t finite = std::count_if(ranked.begin(), ranked.end(),
                                       [](const auto& r) { return std::isfinite(r.first); });
  // A round with rungs of its own may bring fewer to the rungs above its first.
  const bool may_be_short = study.spec.policy == PolicyKind::kHalvingPerRound && event.rung > 0;
  const int64_t size = study.ladder.size(event.rung);
  if (count > size || count == 0 || (count < size && !event.drained && !may_be_short)) {
    return Broken(where, "closed, but holds ", size);
  }
  const auto [least, most] = Promotions(study, event, count, finite);
  const auto promoted = static_cast<int64_t>(event.promoted.size());
  if (promoted < least || promoted > most) {
    return Broken(where, "promoted ", promoted, ", not ", least, " to ", most);
  }
  std::vector<TrialId> ids = event.promoted;
  ids.insert(ids.end(), event.eliminated.begin(), event.eliminated.end());
  for (size_t i = 0; i < ids.size() || i < ranked.size(); ++i) {
    if (ids.size() != ranked.size() || ids[i] != ranked[i].second) {
      return Broken(where, "ranks ", absl::StrJoin(ids, ","));
    }
  }
  for (const TrialId id : event.promoted) ++study.trials[id - 1].rung;
  outcomes.clear();
  return absl::OkStatus();
}

}  // namespace halving
