#include "server/core/spec.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/status.h"

namespace halving {
namespace {

constexpr size_t kMaxOwnerBytes = 64;
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
constexpr int32_t kMaxWarmStartTrials = 100;
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

// The last bracket of Hyperband trains to max_epochs at once.
absl::Status CheckEpochLimit(const StudySpec& spec) {
  const int64_t limit = spec.limits.max_total_epochs;
  if (spec.policy != PolicyKind::kHyperband || limit == 0 || limit >= spec.halving.max_epochs) {
    return absl::OkStatus();
  }
  return Invalid("limits.max_total_epochs is ", limit, " and halving.max_epochs ",
                 spec.halving.max_epochs,
                 "; Hyperband's last bracket trains each trial to max_epochs at once, so allow at "
                 "least that");
}

absl::Status CheckWarmStart(const StudySpec& spec) {
  const WarmStart& warm_start = spec.warm_start;
  if (warm_start.study.empty() && warm_start.trials != 0) {
    return Invalid("warm_start.trials is ", warm_start.trials,
                   " and warm_start.study is empty; name the study whose best configs to begin "
                   "with");
  }
  if (warm_start.trials < 0 || warm_start.trials > kMaxWarmStartTrials) {
    return Invalid("warm_start.trials is ", warm_start.trials, "; it must be 1 to ",
                   kMaxWarmStartTrials, " (0 or unset means ", kDefaultWarmStartTrials, ")");
  }
  if (!warm_start.study.empty() && warm_start.study == spec.name) {
    return Invalid("warm_start.study is \"", spec.name, "\", the study itself; name another one");
  }
  return absl::OkStatus();
}

absl::Status CheckOwner(const std::string& owner) {
  const bool good = owner.size() <= kMaxOwnerBytes &&
                    std::all_of(owner.begin(), owner.end(),
                                [](char c) { return IsStudyNameCharacter(c) || c == '.'; });
  if (good) return absl::OkStatus();
  return Invalid("owner is \"", owner.substr(0, 2 * kMaxOwnerBytes), "\"; it has at most ",
                 kMaxOwnerBytes, " letters, digits, '_', '-' or '.', as the token of its team has");
}

absl::Status CheckRounds(PolicyKind policy, const Limits& limits) {
  const bool asha = policy == PolicyKind::kAsha || policy == PolicyKind::kDelayedAsha;
  if (!asha || limits.max_rounds == 0) return absl::OkStatus();
  return Invalid("limits.max_rounds is ", limits.max_rounds,
                 ", and ASHA has no rounds; use max_evaluations or max_total_epochs");
}

}  // namespace

absl::StatusOr<StudySpec> Normalise(StudySpec spec) {
  if (spec.halving.prefactor == 0) spec.halving.prefactor = 1;
  if (spec.max_attempts == 0) spec.max_attempts = kDefaultAttempts;
  if (spec.lease == absl::ZeroDuration()) spec.lease = kDefaultLease;
  if (!spec.warm_start.study.empty() && spec.warm_start.trials == 0) {
    spec.warm_start.trials = kDefaultWarmStartTrials;
  }
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
  HV_RETURN_IF_ERROR(CheckOwner(spec.owner));
  HV_RETURN_IF_ERROR(CheckRounds(spec.policy, spec.limits));
  HV_RETURN_IF_ERROR(CheckEpochLimit(spec));
  HV_RETURN_IF_ERROR(CheckWarmStart(spec));
  return spec;
}

}  // namespace halving
