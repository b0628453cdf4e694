#include "worker/agent/backoff.h"

#include <algorithm>

#include "common/random.h"

namespace halving {

absl::Duration Jittered(absl::Duration duration) {
  return duration * (1.0 + 0.5 * UnitInterval(SecureRandomNonZero()));
}

absl::Duration Backoff::Next() {
  const absl::Duration wait =
      std::min(base_, cap_) * (0.5 + 0.5 * UnitInterval(SecureRandomNonZero()));
  base_ = std::min(base_ * 2, cap_);
  return wait;
}

}  // namespace halving
