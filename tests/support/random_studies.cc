#include "tests/support/random_studies.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/dice.h"
#include "tests/support/scheduler_fixture.h"

namespace halving {
namespace {

Limits RandomLimits(Dice& dice) {
  Limits limits;
  switch (dice.Between(0, 4)) {
    case 0:
      limits.max_evaluations = dice.Between(1, 50);
      break;
    case 1:
      limits.max_total_epochs = dice.Between(1, 120);
      break;
    case 2:
      limits.max_rounds = dice.Between(1, 3);
      break;
    case 3:
      limits.max_wall_time = dice.Between(absl::Minutes(1), absl::Minutes(15));
      break;
    default:
      limits.max_evaluations = dice.Between(20, 60);
      limits.max_total_epochs = dice.Between(20, 150);
      limits.target_error = 0.3 * dice.Unit();
  }
  return limits;
}

StudySpec RandomSpec(Dice& dice, const std::string& name) {
  StudySpec spec = SmallSpec(RandomLimits(dice));
  spec.name = name;
  spec.seed = dice.Bits() | 1;
  spec.initial_configs.assign(static_cast<size_t>(dice.Between(0, 3)), {{"x", 0.5}});
  spec.halving.min_epochs = dice.Between(1, 3);
  spec.halving.max_epochs = dice.Between(spec.halving.min_epochs, 10);
  spec.halving.eta = dice.Between(2, 4);
  spec.halving.prefactor = 0.5 + dice.Unit();
  spec.max_attempts = static_cast<int32_t>(dice.Between(1, 4));
  if (spec.halving.prefactor < 1) spec.halving.prefactor *= 2;  // One rung needs 1 at least.
  if (dice.Chance(0.4)) spec.policy = PolicyKind::kHalvingPerRound;
  return spec;
}

}  // namespace

SimOptions RandomOptions(uint64_t seed) {
  Dice dice(MixBits(seed, 0x6f7074));
  SimOptions options = {.seed = seed, .faults = SimFaults::Rough()};
  const int64_t studies = dice.Between(1, 3);
  for (int64_t i = 1; i <= studies; ++i) {
    options.studies.push_back(RandomSpec(dice, absl::StrCat("study", i)));
  }
  options.workers = static_cast<int>(dice.Between(1, 12));
  options.extensions = static_cast<int>(dice.Between(0, 2));
  return options;
}

}  // namespace halving
