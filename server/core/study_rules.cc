// The rules of scheduling, as questions to a study: who is next, what closes, when it ends.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "server/core/sampler.h"
#include "server/core/saturated.h"
#include "server/core/study.h"

namespace halving {

Cost Study::ChargeAt(const Trial& trial, int rung) const {
  const int64_t epochs = ladder_.epochs(rung);
  return {.evaluations = 1, .epochs = epochs - trial.ResumePoint(epochs).epoch};
}

Cost Study::ChargeOf(const Trial& trial) const {
  return trial.charged ? Cost{} : ChargeAt(trial, trial.rung);
}

bool Study::Covers(const Cost& cost) const {
  const Limits& limits = spec_.limits;
  // Compared as what is left, so that a cost near the largest number cannot overflow.
  return (limits.max_evaluations == 0 ||
          cost.evaluations <= limits.max_evaluations - charged_.evaluations) &&
         (limits.max_total_epochs == 0 || cost.epochs <= limits.max_total_epochs - charged_.epochs);
}

std::optional<TrialId> Study::NextQueued() const {
  for (const auto& [position, id] : queue_) {
    if (Covers(ChargeOf(trials_[id - 1]))) return id;
  }
  return std::nullopt;
}

std::optional<TrialId> Study::FirstCovered(const std::vector<TrialId>& trials) const {
  for (const TrialId id : trials) {
    if (Covers(ChargeAt(trials_[id - 1], trials_[id - 1].rung + 1))) return id;
  }
  return std::nullopt;
}

std::optional<Event> Study::NextToQueue() const {
  const std::optional<TrialId> promotable = FirstCovered(policy_->Promotable(rungs_));
  if (promotable.has_value()) return TrialPromoted{.study = uid_, .trial = *promotable};
  if (!SpentLimit().empty()) return std::nullopt;
  return NextSample();
}

// The limit that forbids a new trial, in words; empty when none does.
std::string Study::SpentLimit() const {
  const Limits& limits = spec_.limits;
  if (trials() >= quotas_.trials_per_study) {
    return absl::StrCat("it has ", trials(), " trials, the most that this server keeps of a study");
  }
  if (limits.max_rounds > 0 && trials() >= policy_->TrialsIn(limits.max_rounds)) {
    return absl::StrCat("max_rounds ", limits.max_rounds, " reached");
  }
  if (limits.max_evaluations == 0 && limits.max_total_epochs == 0) return "";
  const Placement place = policy_->Place(trials());
  const int64_t first_epochs = ladder_.epochs(place.group.bracket);
  Cost cost = policy_->EarnablePromotions(rungs_, place, resumes_);
  cost.evaluations = AddSaturated(cost.evaluations, queued_charges_.evaluations + 1);
  cost.epochs = AddSaturated(cost.epochs, queued_charges_.epochs + first_epochs);
  if (!Covers({.evaluations = cost.evaluations, .epochs = 0})) {
    return absl::StrCat("max_evaluations ", limits.max_evaluations,
                        " reached: ", charged_.evaluations, " handed out");
  }
  if (!Covers({.evaluations = 0, .epochs = cost.epochs})) {
    return absl::StrCat("max_total_epochs ", limits.max_total_epochs, " reached: ", charged_.epochs,
                        " handed out");
  }
  return "";
}

TrialSampled Study::NextSample() const {
  const Placement placement = policy_->Place(trials());
  const TrialId id = trials() + 1;
  TrialSampled event{
      .study = uid_, .trial = id, .round = placement.round, .group = placement.group};
  if (static_cast<size_t>(id) <= spec_.initial_configs.size()) {
    event.config = *space_.Encode(spec_.initial_configs[id - 1], "initial_configs");
  } else {
    event.config = sampler_.Next(id);
  }
  return event;
}

Assignment Study::Describe(const Trial& trial) const {
  return {.lease = {.study = uid_, .trial = trial.id, .attempt = trial.attempts},
          .study = spec_.name,
          .objective = spec_.objective,
          .objective_options_json = spec_.objective_options_json,
          .config = space_.Decode(trial.config),
          .from_epoch = trial.lease->from_epoch,
          .to_epoch = ladder_.epochs(trial.rung),
          .checkpoint_id = trial.lease->checkpoint_id,
          .lease_duration = spec_.lease,
          .seed = TrainingSeed(spec_.seed, trial.id),
          .max_epochs = ladder_.epochs(ladder_.top())};
}

std::optional<Event> Study::DueEvent(absl::Time now) const {
  if (ended()) return std::nullopt;
  if (std::optional<Event> end = DueEnd(now); end.has_value()) return end;
  if (const std::optional<Closing> full = policy_->FullLevel(rungs_); full.has_value()) {
    return Close(*full, full->promotions, /*drained=*/false);
  }
  if (state_ != StudyState::kRunning || !running_.empty() || NextQueued().has_value()) {
    return std::nullopt;
  }
  if (FirstCovered(policy_->Promotable(rungs_)).has_value()) return std::nullopt;
  const std::string spent = SpentLimit();
  if (spent.empty()) return std::nullopt;
  if (std::optional<Event> drain = DueDrain(); drain.has_value()) return drain;
  if (evaluations_ == 0 && failed_trials_ > 0) {
    return End(StudyState::kFailed,
               absl::StrCat(spent, ", and every trial failed; the last one: ", last_failure_), now);
  }
  return End(StudyState::kCompleted, spent, now);
}

// What ends the study at once, whatever is queued or running.
std::optional<Event> Study::DueEnd(absl::Time now) const {
  if (target_hit_ != 0) {
    return End(StudyState::kCompleted,
               absl::StrCat("target_error ", *spec_.limits.target_error, " reached by trial ",
                            target_hit_),
               now);
  }
  const NoImprovement& stop = spec_.limits.no_improvement;
  if (stop.trials > 0 && plateau_.since() >= stop.trials) {
    const std::string last = absl::StrCat("no_improvement: none of the last ", plateau_.since(),
                                          " trials at ", ladder_.epochs(ladder_.top()), " epochs ");
    return End(StudyState::kCompleted,
               std::isinf(plateau_.best())
                   ? absl::StrCat(last, "had a finite error")
                   : absl::StrCat(last, "improved ", plateau_.best(),
                                  stop.delta > 0 ? absl::StrCat(" by ", stop.delta) : ""),
               now);
  }
  if (evaluations_ == 0 && failed_trials_ >= policy_->TrialsIn(1)) {
    return End(StudyState::kFailed,
               absl::StrCat(
                   "the first ", failed_trials_,
                   " trials all failed and none reported an error; the last one: ", last_failure_),
               now);
  }
  const absl::Duration limit = spec_.limits.max_wall_time;
  if (limit > absl::ZeroDuration() && RunningTime(now) >= limit) {
    return End(StudyState::kCompleted,
               absl::StrCat("max_wall_time ", absl::FormatDuration(limit), " reached"), now);
  }
  return std::nullopt;
}

// The lowest level that can promote anybody, or only holds diverged and failed trials.
std::optional<Event> Study::DueDrain() const {
  const std::optional<TrialId> promotable = FirstCovered(policy_->DrainPromotable(rungs_));
  if (promotable.has_value()) {
    return TrialPromoted{.study = uid_, .trial = *promotable, .drained = true};
  }
  for (const Closing& closing : policy_->DrainLevels(rungs_)) {
    RungClosed close = Close(closing, closing.promotions, /*drained=*/true);
    if (close.promoted.empty()) return close;
    Cost total;
    int64_t affordable = 0;
    for (const TrialId id : close.promoted) {
      const Cost cost = ChargeAt(trials_[id - 1], closing.rung + 1);
      total.evaluations += cost.evaluations;
      total.epochs += cost.epochs;
      if (!Covers(total)) break;
      ++affordable;
    }
    if (affordable > 0) return Close(closing, affordable, /*drained=*/true);
  }
  return std::nullopt;
}

std::vector<TrialId> Study::Ranked(const std::vector<TrialId>& outcomes) const {
  std::vector<std::pair<double, TrialId>> ranked;
  for (const TrialId id : outcomes) {
    const Trial& trial = trials_[id - 1];
    const bool reported = trial.state == TrialState::kWaiting;
    ranked.emplace_back(RankedError(reported ? trial.results.back().error : NAN), id);
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<TrialId> ids;
  ids.reserve(ranked.size());
  for (const auto& [error, id] : ranked) ids.push_back(id);
  return ids;
}

RungClosed Study::Close(const Closing& closing, int64_t promotions, bool drained) const {
  const Level& level = rungs_.groups().at(closing.group)[closing.rung];
  RungClosed event{.study = uid_, .group = closing.group, .rung = closing.rung, .drained = drained};
  for (const TrialId id : Ranked(level.outcomes)) {
    const Trial& trial = trials_[id - 1];
    const bool finite =
        trial.state == TrialState::kWaiting && std::isfinite(trial.results.back().error);
    const bool promoted = finite && static_cast<int64_t>(event.promoted.size()) < promotions;
    (promoted ? event.promoted : event.eliminated).push_back(id);
  }
  return event;
}

Event Study::End(StudyState state, std::string reason, absl::Time now) const {
  return StudyEnded{.study = uid_,
                    .state = state,
                    .reason = std::move(reason),
                    .running_time = RunningTime(now),
                    .time = now};
}

absl::Duration Study::RunningTime(absl::Time now) const {
  return counted_time_ + UncountedTime(now);
}

absl::Duration Study::UncountedTime(absl::Time now) const {
  if (state_ != StudyState::kRunning) return absl::ZeroDuration();
  return std::max(absl::ZeroDuration(), now - running_since_);
}

double Study::Progress(absl::Time now) const {
  if (state_ == StudyState::kCompleted) return 1;
  const Limits& limits = spec_.limits;
  double progress = 0;
  const auto consider = [&progress](double done, double limit) {
    if (limit > 0) progress = std::max(progress, done / limit);
  };
  const auto done = static_cast<double>(evaluations_ + failed_trials_);
  int64_t per_round = 0;
  for (const PlannedRung& rung : policy_->Round()) per_round += rung.trials;
  consider(done, static_cast<double>(limits.max_evaluations));
  consider(done, static_cast<double>(limits.max_rounds) * static_cast<double>(per_round));
  consider(static_cast<double>(epochs_trained_ - epochs_lost_),
           static_cast<double>(limits.max_total_epochs));
  consider(static_cast<double>(plateau_.since()),
           static_cast<double>(limits.no_improvement.trials));
  consider(absl::ToDoubleSeconds(RunningTime(now)), absl::ToDoubleSeconds(limits.max_wall_time));
  return std::min(progress, 1.0);
}

std::optional<absl::Duration> Study::TimeLeft(absl::Time now) const {
  // Before that a few results more or less would halve or double it.
  constexpr double kLeastProgress = 0.02;
  const double progress = Progress(now);
  if (state_ != StudyState::kRunning || progress < kLeastProgress) return std::nullopt;
  return RunningTime(now) * ((1 - progress) / progress);
}

std::optional<absl::Duration> Study::TimeFor(int rung, int64_t outcomes, absl::Time now) const {
  if (state_ != StudyState::kRunning) return std::nullopt;
  return paces_[rung].TimeFor(static_cast<double>(outcomes), now);
}

std::vector<absl::Time> Study::StragglerStarts(absl::Time now) const {
  constexpr int kTimesUsual = 2;
  std::vector<absl::Time> starts;
  for (const Pace& pace : paces_) {
    const std::optional<absl::Duration> usual = pace.MedianTime();
    starts.push_back(usual.has_value() ? now - kTimesUsual * *usual : absl::InfinitePast());
  }
  return starts;
}

}  // namespace halving
