// What a study must look like at any time, for tests and simulations.
#include <map>

#include "absl/strings/str_cat.h"
#include "common/status.h"
#include "server/core/study.h"

namespace halving {
namespace {

struct Counted {
  int64_t queued = 0;
  int64_t running = 0;
};

absl::Status Wrong(StudyUid study, const std::string& what) {
  return absl::InternalError(absl::StrCat("study ", study, ": ", what));
}

}  // namespace

absl::Status Study::CheckInvariants() const {
  int64_t running = 0;
  int64_t queued = 0;
  for (const Trial& trial : trials_) {
    running += trial.state == TrialState::kRunning ? 1 : 0;
    queued += trial.state == TrialState::kQueued ? 1 : 0;
    const std::string who = absl::StrCat("trial ", trial.id);
    if (trial.state == TrialState::kRunning && trial.lease == nullptr) {
      return Wrong(uid_, who + " runs without a lease");
    }
    if (trial.state == TrialState::kQueued &&
        (!queue_.contains(trial.queue_position) || queue_.at(trial.queue_position) != trial.id)) {
      return Wrong(uid_, who + " is queued but not in the queue");
    }
    if (trial.failures >= spec_.max_attempts && trial.state != TrialState::kFailed) {
      return Wrong(uid_, who + " goes on after its last attempt failed");
    }
    for (size_t i = 0; i < trial.results.size(); ++i) {
      if (trial.results[i].rung != static_cast<int>(i)) {
        return Wrong(uid_, who + " has results that skip or repeat a rung");
      }
    }
    for (size_t i = 1; i < trial.curve.size(); ++i) {
      if (trial.curve[i].epoch <= trial.curve[i - 1].epoch) {
        return Wrong(uid_, who + " has a curve that goes back");
      }
    }
  }
  if (running != static_cast<int64_t>(running_.size())) return Wrong(uid_, "running is miscounted");
  if (queued != this->queued()) return Wrong(uid_, "the queue is miscounted");
  if (!Covers({})) return Wrong(uid_, "a limit was passed");
  return CheckRungCounts();
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
      if (k < ladder_.top() && static_cast<int64_t>(levels[k].outcomes.size()) > ladder_.size(k)) {
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
  std::string text =
      absl::StrCat("study ", uid_, " ", spec_.name, " state ", static_cast<int>(state_), " (",
                   end_reason_, ") time ", absl::FormatDuration(counted_time_), " charged ",
                   charged_.evaluations, "/", charged_.epochs, " results ", evaluations_,
                   " trained ", epochs_trained_, " lost ", epochs_lost_, " failed ", failed_trials_,
                   " target ", target_hit_, " resumes ", resumes_, "\n queue");
  for (const auto& [position, id] : queue_) absl::StrAppend(&text, " ", id);
  for (const auto& [key, levels] : rungs_.groups()) {
    for (const Level& level : levels) {
      absl::StrAppend(&text, "\n group ", key.bracket, "/", key.round, " reported ", level.reported,
                      " failed ", level.failed, " promoted ", level.promoted, " outcomes");
      for (const TrialId id : level.outcomes) absl::StrAppend(&text, " ", id);
    }
  }
  for (const Trial& trial : trials_) {
    absl::StrAppend(&text, "\n trial ", trial.id, " state ", static_cast<int>(trial.state),
                    " rung ", trial.rung, " attempts ", trial.attempts, " failures ",
                    trial.failures, " charged ", trial.charged, " at ", trial.position, "/",
                    trial.furthest, " config");
    for (const double value : trial.config) absl::StrAppend(&text, " ", value);
    if (trial.lease != nullptr) {
      absl::StrAppend(&text, " lease ", trial.lease->worker, " ", trial.lease->request_id, " ",
                      trial.lease->failure_charged);
    }
    for (const RungResult& result : trial.results) absl::StrAppend(&text, " e", result.error);
    for (const TrialPoint& p : trial.curve) {
      absl::StrAppend(&text, " (", p.epoch, ":", p.error, "#", p.attempt, ")");
    }
    for (const Checkpoint& c : trial.checkpoints) absl::StrAppend(&text, " ", c.id, "@", c.epoch);
    for (const EndedAttempt& e : trial.ended) {
      absl::StrAppend(&text, " end", e.attempt, "=", e.digest.high);
    }
  }
  return text + "\n";
}

}  // namespace halving
