#include "server/core/spec.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/status.h"

namespace halving {
namespace {

constexpr size_t kMaxStudyNameBytes = 64;
constexpr size_t kMaxObjectiveBytes = 128;
constexpr size_t kMaxOptionsBytes = 1 << 20;
constexpr size_t kMaxParameters = 1000;
constexpr size_t kMaxChoiceValues = 10'000;
constexpr size_t kMaxInitialConfigs = 10'000;
constexpr int64_t kMaxEpochs = 1'000'000'000;
constexpr int32_t kDefaultAttempts = 3;
constexpr int32_t kMaxAttempts = 1000;
constexpr int32_t kMaxKeptCheckpoints = 1000;
constexpr absl::Duration kDefaultLease = absl::Seconds(60);
constexpr absl::Duration kMinLease = absl::Seconds(1);
constexpr absl::Duration kMaxLease = absl::Hours(24);

template <typename... Parts>
absl::Status Invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

bool IsStudyNameCharacter(char c) { return absl::ascii_isalnum(c) || c == '_' || c == '-'; }

absl::Status CheckNames(const StudySpec& spec) {
  if (spec.name.empty() || spec.name.size() > kMaxStudyNameBytes ||
      !std::all_of(spec.name.begin(), spec.name.end(), IsStudyNameCharacter)) {
    return Invalid("name is \"", spec.name.substr(0, 2 * kMaxStudyNameBytes),
                   "\"; it must be 1 to ", kMaxStudyNameBytes,
                   " letters, digits, '_' or '-', since it names files and pages too");
  }
  if (spec.objective.empty() || spec.objective.size() > kMaxObjectiveBytes) {
    return Invalid("objective has ", spec.objective.size(), " bytes; it must have 1 to ",
                   kMaxObjectiveBytes, ", and name what workers train, such as \"lenet\"");
  }
  if (spec.objective_options_json.size() > kMaxOptionsBytes) {
    return Invalid("objective_options has ", spec.objective_options_json.size(),
                   " bytes as JSON; at most ", kMaxOptionsBytes);
  }
  return absl::OkStatus();
}

// What costs more than its length to check.
absl::Status CheckCounts(const StudySpec& spec) {
  if (spec.parameters.size() > kMaxParameters) {
    return Invalid("parameters has ", spec.parameters.size(), " entries; at most ", kMaxParameters);
  }
  for (size_t i = 0; i < spec.parameters.size(); ++i) {
    const auto* choice = std::get_if<Choice>(&spec.parameters[i].domain);
    if (choice != nullptr && choice->values.size() > kMaxChoiceValues) {
      return Invalid("parameters[", i, "].choice.values has ", choice->values.size(),
                     " entries; at most ", kMaxChoiceValues);
    }
  }
  if (spec.initial_configs.size() > kMaxInitialConfigs) {
    return Invalid("initial_configs has ", spec.initial_configs.size(), " entries; at most ",
                   kMaxInitialConfigs);
  }
  return absl::OkStatus();
}

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
  if (limits == Limits{}) {
    return Invalid(
        "limits has none set, so the study would never end; set at least one of max_evaluations, "
        "max_rounds, max_total_epochs, max_wall_time, target_error");
  }
  return absl::OkStatus();
}

absl::Status CheckRetry(const StudySpec& spec) {
  if (spec.max_attempts < 1 || spec.max_attempts > kMaxAttempts) {
    return Invalid("retry.max_attempts is ", spec.max_attempts, "; it must be 1 to ", kMaxAttempts,
                   " (0 or unset means ", kDefaultAttempts, ")");
  }
  if (spec.lease < kMinLease || spec.lease > kMaxLease) {
    return Invalid("retry.lease is ", absl::FormatDuration(spec.lease), "; it must be ",
                   absl::FormatDuration(kMinLease), " to ", absl::FormatDuration(kMaxLease),
                   " (unset means ", absl::FormatDuration(kDefaultLease), ")");
  }
  return absl::OkStatus();
}

absl::Status CheckServed(const StudySpec& spec) {
  if (spec.policy != PolicyKind::kHalving && spec.policy != PolicyKind::kHalvingPerRound) {
    return absl::UnimplementedError(
        "halving.policy is one that this server does not serve yet; use POLICY_HALVING or "
        "POLICY_HALVING_PER_ROUND");
  }
  if (spec.searcher != SearcherKind::kRandom) {
    return absl::UnimplementedError(
        "searcher is one that this server does not serve yet; use SEARCHER_RANDOM");
  }
  return absl::OkStatus();
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
  return "";
}

int64_t CeilDivide(int64_t a, int64_t b) { return a / b + (a % b == 0 ? 0 : 1); }

}  // namespace

absl::StatusOr<StudySpec> Normalise(StudySpec spec) {
  if (spec.halving.prefactor == 0) spec.halving.prefactor = 1;
  if (spec.max_attempts == 0) spec.max_attempts = kDefaultAttempts;
  if (spec.lease == absl::ZeroDuration()) spec.lease = kDefaultLease;
  if (spec.keep_checkpoints == 0) spec.keep_checkpoints = kDefaultKeptCheckpoints;
  HV_RETURN_IF_ERROR(CheckNames(spec));
  HV_RETURN_IF_ERROR(CheckCounts(spec));
  HV_ASSIGN_OR_RETURN(const SearchSpace space, SearchSpace::Create(std::move(spec.parameters)));
  spec.parameters = space.parameters();
  for (size_t i = 0; i < spec.initial_configs.size(); ++i) {
    std::sort(spec.initial_configs[i].begin(), spec.initial_configs[i].end());
    const std::string where = absl::StrCat("initial_configs[", i, "]");
    HV_RETURN_IF_ERROR(space.Encode(spec.initial_configs[i], where).status());
  }
  if (spec.halving.max_epochs > kMaxEpochs) {
    return Invalid("halving.max_epochs is ", spec.halving.max_epochs, "; at most ", kMaxEpochs);
  }
  HV_RETURN_IF_ERROR(RungLadder::Create(spec.halving).status());
  HV_RETURN_IF_ERROR(CheckLimits(spec.limits));
  HV_RETURN_IF_ERROR(CheckRetry(spec));
  if (spec.keep_checkpoints < 1 || spec.keep_checkpoints > kMaxKeptCheckpoints) {
    return Invalid("keep_checkpoints is ", spec.keep_checkpoints, "; it must be 1 to ",
                   kMaxKeptCheckpoints, " (0 or unset means ", kDefaultKeptCheckpoints, ")");
  }
  HV_RETURN_IF_ERROR(CheckServed(spec));
  return spec;
}

absl::StatusOr<Limits> ExtendLimits(const Limits& current, const Limits& extended) {
  HV_RETURN_IF_ERROR(CheckLimits(extended));
  if (const std::string lowered = Lowered(current, extended); !lowered.empty()) {
    return Invalid(lowered,
                   "; an extension only raises limits (0 or unset: none; a target_error is raised "
                   "by lowering it). Leave out those that shall stay");
  }
  Limits limits = current;
  if (extended.max_evaluations != 0) limits.max_evaluations = extended.max_evaluations;
  if (extended.max_rounds != 0) limits.max_rounds = extended.max_rounds;
  if (extended.max_total_epochs != 0) limits.max_total_epochs = extended.max_total_epochs;
  if (extended.max_wall_time != absl::ZeroDuration()) limits.max_wall_time = extended.max_wall_time;
  if (extended.target_error.has_value()) limits.target_error = extended.target_error;
  return limits;
}

absl::StatusOr<Plan> MakePlan(const StudySpec& spec) {
  HV_ASSIGN_OR_RETURN(const StudySpec full, Normalise(spec));
  Plan plan;
  HV_ASSIGN_OR_RETURN(plan.ladder, RungLadder::Create(full.halving));
  int64_t from_epoch = 0;
  for (int k = 0; k < plan.ladder.rungs(); ++k) {
    const int64_t trials = plan.ladder.size(k);
    plan.evaluations_per_round += trials;
    plan.epochs_per_round += trials * (plan.ladder.epochs(k) - from_epoch);
    plan.epochs_per_round_from_scratch += trials * plan.ladder.epochs(k);
    from_epoch = plan.ladder.epochs(k);
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
