// Successive halving by levels that close: in shared rungs, in rungs of each round, in brackets.
#ifndef HALVING_SERVER_CORE_HALVING_POLICY_H_
#define HALVING_SERVER_CORE_HALVING_POLICY_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "server/core/policy.h"

namespace halving {

// How many trials each rung of one bracket holds; the bracket begins at rung `first`.
struct Bracket {
  int first = 0;
  std::vector<int64_t> sizes;  // By rung of the ladder; 0 below `first`.
};

// The one bracket of successive halving.
std::vector<Bracket> OneBracket(const RungLadder& ladder);

// Hyperband's (Li et al. 2018): bracket b begins at rung b of the ladder with
// ceil(prefactor * (K + 1) / (s + 1) * eta^s) trials, where s = K - b.
std::vector<Bracket> HyperbandBrackets(const RungLadder& ladder, double prefactor);

// A round is a fresh set of trials for the first rungs of all brackets. Rounds share their rungs,
// or have their own. A trial is drawn into a bracket by its place in the round, shuffled by the
// seed: each round fills every bracket once, in an order that goes with no other sequence.
// Immutable.
class HalvingPolicy : public Policy {
 public:
  HalvingPolicy(const RungLadder& ladder, std::vector<Bracket> brackets, bool per_round,
                uint64_t seed);

  Placement Place(int64_t sampled) const override;
  int64_t TrialsIn(int64_t rounds) const override;
  std::vector<PlannedRung> Round() const override;
  int64_t SizeOf(int bracket, int rung) const override { return brackets_[bracket].sizes[rung]; }
  std::optional<Closing> FullLevel(const RungTable& rungs) const override;
  std::vector<Closing> DrainLevels(const RungTable& rungs) const override;
  Cost EarnablePromotions(const RungTable& rungs, const Placement& extra,
                          bool resumed) const override;

 private:
  int BracketOf(int64_t round, int64_t place) const;
  // Whether all trials of a round with rungs of its own are there, so that no more can come.
  bool IsWholeRound(const Levels& levels, int64_t newcomers) const;
  bool IsFull(const Bracket& bracket, const Levels& levels, int rung) const;
  // Level by level: floor(outcomes to come / n_k) * n_(k+1). No levels: an empty group.
  Cost Earnable(const Bracket& bracket, const Levels* levels, int64_t newcomers,
                bool resumed) const;

  const RungLadder ladder_;
  const std::vector<Bracket> brackets_;
  const bool per_round_;
  const uint64_t seed_;
  int64_t round_size_ = 0;
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_HALVING_POLICY_H_
