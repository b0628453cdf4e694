// Plan: what a study would do, without creating it.
#ifndef HALVING_SERVER_CORE_PLAN_H_
#define HALVING_SERVER_CORE_PLAN_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "server/core/spec.h"

namespace halving {

// One round of a study, and how many fit its limits. ASHA has no rounds: it is then what the first
// n_0 trials come to.
struct Plan {
  std::vector<PlannedRung> rungs;  // By bracket, from the lowest rung up.
  int64_t evaluations_per_round = 0;
  int64_t epochs_per_round = 0;               // Trials resume from checkpoints.
  int64_t epochs_per_round_from_scratch = 0;  // No trial does.
  int64_t rounds = 0;                         // The last one possibly cut. 0: unbounded.
};

// Same errors as Normalise().
absl::StatusOr<Plan> MakePlan(const StudySpec& spec);

}  // namespace halving

#endif  // HALVING_SERVER_CORE_PLAN_H_
