// Limits: what ends a study.
#ifndef HALVING_SERVER_CORE_LIMITS_H_
#define HALVING_SERVER_CORE_LIMITS_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace halving {

// The last so many trials that reached max_epochs are none of them better by `delta` than the best
// one before them. 0 trials: no such limit. A delta of 0 asks for any improvement.
struct NoImprovement {
  int64_t trials = 0;
  double delta = 0;
  friend bool operator==(const NoImprovement&, const NoImprovement&) = default;
};

// 0 or unset: no such limit.
struct Limits {
  int64_t max_evaluations = 0;
  int64_t max_rounds = 0;
  int64_t max_total_epochs = 0;
  absl::Duration max_wall_time;
  std::optional<double> target_error;
  NoImprovement no_improvement;
  friend bool operator==(const Limits&, const Limits&) = default;
};

// INVALID_ARGUMENT, naming the limit, when one is negative or not finite, or when none is set.
absl::Status CheckLimits(const Limits& limits);

// What `extended` changes in `current`: each limit that is set replaces the old one; a delta of 0
// keeps the old one.
// INVALID_ARGUMENT when none is set, or one would be lowered (a target_error raised).
absl::StatusOr<Limits> ExtendLimits(const Limits& current, const Limits& extended);

}  // namespace halving

#endif  // HALVING_SERVER_CORE_LIMITS_H_
