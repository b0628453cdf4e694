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
#include "server/core/search_space.h"

namespace halving {

enum class PolicyKind {
  kHalving = 1,          // Rungs are shared by all rounds.
  kHalvingPerRound = 2,  // Each round has rungs of its own.
  kAsha = 3,             // The rest is known to the contract, not served yet.
  kDelayedAsha = 4,
  kHyperband = 5,
};

enum class SearcherKind { kRandom = 1, kSobol = 2, kPerturb = 3, kTpe = 4 };

// 0 or unset: no such limit.
struct Limits {
  int64_t max_evaluations = 0;
  int64_t max_rounds = 0;
  int64_t max_total_epochs = 0;
  absl::Duration max_wall_time;
  std::optional<double> target_error;
  friend bool operator==(const Limits&, const Limits&) = default;
};

inline constexpr int32_t kDefaultKeptCheckpoints = 3;

struct StudySpec {
  std::string name;
  std::string objective;
  std::string objective_options_json = "{}";  // Canonical: keys sorted, no spaces.
  std::vector<Parameter> parameters;
  std::vector<NamedConfig> initial_configs;
  LadderOptions halving;
  PolicyKind policy = PolicyKind::kHalving;
  SearcherKind searcher = SearcherKind::kRandom;
  Limits limits;
  int32_t max_attempts = 0;      // 0 means 3.
  absl::Duration lease;          // Zero means 60 s.
  uint64_t seed = 0;             // 0 means any.
  int32_t keep_checkpoints = 0;  // Of so many of the best trials, for good. 0 means the default.
  friend bool operator==(const StudySpec&, const StudySpec&) = default;
};

// Fills in the defaults and checks everything. INVALID_ARGUMENT names the field, the value seen and
// what is allowed; UNIMPLEMENTED for a policy or searcher that is not served yet.
absl::StatusOr<StudySpec> Normalise(StudySpec spec);

// What `extended` changes in `current`: each limit that is set replaces the old one.
// INVALID_ARGUMENT when none is set, or one would be lowered (a target_error raised).
absl::StatusOr<Limits> ExtendLimits(const Limits& current, const Limits& extended);

// One round of a study, and how many fit its limits.
struct Plan {
  RungLadder ladder;
  int64_t evaluations_per_round = 0;
  int64_t epochs_per_round = 0;               // Trials resume from checkpoints.
  int64_t epochs_per_round_from_scratch = 0;  // No trial does.
  int64_t rounds = 0;                         // The last one possibly cut. 0: unbounded.
};

// Same errors as Normalise().
absl::StatusOr<Plan> MakePlan(const StudySpec& spec);

}  // namespace halving

#endif  // HALVING_SERVER_CORE_SPEC_H_
