#include "server/core/halving_policy.h"

#include <algorithm>
#include <cmath>

#include "common/check.h"
#include "common/random.h"
#include "server/core/saturated.h"

namespace halving {
namespace {

// Keeps the draws of brackets apart from those of configs and training seeds.
constexpr uint64_t kBracketStream = 0x627261636b6574;

}  // namespace

std::vector<Bracket> OneBracket(const RungLadder& ladder) {
  return {{.first = 0, .sizes = ladder.all_sizes()}};
}

std::vector<Bracket> HyperbandBrackets(const RungLadder& ladder, double prefactor) {
  std::vector<Bracket> brackets;
  double power = 1;  // eta^s, exact as a product.
  for (int first = ladder.top(); first >= 0; --first) {
    const int s = ladder.top() - first;
    // The last bits of a decimal prefactor must not bring a trial.
    const double trials = std::ceil(prefactor * ladder.rungs() * power / (s + 1) * (1 - 1e-12));
    power *= static_cast<double>(ladder.eta());
    Bracket bracket = {.first = first,
                       .sizes = std::vector<int64_t>(static_cast<size_t>(ladder.rungs()))};
    auto size = static_cast<int64_t>(std::max(1.0, trials));
    for (int k = first; k < ladder.rungs(); ++k, size /= ladder.eta()) {
      bracket.sizes[k] = std::max<int64_t>(1, size);
    }
    brackets.push_back(std::move(bracket));
  }
  std::reverse(brackets.begin(), brackets.end());
  return brackets;
}

HalvingPolicy::HalvingPolicy(const RungLadder& ladder, std::vector<Bracket> brackets,
                             bool per_round, uint64_t seed)
    : ladder_(ladder), brackets_(std::move(brackets)), per_round_(per_round), seed_(seed) {
  // Only rounds of one bracket have a group of their own.
  HV_CHECK(!per_round_ || brackets_.size() == 1) << brackets_.size() << " brackets per round";
  for (const Bracket& bracket : brackets_) round_size_ += bracket.sizes[bracket.first];
}

int HalvingPolicy::BracketOf(int64_t round, int64_t place) const {
  if (brackets_.size() == 1) return 0;
  const uint64_t key = MixBits(seed_ ^ kBracketStream, static_cast<uint64_t>(round));
  auto drawn = static_cast<int64_t>(
      ShuffledIndex(static_cast<uint64_t>(place), static_cast<uint64_t>(round_size_), key));
  int bracket = 0;
  for (; drawn >= brackets_[bracket].sizes[bracket]; ++bracket) {
    drawn -= brackets_[bracket].sizes[bracket];
  }
  return bracket;
}

Placement HalvingPolicy::Place(int64_t sampled) const {
  const int64_t round = sampled / round_size_ + 1;
  return {.round = round,
          .group = {.bracket = BracketOf(round, sampled % round_size_),
                    .round = per_round_ ? round : 0}};
}

int64_t HalvingPolicy::TrialsIn(int64_t rounds) const {
  return MultiplySaturated(rounds, round_size_);
}

std::vector<PlannedRung> HalvingPolicy::Round() const {
  std::vector<PlannedRung> rungs;
  for (const Bracket& bracket : brackets_) {
    for (int k = bracket.first; k < ladder_.rungs(); ++k) {
      rungs.push_back({.bracket = bracket.first,
                       .rung = k,
                       .epochs = ladder_.epochs(k),
                       .trials = bracket.sizes[k]});
    }
  }
  return rungs;
}

std::optional<Closing> HalvingPolicy::FullLevel(const RungTable& rungs) const {
  for (const auto& [key, levels] : rungs.groups()) {
    const Bracket& bracket = brackets_[key.bracket];
    for (int k = bracket.first; k < ladder_.top(); ++k) {
      if (IsFull(bracket, levels, k)) {
        return Closing{.group = key, .rung = k, .promotions = bracket.sizes[k + 1]};
      }
    }
  }
  return std::nullopt;
}

std::vector<Closing> HalvingPolicy::DrainLevels(const RungTable& rungs) const {
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

Cost HalvingPolicy::EarnablePromotions(const RungTable& rungs, const Placement& extra,
                                       bool resumed) const {
  const bool known = rungs.groups().contains(extra.group);
  Cost total = known ? Cost{} : Earnable(brackets_[extra.group.bracket], nullptr, 1, resumed);
  for (const auto& [key, levels] : rungs.groups()) {
    const Cost cost =
        Earnable(brackets_[key.bracket], &levels, key == extra.group ? 1 : 0, resumed);
    total.evaluations = AddSaturated(total.evaluations, cost.evaluations);
    total.epochs = AddSaturated(total.epochs, cost.epochs);
  }
  return total;
}

bool HalvingPolicy::IsWholeRound(const Levels& levels, int64_t newcomers) const {
  const Level& first = levels[0];
  const int64_t sampled = first.reported + first.failed + first.queued + first.running;
  return per_round_ && sampled + newcomers >= round_size_;
}

// A round of its own brings fewer than n_k trials to an upper level when too many below it
// diverged or failed. Then the level is full once no more can come: it must not wait for ever.
bool HalvingPolicy::IsFull(const Bracket& bracket, const Levels& levels, int rung) const {
  const auto outcomes = static_cast<int64_t>(levels[rung].outcomes.size());
  if (outcomes >= bracket.sizes[rung]) return true;
  if (rung == 0 || outcomes == 0 || !IsWholeRound(levels, 0)) return false;
  const auto busy = [](const Level& level) { return level.Busy(); };
  return std::none_of(levels.begin(), levels.begin() + rung, busy) && levels[rung].queued == 0 &&
         levels[rung].running == 0;
}

Cost HalvingPolicy::Earnable(const Bracket& bracket, const Levels* levels, int64_t newcomers,
                             bool resumed) const {
  Cost cost;
  const bool whole = levels != nullptr && IsWholeRound(*levels, newcomers);
  int64_t incoming = newcomers;
  for (int k = bracket.first; k < ladder_.top(); ++k) {
    const int64_t outcomes = AddSaturated(incoming, levels == nullptr ? 0 : (*levels)[k].Pending());
    const int64_t next = bracket.sizes[k + 1];
    incoming = whole && k > 0 ? std::min(outcomes, next)
                              : MultiplySaturated(outcomes / bracket.sizes[k], next);
    const int64_t epochs = ladder_.epochs(k + 1) - (resumed ? ladder_.epochs(k) : 0);
    cost.evaluations = AddSaturated(cost.evaluations, incoming);
    cost.epochs = AddSaturated(cost.epochs, MultiplySaturated(incoming, epochs));
  }
  return cost;
}

}  // namespace halving
