// The policies and searchers that are compared: a new one is one line in kinds.cc.
#ifndef HALVING_BENCH_SIMULATE_KINDS_H_
#define HALVING_BENCH_SIMULATE_KINDS_H_

#include <string>
#include <vector>

#include "server/core/spec.h"

namespace halving {

struct PolicyChoice {
  std::string name;
  PolicyKind kind = PolicyKind::kHalving;
  // Known to the simulation only: no round begins before the one before it has ended.
  bool strict = false;
};

struct SearcherChoice {
  std::string name;
  SearcherKind kind = SearcherKind::kRandom;
};

// All there are, those that are compared with first.
const std::vector<PolicyChoice>& AllPolicies();
const std::vector<SearcherChoice>& AllSearchers();

inline constexpr char kStrict[] = "strict";
inline constexpr char kDefault[] = "default";
inline constexpr char kPerRound[] = "per round";
inline constexpr char kAsha[] = "ASHA";
inline constexpr char kRandom[] = "random";

}  // namespace halving

#endif  // HALVING_BENCH_SIMULATE_KINDS_H_
