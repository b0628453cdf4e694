// The rules that differ by policy and searcher: where a trial begins and with which config, who is
// promoted and when.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status.h"
#include "server/core/draws.h"
#include "server/core/searcher.h"
#include "server/core/unit_cube.h"
#include "tests/support/history_checker.h"

namespace halving {
namespace {

// A space of more configs is not counted.
constexpr int64_t kSmallSpace = 10'000;

template <typename... Parts>
absl::Status Broken(const Parts&... parts) {
  return absl::InternalError(absl::StrCat(parts...));
}

}  // namespace

// n_s = ceil(prefactor * (K + 1) / (s + 1) * eta^s) in Hyperband's bracket s, which begins at rung
// K - s; at rung j of its own it holds floor(n_s / eta^j).
std::vector<HistoryChecker::Sizes> HistoryChecker::BracketsOf(const StudySpec& spec,
                                                              const RungLadder& ladder) {
  if (spec.policy != PolicyKind::kHyperband) return {ladder.all_sizes()};
  std::vector<Sizes> brackets;
  int64_t power = 1;  // eta^s
  for (int s = 0; s <= ladder.top(); ++s, power *= ladder.eta()) {
    const auto trials =
        static_cast<int64_t>(std::ceil(spec.halving.prefactor * ladder.rungs() / (s + 1) *
                                       static_cast<double>(power) * (1 - 1e-12)));
    Sizes sizes(static_cast<size_t>(ladder.top() - s));
    int64_t divisor = 1;  // eta^j
    for (int j = 0; j <= s; ++j, divisor *= ladder.eta()) {
      sizes.push_back(std::max<int64_t>(1, trials / divisor));
    }
    brackets.insert(brackets.begin(), std::move(sizes));
  }
  return brackets;
}

int64_t HistoryChecker::CountDistinct(const SearchSpace& space) {
  const int64_t combinations = CountCombinations(space);
  if (HasFloat(space) || combinations == 0 || combinations > kSmallSpace) return 0;
  std::set<Config> distinct;
  const Point none(space.parameters().size());
  for (int64_t i = 0; i < combinations; ++i) {
    distinct.insert(ConfigAt(space, CombinationNumber(space, i, none)));
  }
  return static_cast<int64_t>(distinct.size());
}

absl::Status HistoryChecker::CheckOne(const TrialSampled& event) {
  StudyRecord& study = studies_.at(event.study);
  const auto next = static_cast<TrialId>(study.trials.size()) + 1;
  if (study.state != StudyState::kRunning) return Broken("a trial was sampled while not RUNNING");
  if (event.trial != next) return Broken("trial ", event.trial, " was sampled before ", next);
  HV_RETURN_IF_ERROR(CheckPlacement(study, event));
  HV_RETURN_IF_ERROR(CheckConfig(study, event));
  study.trials.push_back({.rung = event.group.bracket, .group = event.group});
  study.handed_out.insert(event.config);
  return absl::OkStatus();
}

absl::Status HistoryChecker::CheckPlacement(StudyRecord& study, const TrialSampled& event) const {
  const int64_t place = (event.trial - 1) % study.round_size;
  const int64_t round = IsAsha(study) ? 0 : (event.trial - 1) / study.round_size + 1;
  const std::string who = absl::StrCat("trial ", event.trial);
  if (event.round != round) return Broken(who, " is of round ", event.round, ", not ", round);
  const int64_t own = study.spec.policy == PolicyKind::kHalvingPerRound ? round : 0;
  if (event.group.round != own) return Broken(who, " competes in round ", event.group.round);
  if (place == 0) study.begun.assign(study.brackets.size(), 0);
  const auto bracket = static_cast<size_t>(event.group.bracket);
  if (event.group.bracket < 0 || bracket >= study.brackets.size()) {
    return Broken(who, " is of bracket ", event.group.bracket, " of ", study.brackets.size());
  }
  // With as many trials as places, a round so fills every bracket.
  if (++study.begun[bracket] > study.brackets[bracket][bracket]) {
    return Broken(who, " is one too many in bracket ", bracket, " of round ", round);
  }
  return absl::OkStatus();
}

absl::Status HistoryChecker::CheckConfig(const StudyRecord& study,
                                         const TrialSampled& event) const {
  const std::string who = absl::StrCat("trial ", event.trial);
  if (event.trial <= static_cast<TrialId>(study.spec.initial_configs.size())) {
    const NamedConfig& initial = study.spec.initial_configs[event.trial - 1];
    if (event.config == *study.space.Encode(initial, "")) return absl::OkStatus();
    return Broken(who, " has not its initial config");
  }
  HV_ASSIGN_OR_RETURN(const Config config,
                      study.space.Encode(study.space.Decode(event.config), who));
  if (config != event.config) return Broken(who, " has a config outside the space");
  const auto known = static_cast<int64_t>(study.handed_out.size());
  const bool exhausted = study.configs > 0 && known >= study.configs;
  if (!exhausted && study.handed_out.contains(config)) return Broken(who, " repeats a config");
  if (study.spec.searcher != SearcherKind::kRandom) return absl::OkStatus();
  const RandomSearcher random(study.spec.parameters.size());
  const Config first =
      ConfigAt(study.space, random.Propose(Draws(study.spec.seed, event.trial, 0)));
  if (!exhausted && study.handed_out.contains(first)) return absl::OkStatus();
  return config == first ? absl::OkStatus() : Broken(who, " has not the config of its seed");
}

void HistoryChecker::AddOutcome(StudyRecord& study, TrialId id, double error) {
  const TrialRecord& trial = study.trials[id - 1];
  if (!IsAsha(study)) {
    study.outcomes[{trial.group, trial.rung}].push_back(id);
    return;
  }
  OpenRung& rung = study.open[trial.rung];
  ++rung.outcomes;
  if (!std::isfinite(error)) return;
  rung.errors.insert({error, id});
  rung.waiting.insert({error, id});
}

absl::Status HistoryChecker::CheckOne(const TrialPromoted& event) {
  StudyRecord& study = studies_.at(event.study);
  TrialRecord& trial = study.trials.at(event.trial - 1);
  const std::string who = absl::StrCat("trial ", event.trial, " at rung ", trial.rung);
  if (!IsAsha(study)) return Broken(who, " was promoted by itself");
  if (study.state != StudyState::kRunning) return Broken(who, " was promoted while not RUNNING");
  OpenRung& rung = study.open[trial.rung];
  const auto error = trial.errors.find(trial.rung);
  if (error == trial.errors.end()) return Broken(who, " was promoted before it reported");
  const std::pair<double, TrialId> key = {error->second, event.trial};
  if (rung.waiting.empty() || *rung.waiting.begin() != key) {
    return Broken(who, " was promoted, and is not the best that waits there");
  }
  const int64_t places = rung.outcomes / study.ladder.eta();
  const auto rank = std::distance(rung.errors.begin(), rung.errors.find(key));
  const bool full = study.spec.policy == PolicyKind::kDelayedAsha && rung.promoted >= places;
  if (event.drained) {
    const auto runs = [](const TrialRecord& other) { return other.running; };
    if (rung.promoted > 0 || std::any_of(study.trials.begin(), study.trials.end(), runs)) {
      return Broken(who, " was promoted early, after ", rung.promoted, " others");
    }
  } else if (rank >= places || full) {
    return Broken(who, " was promoted at rank ", rank, " of ", places, " after ", rung.promoted);
  }
  rung.waiting.erase(key);
  ++rung.promoted;
  ++trial.rung;
  return absl::OkStatus();
}

std::pair<int64_t, int64_t> HistoryChecker::Promotions(const StudyRecord& study,
                                                       const RungClosed& event, int64_t outcomes,
                                                       int64_t finite) const {
  if (!event.drained) {
    const int64_t all = std::min(study.brackets[event.group.bracket][event.rung + 1], finite);
    return {all, all};
  }
  const int64_t most = std::min(std::max<int64_t>(1, outcomes / study.ladder.eta()), finite);
  return {std::min<int64_t>(1, most), most};  // As many as the limits allow.
}

absl::Status HistoryChecker::CheckOne(const RungClosed& event) {
  StudyRecord& study = studies_.at(event.study);
  if (IsAsha(study)) return Broken("rung ", event.rung, " closed under ASHA");
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
  const int64_t size = study.brackets[event.group.bracket][event.rung];
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
