// ASHA: asynchronous successive halving by promotion (Li et al. 2020, algorithm 2).
#ifndef HALVING_SERVER_CORE_ASHA_POLICY_H_
#define HALVING_SERVER_CORE_ASHA_POLICY_H_

#include <cstdint>
#include <vector>

#include "server/core/policy.h"

namespace halving {

// No level ever closes. A free worker gets the best trial that waits in the best 1/eta of a level,
// from the highest level that has one, else a new trial. Delayed (Li et al. 2022, Hyper-Tune): and
// only if the level has promoted fewer than 1/eta of its outcomes, so that early luck does not
// fill the upper rungs. Who diverged or failed for good is an outcome, ranked last. Immutable.
class AshaPolicy : public Policy {
 public:
  AshaPolicy(const RungLadder& ladder, bool delayed) : ladder_(ladder), delayed_(delayed) {}

  Placement Place(int64_t) const override { return {}; }
  int64_t TrialsIn(int64_t rounds) const override;
  std::vector<PlannedRung> Round() const override;
  int64_t SizeOf(int, int) const override { return 0; }
  std::optional<Closing> FullLevel(const RungTable&) const override { return std::nullopt; }
  std::vector<Closing> DrainLevels(const RungTable&) const override { return {}; }
  bool OneByOne() const override { return true; }
  std::vector<TrialId> Promotable(const RungTable& rungs) const override;
  std::vector<TrialId> DrainPromotable(const RungTable& rungs) const override;
  int64_t HopefulRanks(const Level& level, int64_t running) const override;
  Cost EarnablePromotions(const RungTable& rungs, const Placement& extra,
                          bool resumed) const override;

 private:
  // How many of a level may be promoted as it stands.
  int64_t PromotableNow(const Level& level) const;

  const RungLadder ladder_;
  const bool delayed_;
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_ASHA_POLICY_H_
