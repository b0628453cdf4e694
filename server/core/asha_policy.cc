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
  rungs.reserve(static_cast<size_t>(ladder_.rungs()));
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

int64_t AshaPolicy::PromotableNow(const Level& level) const {
  const int64_t places = Outcomes(level) / ladder_.eta();
  if (delayed_) return std::max<int64_t>(0, places - level.promoted);
  int64_t promotable = 0;
  for (const Standings::Key& key : level.standings.waiting()) {
    if (level.standings.RankOf(key) >= places) break;
    ++promotable;
  }
  return promotable;
}

// Level by level: the places that the outcomes to come open, what may go on already, and one for
// a level that has promoted nobody yet; but no more than there are trials to take them.
Cost AshaPolicy::EarnablePromotions(const RungTable& rungs, const Placement&, bool resumed) const {
  Cost cost;
  const auto group = rungs.groups().find(GroupKey{});
  const bool empty = group == rungs.groups().end();
  const Level none;
  int64_t incoming = 1;
  for (int k = 0; k < ladder_.top(); ++k) {
    const Level& level = empty ? none : group->second[k];
    const int64_t coming = incoming + level.queued + level.running;
    const int64_t places = (Outcomes(level) + coming) / ladder_.eta() - level.promoted;
    const auto waiting = static_cast<int64_t>(level.standings.waiting().size());
    const int64_t first = level.promoted == 0 && !empty ? 1 : 0;
    incoming =
        std::min(std::max({int64_t{0}, places, PromotableNow(level), first}), waiting + coming);
    const int64_t epochs = ladder_.epochs(k + 1) - (resumed ? ladder_.epochs(k) : 0);
    cost.evaluations = AddSaturated(cost.evaluations, incoming);
    cost.epochs = AddSaturated(cost.epochs, MultiplySaturated(incoming, epochs));
  }
  return cost;
}

}  // namespace halving
