#include "server/core/policy.h"

#include "common/check.h"
#include "server/core/asha_policy.h"
#include "server/core/halving_policy.h"

namespace halving {

std::unique_ptr<const Policy> Policy::Create(const StudySpec& spec, const RungLadder& ladder) {
  switch (spec.policy) {
    case PolicyKind::kHalving:
    case PolicyKind::kHalvingPerRound:
      return std::make_unique<HalvingPolicy>(
          ladder, OneBracket(ladder), spec.policy == PolicyKind::kHalvingPerRound, spec.seed);
    case PolicyKind::kHyperband:
      return std::make_unique<HalvingPolicy>(ladder,
                                             HyperbandBrackets(ladder, spec.halving.prefactor),
                                             /*per_round=*/false, spec.seed);
    case PolicyKind::kAsha:
    case PolicyKind::kDelayedAsha:
      return std::make_unique<AshaPolicy>(ladder, spec.policy == PolicyKind::kDelayedAsha);
  }
  HV_CHECK(false) << "policy " << static_cast<int>(spec.policy);
  return nullptr;
}

}  // namespace halving
