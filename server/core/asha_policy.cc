#include "server/core/asha_policy.h"

#include <algorithm>

#include "server/core/saturated.h"

namespace halving {
namespace {

// Errors, diverged ones included, and trials that failed for good.
int64_t Outcomes(const Level& level) { return level.reported + level.failed; }

}  // namespace

int64_t AshaPolicy::TrialsIn(int64_t rounds) const {
  return MultiplySaturated(rounds, ladder_.size(0));
}

std::vector<PlannedRung> AshaPolicy::Round() const {
  std::vector<PlannedRung> rungs;
  for (int k = 0; k < ladder_.rungs(); ++k) {
    rungs.push_back({.rung = k, .epochs = ladder_.epochs(k), .trials = ladder_.size(k)});
  }
  return rungs;
}

std::vector<TrialId> AshaPolicy::Promotable(const RungTable& rungs) const {
  std::vector<TrialId> promotable;
  for (const auto& [key, levels] : rungs.groups()) {
    for (int k = ladder_.top() - 1; k >= 0; --k) {
      const Level& level = levels[k];
      const int64_t places = Outcomes(level) / ladder_.eta();
      if (level.standings.waiting().empty()) continue;
      if (delayed_ && level.promoted >= places) continue;
      const Standings::Key& best = *level.standings.waiting().begin();
      if (level.standings.RankOf(best) < places) promotable.push_back(best.second);
    }
  }
  return promotable;
}

std::vector<TrialId> AshaPolicy::DrainPromotable(const RungTable& rungs) const {
  std::vector<TrialId> promotable;
  for (const auto& [key, levels] : rungs.groups()) {
    for (int k = 0; k < ladder_.top(); ++k) {
      const Level& level = levels[k];
      if (level.promoted > 0 || level.standings.waiting().empty()) continue;
      promotable.push_back(level.standings.waiting().begin()->second);
    }
  }
  return promotable;
}

int64_t AshaPolicy::HopefulRanks(const Level& level, int64_t running) const {
  return 5 * Outcomes(level) / (4 * ladder_.eta()) + running;
}

Cost AshaPolicy::EarnablePromotions(const RungTable& rungs, const Placement&, bool resumed) const {
  Cost cost;
  const auto group = rungs.groups().find(GroupKey{});
  int64_t incoming = 1;
  for (int k = 0; k < ladder_.top(); ++k) {
    int64_t outcomes = incoming;
    int64_t promoted = 0;
    if (group != rungs.groups().end()) {
      const Level& level = group->second[k];
      outcomes += Outcomes(level) + level.queued + level.running;
      promoted = level.promoted;
    }
    incoming = std::max<int64_t>(0, outcomes / ladder_.eta() - promoted);
    const int64_t epochs = ladder_.epochs(k + 1) - (resumed ? ladder_.epochs(k) : 0);
    cost.evaluations = AddSaturated(cost.evaluations, incoming);
    cost.epochs = AddSaturated(cost.epochs, MultiplySaturated(incoming, epochs));
  }
  return cost;
}

}  // namespace halving
