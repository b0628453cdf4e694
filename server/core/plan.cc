#include "server/core/plan.h"

#include <algorithm>
#include <limits>

#include "common/status.h"
#include "server/core/policy.h"

namespace halving {
namespace {

int64_t CeilDivide(int64_t a, int64_t b) { return a / b + (a % b == 0 ? 0 : 1); }

}  // namespace

absl::StatusOr<Plan> MakePlan(const StudySpec& spec) {
  HV_ASSIGN_OR_RETURN(const StudySpec full, Normalise(spec));
  HV_ASSIGN_OR_RETURN(const RungLadder ladder, RungLadder::Create(full.halving));
  Plan plan = {.rungs = Policy::Create(full, ladder)->Round()};
  for (const PlannedRung& rung : plan.rungs) {
    const int64_t from_epoch = rung.rung == rung.bracket ? 0 : ladder.epochs(rung.rung - 1);
    plan.evaluations_per_round += rung.trials;
    plan.epochs_per_round += rung.trials * (rung.epochs - from_epoch);
    plan.epochs_per_round_from_scratch += rung.trials * rung.epochs;
  }
  int64_t rounds = std::numeric_limits<int64_t>::max();
  const Limits& limits = full.limits;
  if (limits.max_rounds > 0) rounds = limits.max_rounds;
  if (limits.max_evaluations > 0) {
    rounds = std::min(rounds, CeilDivide(limits.max_evaluations, plan.evaluations_per_round));
  }
  if (limits.max_total_epochs > 0) {
    rounds = std::min(rounds, CeilDivide(limits.max_total_epochs, plan.epochs_per_round));
  }
  plan.rounds = rounds == std::numeric_limits<int64_t>::max() ? 0 : rounds;
  return plan;
}

}  // namespace halving
