#include "server/core/limits.h"

#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/status.h"

namespace halving {
namespace {

template <typename... Parts>
absl::Status Invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

// Names the limit that an extension would lower; empty when it lowers none.
std::string Lowered(const Limits& old, const Limits& next) {
  const auto lowered = [](int64_t from, int64_t to) { return to != 0 && (from == 0 || to < from); };
  const auto describe = [](const char* name, auto from, auto to) {
    return absl::StrCat("limits.", name, " would go from ", from, " to ", to);
  };
  if (lowered(old.max_evaluations, next.max_evaluations)) {
    return describe("max_evaluations", old.max_evaluations, next.max_evaluations);
  }
  if (lowered(old.max_rounds, next.max_rounds)) {
    return describe("max_rounds", old.max_rounds, next.max_rounds);
  }
  if (lowered(old.max_total_epochs, next.max_total_epochs)) {
    return describe("max_total_epochs", old.max_total_epochs, next.max_total_epochs);
  }
  if (lowered(absl::ToInt64Milliseconds(old.max_wall_time),
              absl::ToInt64Milliseconds(next.max_wall_time))) {
    return describe("max_wall_time", absl::FormatDuration(old.max_wall_time),
                    absl::FormatDuration(next.max_wall_time));
  }
  if (next.target_error.has_value() &&
      (!old.target_error.has_value() || *next.target_error > *old.target_error)) {
    return describe("target_error",
                    old.target_error.has_value() ? absl::StrCat(*old.target_error) : "unset",
                    *next.target_error);
  }
  const NoImprovement& from = old.no_improvement;
  const NoImprovement& to = next.no_improvement;
  if (to.trials != 0 && (from.trials == 0 || to.trials < from.trials || to.delta > from.delta)) {
    const auto text = [](const NoImprovement& stop) {
      return stop.trials == 0 ? std::string("unset")
                              : absl::StrCat(stop.delta, " within ", stop.trials, " trials");
    };
    return describe("no_improvement", text(from), text(to));
  }
  return "";
}

}  // namespace

absl::Status CheckLimits(const Limits& limits) {
  if (limits.max_evaluations < 0 || limits.max_rounds < 0 || limits.max_total_epochs < 0) {
    return Invalid("limits are max_evaluations ", limits.max_evaluations, ", max_rounds ",
                   limits.max_rounds, ", max_total_epochs ", limits.max_total_epochs,
                   "; none may be negative (0 or unset: no such limit)");
  }
  if (limits.max_wall_time < absl::ZeroDuration()) {
    return Invalid("limits.max_wall_time is ", absl::FormatDuration(limits.max_wall_time),
                   "; it may not be negative");
  }
  if (limits.target_error.has_value() && !std::isfinite(*limits.target_error)) {
    return Invalid("limits.target_error is ", *limits.target_error, "; it must be finite");
  }
  const NoImprovement& stop = limits.no_improvement;
  if (stop.trials < 0 || !std::isfinite(stop.delta) || stop.delta < 0) {
    return Invalid("limits.no_improvement has trials ", stop.trials, " and delta ", stop.delta,
                   "; neither may be negative, and delta must be finite (trials 0: no such limit)");
  }
  if (stop.trials == 0 && stop.delta > 0) {
    return Invalid("limits.no_improvement has delta ", stop.delta,
                   " and no trials; say within how many trials it must be reached");
  }
  if (limits == Limits{}) {
    return Invalid(
        "limits has none set, so the study would never end; set at least one of max_evaluations, "
        "max_rounds, max_total_epochs, max_wall_time, target_error, no_improvement");
  }
  return absl::OkStatus();
}

absl::StatusOr<Limits> ExtendLimits(const Limits& current, const Limits& extended) {
  HV_RETURN_IF_ERROR(CheckLimits(extended));
  if (const std::string lowered = Lowered(current, extended); !lowered.empty()) {
    return Invalid(lowered,
                   "; an extension only raises limits (0 or unset: none; a target_error is raised "
                   "by lowering it, no_improvement by more trials or a lower delta). Leave out "
                   "those that shall stay");
  }
  Limits limits = current;
  if (extended.max_evaluations != 0) limits.max_evaluations = extended.max_evaluations;
  if (extended.max_rounds != 0) limits.max_rounds = extended.max_rounds;
  if (extended.max_total_epochs != 0) limits.max_total_epochs = extended.max_total_epochs;
  if (extended.max_wall_time != absl::ZeroDuration()) limits.max_wall_time = extended.max_wall_time;
  if (extended.target_error.has_value()) limits.target_error = extended.target_error;
  if (extended.no_improvement.trials != 0) {
    limits.no_improvement.trials = extended.no_improvement.trials;
    if (extended.no_improvement.delta > 0) {
      limits.no_improvement.delta = extended.no_improvement.delta;
    }
  }
  return limits;
}

}  // namespace halving
