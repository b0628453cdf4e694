#include "tests/support/random_studies.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/dice.h"
#include "tests/support/scheduler_fixture.h"

namespace halving {
namespace {

bool HasRounds(PolicyKind policy) {
  return policy != PolicyKind::kAsha && policy != PolicyKind::kDelayedAsha;
}

Limits RandomLimits(Dice& dice, PolicyKind policy) {
  Limits limits;
  if (dice.Chance(0.15)) {
    limits.no_improvement = {.trials = dice.Between(1, 6), .delta = 0.1 * dice.Unit()};
    if (dice.Chance(0.5)) return limits;
  }
  switch (dice.Between(0, HasRounds(policy) ? 4 : 3)) {
    case 0:
      limits.max_evaluations = dice.Between(1, 50);
      break;
    case 1:
      limits.max_total_epochs = dice.Between(1, 120);
      break;
    case 2:
      limits.max_wall_time = dice.Between(absl::Minutes(1), absl::Minutes(15));
      break;
    case 4:
      limits.max_rounds = dice.Between(1, 3);
      break;
    default:
      limits.max_evaluations = dice.Between(20, 60);
      limits.max_total_epochs = dice.Between(20, 150);
      limits.target_error = 0.3 * dice.Unit();
  }
  return limits;
}

PolicyKind RandomPolicy(Dice& dice) {
  return static_cast<PolicyKind>(dice.Between(1, static_cast<int64_t>(PolicyKind::kHyperband)));
}

// One that learns from results, or not.
SearcherKind RandomSearcherKind(Dice& dice) {
  if (dice.Chance(0.4)) return SearcherKind::kRandom;
  return static_cast<SearcherKind>(dice.Between(2, static_cast<int64_t>(SearcherKind::kGp)));
}

// Mostly one float; else a space with a parameter that does not always exist, or with so few
// configs that they run out. And a config of it.
void GiveSpace(Dice& dice, StudySpec* spec, NamedConfig* config) {
  *config = {{"x", 0.5}};
  if (dice.Chance(0.6)) return;
  const bool finite = dice.Chance(0.5);
  Parameter second = {.name = "y"};
  if (finite) {
    second.domain = IntRange{.min = 1, .max = dice.Between(1, 12), .log = dice.Chance(0.3)};
  } else {
    second.domain = FloatRange{.min = 0.01, .max = 1, .log = dice.Chance(0.5)};
  }
  *config = {{"c", std::string("b")}};
  if (dice.Chance(0.5)) {
    second.when = {{.parameter = "c", .values = {std::string("a")}}};
  } else {
    config->emplace_back("y", 1.0);
  }
  spec->parameters = {{.name = "c", .domain = Choice{{std::string("a"), std::string("b"), 3.0}}},
                      second};
}

StudySpec RandomSpec(Dice& dice, const std::string& name) {
  const PolicyKind policy = RandomPolicy(dice);
  StudySpec spec = SmallSpec(RandomLimits(dice, policy));
  spec.policy = policy;
  spec.searcher = RandomSearcherKind(dice);
  spec.name = name;
  spec.seed = dice.Bits() | 1;
  NamedConfig config;
  GiveSpace(dice, &spec, &config);
  spec.initial_configs.assign(static_cast<size_t>(dice.Between(0, 3)), config);
  spec.halving.min_epochs = dice.Between(1, 3);
  spec.halving.max_epochs = dice.Between(spec.halving.min_epochs, 10);
  spec.halving.eta = dice.Between(2, 4);
  spec.halving.prefactor = 0.5 + dice.Unit();
  spec.max_attempts = static_cast<int32_t>(dice.Between(1, 4));
  if (spec.halving.prefactor < 1) spec.halving.prefactor *= 2;  // One rung needs 1 at least.
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
