// StudySpec: everything a person says about a study, and the plan that follows from it.
#ifndef HALVING_SERVER_CORE_SPEC_H_
#define HALVING_SERVER_CORE_SPEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/core/ladder.h"
#include "server/core/limits.h"
#include "server/core/search_space.h"

namespace halving {

enum class PolicyKind {
  kHalving = 1,          // Rungs are shared by all rounds.
  kHalvingPerRound = 2,  // Each round has rungs of its own.
  kAsha = 3,             // Trials are promoted one by one, by their rank in a rung.
  kDelayedAsha = 4,      // The same, but no more than 1/eta of a rung's outcomes.
  kHyperband = 5,        // Each trial is drawn into one of several brackets of rungs.
};

enum class SearcherKind { kRandom = 1, kSobol = 2, kPerturb = 3, kTpe = 4, kGp = 5 };

// Further initial configs: the best of another study, as they stood when this one was created.
struct WarmStart {
  std::string study;   // Empty: none.
  int32_t trials = 0;  // At most so many. 0 means the default.
  int32_t added = 0;   // Not of a request: how many initial configs came of it.
  friend bool operator==(const WarmStart&, const WarmStart&) = default;
};

inline constexpr int32_t kDefaultWarmStartTrials = 5;
inline constexpr int32_t kDefaultKeptCheckpoints = 3;

// Whose studies a caller reaches: those of one owner; empty: all. To him the others are not there.
using Scope = std::string;

struct StudySpec {
  std::string name;
  std::string objective;
  std::string objective_options_json = "{}";  // Canonical: keys sorted, no spaces.
  std::vector<Parameter> parameters;
  std::vector<NamedConfig> initial_configs;  // Those of the warm start at their end.
  WarmStart warm_start;
  LadderOptions halving;
  PolicyKind policy = PolicyKind::kHalving;
  SearcherKind searcher = SearcherKind::kRandom;
  Limits limits;
  int32_t max_attempts = 0;      // 0 means 3.
  absl::Duration lease;          // Zero means 60 s.
  uint64_t seed = 0;             // 0 means any.
  int32_t keep_checkpoints = 0;  // Of so many of the best trials, for good. 0 means the default.
  std::string owner;             // Whose it is; empty: nobody's.
  friend bool operator==(const StudySpec&, const StudySpec&) = default;
};

inline bool IsWithin(const Scope& scope, const std::string& owner) {
  return scope.empty() || scope == owner;
}
inline bool IsWithin(const Scope& scope, const StudySpec& spec) {
  return IsWithin(scope, spec.owner);
}

// Fills in the defaults and checks everything. INVALID_ARGUMENT names the field, the value seen and
// what is allowed.
absl::StatusOr<StudySpec> Normalise(StudySpec spec);

// One rung of a round.
struct PlannedRung {
  int bracket = 0;  // As in GroupKey.
  int rung = 0;     // Of the ladder.
  int64_t epochs = 0;
  int64_t trials = 0;
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_SPEC_H_
