#include "server/core/policy.h"

#include <algorithm>
#include <limits>

#include "common/check.h"

namespace halving {
namespace {

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

// No limit can be as large as what overflows here, so the largest number serves as well.
int64_t MultiplySaturated(int64_t a, int64_t b) {
  int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? kMost : product;
}
int64_t AddSaturated(int64_t a, int64_t b) {
  int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? kMost : sum;
}

// Successive halving in rounds of n_0 trials; the rounds share their rungs, or have their own.
class HalvingPolicy : public Policy {
 public:
  HalvingPolicy(const RungLadder& ladder, bool per_round)
      : ladder_(ladder), per_round_(per_round) {}

  Placement Place(int64_t sampled) const override {
    const int64_t round = sampled / ladder_.size(0) + 1;
    return {.round = round, .group = {.bracket = 0, .round = per_round_ ? round : 0}};
  }

  int64_t TrialsIn(int64_t rounds) const override {
    return MultiplySaturated(rounds, ladder_.size(0));
  }

  std::optional<Closing> FullLevel(const RungTable& rungs) const override {
    for (const auto& [key, levels] : rungs.groups()) {
      for (int k = 0; k < ladder_.top(); ++k) {
        if (IsFull(levels, k)) {
          return Closing{.group = key, .rung = k, .promotions = ladder_.size(k + 1)};
        }
      }
    }
    return std::nullopt;
  }

  std::vector<Closing> DrainLevels(const RungTable& rungs) const override {
    std::vector<Closing> closings;
    for (int k = 0; k < ladder_.top(); ++k) {
      for (const auto& [key, levels] : rungs.groups()) {
        const auto outcomes = static_cast<int64_t>(levels[k].outcomes.size());
        if (outcomes == 0) continue;
        const int64_t promotions = std::max<int64_t>(1, outcomes / ladder_.eta());
        closings.push_back({.group = key, .rung = k, .promotions = promotions});
      }
    }
    return closings;
  }

  Cost EarnablePromotions(const RungTable& rungs, const Placement& extra,
                          bool resumed) const override {
    const bool known = rungs.groups().contains(extra.group);
    Cost total = known ? Cost{} : Earnable(nullptr, 1, resumed);
    for (const auto& [key, levels] : rungs.groups()) {
      const Cost cost = Earnable(&levels, key == extra.group ? 1 : 0, resumed);
      total.evaluations = AddSaturated(total.evaluations, cost.evaluations);
      total.epochs = AddSaturated(total.epochs, cost.epochs);
    }
    return total;
  }

 private:
  // Whether all trials of a round with rungs of its own are there, so that no more can come.
  bool IsWholeRound(const Levels& levels, int64_t newcomers) const {
    const Level& first = levels[0];
    const int64_t sampled = first.reported + first.failed + first.queued + first.running;
    return per_round_ && sampled + newcomers >= ladder_.size(0);
  }

  // A round of its own brings fewer than n_k trials to an upper level when too many below it
  // diverged or failed. Then the level is full once no more can come: it must not wait for ever.
  bool IsFull(const Levels& levels, int rung) const {
    const auto outcomes = static_cast<int64_t>(levels[rung].outcomes.size());
    if (outcomes >= ladder_.size(rung)) return true;
    if (rung == 0 || outcomes == 0 || !IsWholeRound(levels, 0)) return false;
    const auto busy = [](const Level& level) { return level.Busy(); };
    return std::none_of(levels.begin(), levels.begin() + rung, busy) && levels[rung].queued == 0 &&
           levels[rung].running == 0;
  }

  // Level by level: floor(outcomes to come / n_k) * n_(k+1). No levels: an empty group.
  Cost Earnable(const Levels* levels, int64_t newcomers, bool resumed) const {
    Cost cost;
    const bool whole = levels != nullptr && IsWholeRound(*levels, newcomers);
    int64_t incoming = newcomers;
    for (int k = 0; k < ladder_.top(); ++k) {
      const int64_t outcomes =
          AddSaturated(incoming, levels == nullptr ? 0 : (*levels)[k].Pending());
      incoming = whole && k > 0
                     ? std::min(outcomes, ladder_.size(k + 1))
                     : MultiplySaturated(outcomes / ladder_.size(k), ladder_.size(k + 1));
      const int64_t epochs = ladder_.epochs(k + 1) - (resumed ? ladder_.epochs(k) : 0);
      cost.evaluations = AddSaturated(cost.evaluations, incoming);
      cost.epochs = AddSaturated(cost.epochs, MultiplySaturated(incoming, epochs));
    }
    return cost;
  }

  const RungLadder ladder_;
  const bool per_round_;
};

}  // namespace

std::unique_ptr<const Policy> Policy::Create(PolicyKind kind, const RungLadder& ladder) {
  HV_CHECK(kind == PolicyKind::kHalving || kind == PolicyKind::kHalvingPerRound)
      << "policy " << static_cast<int>(kind);
  return std::make_unique<HalvingPolicy>(ladder, kind == PolicyKind::kHalvingPerRound);
}

}  // namespace halving
