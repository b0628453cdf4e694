#include "bench/simulate/kinds.h"

namespace halving {

const std::vector<PolicyChoice>& AllPolicies() {
  static const auto& policies = *new std::vector<PolicyChoice>{
      {kStrict, PolicyKind::kHalvingPerRound, /*strict=*/true},
      {kDefault, PolicyKind::kHalving},
      {kPerRound, PolicyKind::kHalvingPerRound},
      {kAsha, PolicyKind::kAsha},
      {"delayed ASHA", PolicyKind::kDelayedAsha},
      {"Hyperband", PolicyKind::kHyperband},
  };
  return policies;
}

const std::vector<SearcherChoice>& AllSearchers() {
  static const auto& searchers = *new std::vector<SearcherChoice>{
      {kRandom, SearcherKind::kRandom},    {"Sobol", SearcherKind::kSobol},
      {"perturb", SearcherKind::kPerturb}, {"TPE", SearcherKind::kTpe},
      {"GP", SearcherKind::kGp},
  };
  return searchers;
}

}  // namespace halving
