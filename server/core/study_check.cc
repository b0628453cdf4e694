// What a study must look like at any time, for tests and simulations.
#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status.h"
#include "server/core/study.h"

namespace halving {
namespace {

// One the rung began from, one inside it, one at its end, and two that no report has named yet.
constexpr size_t kMostCheckpoints = 5;

struct Counted {
  int64_t queued = 0;
  int64_t running = 0;
};

absl::Status Wrong(StudyUid study, const std::string& what) {
  return absl::InternalError(absl::StrCat("study ", study, ": ", what));
}

// What is wrong with a trial by itself; empty when nothing is.
std::string FaultOf(const Trial& trial, int32_t max_attempts) {
  if (trial.state == TrialState::kRunning && trial.lease == nullptr) return "runs without a lease";
  if (trial.failures < 0) return "has fewer than no failures";
  if (trial.failures >= max_attempts && trial.state != TrialState::kFailed) {
    return "goes on after its last attempt failed";
  }
  for (size_t i = 0; i < trial.results.size(); ++i) {
    if (trial.results[i].rung != trial.group.bracket + static_cast<int>(i)) {
      return "has results that skip or repeat a rung";
    }
  }
  for (size_t i = 1; i < trial.curve.size(); ++i) {
    if (trial.curve[i].epoch <= trial.curve[i - 1].epoch) return "has a curve that goes back";
  }
  for (size_t i = 1; i < trial.checkpoints.size(); ++i) {
    if (trial.checkpoints[i].epoch < trial.checkpoints[i - 1].epoch) {
      return "has checkpoints that go back";
    }
  }
  return "";
}

void AppendLevels(const GroupKey& key, const std::vector<Level>& levels, std::string* text) {
  for (const Level& level : levels) {
    absl::StrAppend(
        text, "\n group ", key.bracket, "/", key.round, " queued ", level.queued, " running ",
        level.running, " reported ", level.reported, " failed ", level.failed, " promoted ",
        level.promoted, " outcomes ", absl::StrJoin(level.outcomes, ","), " waiting ",
        level.standings.waiting().size(), " hopeful ", level.standings.hopeful().size());
    if (level.errors.empty()) continue;
    absl::StrAppend(text, " errors ", level.errors.count(), " from ", level.errors.least(), " to ",
                    level.errors.most(), " median ", level.errors.Median());
  }
}

void AppendResult(const RungResult& result, std::string* text) {
  absl::StrAppend(text, " result ", result.rung, ":", result.error, " by ", *result.worker, " in ",
                  absl::FormatDuration(result.train_time), " at ",
                  absl::ToUnixNanos(result.end_time), " from ", result.from_epoch, " of ",
                  result.study_epochs);
  for (const auto& [name, value] : result.metrics) absl::StrAppend(text, " ", name, "=", value);
}

void AppendTrial(const Trial& trial, std::string* text) {
  absl::StrAppend(text, "\n trial ", trial.id, " round ", trial.round, " group ",
                  trial.group.bracket, "/", trial.group.round, " state ",
                  static_cast<int>(trial.state), " rung ", trial.rung, " attempts ", trial.attempts,
                  " failures ", trial.failures, trial.out_of_memory ? "m" : "", " charged ",
                  trial.charged, " at ", trial.position, "/", trial.furthest, " failure \"",
                  trial.Failure(), "\" config ", absl::StrJoin(trial.config, ","));
  if (trial.lease != nullptr) {
    absl::StrAppend(text, " lease ", trial.lease->worker, " ", trial.lease->incarnation, " ",
                    trial.lease->request_id, " from ", trial.lease->from_epoch, " ",
                    trial.lease->checkpoint_id, " charged ", trial.lease->failure_charged);
  }
  for (const RungResult& result : trial.results) AppendResult(result, text);
  for (const TrialPoint& p : trial.curve) {
    absl::StrAppend(text, " (", p.epoch, ":", p.error, "#", p.attempt, ")");
  }
  for (const Checkpoint& c : trial.checkpoints) {
    absl::StrAppend(text, " ", c.id, "@", c.epoch, c.stored ? "/" : "", c.stored ? c.bytes : 0,
                    c.offered ? "?" : "");
  }
  for (const EndedAttempt& e : trial.ended) {
    absl::StrAppend(text, " end", e.attempt, "=", absl::Hex(e.digest.high),
                    absl::Hex(e.digest.low));
  }
}

}  // namespace

// Only what may be needed is kept.
absl::Status Study::CheckCheckpoints() const {
  const std::vector<TrialId> best = BestTrials();
  int64_t bytes = 0;
  for (const Trial& trial : trials_) {
    if (trial.checkpoints.empty()) continue;
    const std::string who = absl::StrCat("trial ", trial.id);
    if (trial.checkpoints.size() > kMostCheckpoints) {
      return Wrong(uid_, absl::StrCat(who, " has ", trial.checkpoints.size(), " checkpoints"));
    }
    if (!IsLive(trial) && std::find(best.begin(), best.end(), trial.id) == best.end()) {
      return Wrong(uid_, who + " is over and keeps a checkpoint");
    }
    for (const Checkpoint& checkpoint : trial.checkpoints) {
      if (checkpoint.stored) bytes += checkpoint.bytes;
      if (checkpoint.offered && trial.lease == nullptr) {
        return Wrong(uid_, absl::StrCat(who, " keeps ", checkpoint.id, ", which is nobody's"));
      }
    }
  }
  if (bytes != checkpoint_bytes_) return Wrong(uid_, "the bytes of checkpoints are miscounted");
  return absl::OkStatus();
}

absl::Status Study::CheckInvariants() const {
  int64_t running = 0;
  int64_t queued = 0;
  int64_t failed = 0;
  int64_t results = 0;
  int64_t charged = 0;
  for (const Trial& trial : trials_) {
    const std::string who = absl::StrCat("trial ", trial.id);
    const std::string fault = FaultOf(trial, spec_.max_attempts);
    if (!fault.empty()) return Wrong(uid_, absl::StrCat(who, " ", fault));
    if (trial.state == TrialState::kQueued &&
        (!queue_.contains(trial.queue_position) || queue_.at(trial.queue_position) != trial.id)) {
      return Wrong(uid_, who + " is queued but not in the queue");
    }
    running += trial.state == TrialState::kRunning ? 1 : 0;
    queued += trial.state == TrialState::kQueued ? 1 : 0;
    failed += trial.state == TrialState::kFailed ? 1 : 0;
    results += static_cast<int64_t>(trial.results.size());
    // Each rung below was charged once.
    charged += trial.rung - trial.group.bracket + (trial.charged ? 1 : 0);
  }
  if (running != static_cast<int64_t>(running_.size())) return Wrong(uid_, "running is miscounted");
  if (queued != this->queued()) return Wrong(uid_, "the queue is miscounted");
  if (failed != failed_trials_) return Wrong(uid_, "failed trials are miscounted");
  if (results != evaluations_) return Wrong(uid_, "results are miscounted");
  if (charged != charged_.evaluations) return Wrong(uid_, "charges are miscounted");
  if (ranking_.size() != trials_.size()) return Wrong(uid_, "the ranking is miscounted");
  if (!Covers({})) return Wrong(uid_, "a limit was passed");
  HV_RETURN_IF_ERROR(CheckOutcomes());
  HV_RETURN_IF_ERROR(CheckCheckpoints());
  return CheckRungCounts();
}

// Who waits stands at one level, and only who waits or has failed does.
absl::Status Study::CheckOutcomes() const {
  std::set<TrialId> seen;
  for (const auto& [key, levels] : rungs_.groups()) {
    for (int k = 0; k < ladder_.rungs(); ++k) {
      for (const auto& [error, id] : levels[k].standings.waiting()) {
        const Trial& trial = trials_[id - 1];
        if (trial.state != TrialState::kWaiting || trial.rung != k || !seen.insert(id).second) {
          return Wrong(uid_, absl::StrCat("trial ", id, " does not wait at rung ", k));
        }
      }
      for (const TrialId id : levels[k].outcomes) {
        const Trial& trial = trials_[id - 1];
        const bool stands =
            trial.state == TrialState::kWaiting || trial.state == TrialState::kFailed;
        if (!stands || trial.rung != k || trial.group != key || !seen.insert(id).second) {
          return Wrong(uid_, absl::StrCat("trial ", id, " is no outcome of rung ", k));
        }
      }
    }
  }
  for (const Trial& trial : trials_) {
    if (trial.state == TrialState::kWaiting && !seen.contains(trial.id)) {
      return Wrong(uid_, absl::StrCat("trial ", trial.id, " waits at no rung"));
    }
  }
  return absl::OkStatus();
}

absl::Status Study::CheckRungCounts() const {
  std::map<std::pair<GroupKey, int>, Counted> counted;
  Cost queued_charges;
  for (const Trial& trial : trials_) {
    Counted& count = counted[{trial.group, trial.rung}];
    if (trial.state == TrialState::kRunning) ++count.running;
    if (trial.state != TrialState::kQueued) continue;
    ++count.queued;
    queued_charges.evaluations += ChargeOf(trial).evaluations;
    queued_charges.epochs += ChargeOf(trial).epochs;
  }
  for (const auto& [key, levels] : rungs_.groups()) {
    for (int k = 0; k < ladder_.rungs(); ++k) {
      const Counted& count = counted[{key, k}];
      if (count.queued != levels[k].queued || count.running != levels[k].running) {
        return Wrong(uid_, absl::StrCat("rung ", k, " is miscounted"));
      }
      if (k < ladder_.top() &&
          static_cast<int64_t>(levels[k].outcomes.size()) > SizeOf(key.bracket, k)) {
        return Wrong(uid_, absl::StrCat("rung ", k, " is over-full"));
      }
    }
  }
  if (queued_charges.evaluations != queued_charges_.evaluations ||
      queued_charges.epochs != queued_charges_.epochs) {
    return Wrong(uid_, "the queue's charges are miscounted");
  }
  return absl::OkStatus();
}

std::string Study::DebugString() const {
  const Limits& limits = spec_.limits;
  std::string text = absl::StrCat(
      "study ", uid_, " ", spec_.name, " seed ", spec_.seed, " state ", static_cast<int>(state_),
      " (", end_reason_, ") created ", absl::ToUnixNanos(create_time_), " ended ",
      end_time_.has_value() ? absl::ToUnixNanos(*end_time_) : 0, " time ",
      absl::FormatDuration(counted_time_), "\n limits ", limits.max_evaluations, " ",
      limits.max_rounds, " ", limits.max_total_epochs, " ",
      absl::FormatDuration(limits.max_wall_time), " ",
      limits.target_error.has_value() ? absl::StrCat(*limits.target_error) : "none");
  absl::StrAppend(&text, "\n charged ", charged_.evaluations, "/", charged_.epochs, " queued ",
                  queued_charges_.evaluations, "/", queued_charges_.epochs, " results ",
                  evaluations_, " trained ", epochs_trained_, " lost ", epochs_lost_, " failed ",
                  failed_trials_, " (", last_failure_, ") target ", target_hit_, " resumes ",
                  resumes_, " plateau ", plateau_.best(), " since ", plateau_.since(), "\n queue");
  for (const auto& [position, id] : queue_) absl::StrAppend(&text, " ", id);
  for (const auto& [key, levels] : rungs_.groups()) AppendLevels(key, levels, &text);
  AppendLevels(GroupKey{}, rungs_.closed(), &text);
  for (const Trial& trial : trials_) AppendTrial(trial, &text);
  return text + "\n";
}

}  // namespace halving
