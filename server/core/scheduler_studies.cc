// What the commands of people decide.
#include <set>

#include "absl/strings/str_cat.h"
#include "common/status.h"
#include "server/core/scheduler.h"
#include "server/core/state_names.h"

namespace halving {
namespace {

// Beyond that a spec hardly fits into messages.
constexpr size_t kMostWarmStartBytes = 256 << 10;
// How far down the other study's ranking to look for configs that fit.
constexpr size_t kLookedAt = 10;

size_t BytesOf(const NamedConfig& config) {
  size_t bytes = 0;
  for (const auto& [name, value] : config) {
    const auto* text = std::get_if<std::string>(&value);
    bytes += name.size() + 16 + (text == nullptr ? 0 : text->size());
  }
  return bytes;
}

// What a repeated request has, where it means the study that exists: what came of its warm start
// may be among its initial configs, or not.
void TakeWarmStart(const StudySpec& existing, StudySpec* spec) {
  WarmStart asked = existing.warm_start;
  asked.added = 0;
  if (spec->warm_start != asked || asked.study.empty()) return;
  std::vector<NamedConfig> own = existing.initial_configs;
  own.resize(own.size() - static_cast<size_t>(existing.warm_start.added));
  if (spec->initial_configs != own && spec->initial_configs != existing.initial_configs) return;
  spec->initial_configs = existing.initial_configs;
  spec->warm_start = existing.warm_start;
}

}  // namespace

absl::StatusOr<const Study*> Scheduler::NamedStudy(const std::string& name,
                                                   const Scope& scope) const {
  const Study* study = FindStudy(name, scope);
  if (study == nullptr) {
    return absl::NotFoundError(absl::StrCat("there is no study \"", name,
                                            "\"; ListStudies names those that exist",
                                            scope.empty() ? "" : " for ", scope));
  }
  return study;
}

// The event is all that the command asks for, whatever follows from it: a study that is resumed
// with nothing left to do is COMPLETED at once, and the answer is OK all the same.
Scheduler::Decision Scheduler::Once(StudyUid study, Event event) {
  return {.event = std::move(event), .answer = {.study = study}, .last = true};
}

absl::StatusOr<Scheduler::Decision> Scheduler::DecideOn(const CreateStudy& command,
                                                        absl::Time now) const {
  HV_ASSIGN_OR_RETURN(StudySpec spec, Normalise(command.spec));
  if (spec.owner.empty()) spec.owner = command.scope;
  if (!IsWithin(command.scope, spec)) {
    return absl::PermissionDeniedError(absl::StrCat("owner is \"", spec.owner,
                                                    "\", and the token is for the studies of \"",
                                                    command.scope, "\"; leave owner out"));
  }
  const Study* existing = FindStudy(spec.name);
  if (existing == nullptr) {
    if (static_cast<int64_t>(studies_.size()) >= quotas_.studies) {
      return absl::ResourceExhaustedError(
          absl::StrCat("there are ", studies_.size(),
                       " studies, the most that this server keeps; delete some that have ended"));
    }
    if (spec.seed == 0) spec.seed = command.fallback_seed;
    HV_RETURN_IF_ERROR(AddWarmStart(&spec, command.scope));
    const StudyUid uid = last_uid_ + 1;
    return Once(uid, StudyCreated{.study = uid, .spec = std::move(spec), .time = now});
  }
  if (!IsWithin(command.scope, existing->spec())) {
    return absl::AlreadyExistsError(
        absl::StrCat("the name \"", spec.name, "\" is taken; choose another one"));
  }
  if (spec.seed == 0) spec.seed = existing->spec().seed;
  // An extension does not make the request that created the study another one.
  if (spec.limits == existing->first_limits()) spec.limits = existing->spec().limits;
  TakeWarmStart(existing->spec(), &spec);
  if (spec == existing->spec()) return Decision{.answer = {.study = existing->uid()}};
  return absl::AlreadyExistsError(absl::StrCat(
      "a study \"", spec.name, "\" with another spec exists and is ", StateName(existing->state()),
      "; choose another name, or delete that one first"));
}

// Those of the other study's best that lie in this study's space.
absl::Status Scheduler::AddWarmStart(StudySpec* spec, const Scope& scope) const {
  spec->warm_start.added = 0;
  if (spec->warm_start.study.empty()) return absl::OkStatus();
  const absl::StatusOr<const Study*> other = NamedStudy(spec->warm_start.study, scope);
  if (!other.ok()) {
    return absl::NotFoundError(absl::StrCat("warm_start.study: ", other.status().message()));
  }
  HV_ASSIGN_OR_RETURN(const SearchSpace space, SearchSpace::Create(spec->parameters));
  std::set<Config> known;
  for (const NamedConfig& config : spec->initial_configs) known.insert(*space.Encode(config, ""));
  absl::Status refused;  // Why the first of them that does not fit does not.
  const auto wanted = static_cast<size_t>(spec->warm_start.trials);
  size_t bytes = 0;
  int32_t& added = spec->warm_start.added;
  const std::vector<TrialId> best = (*other)->BestTrials(kLookedAt * wanted);
  for (size_t i = 0; i < best.size() && static_cast<size_t>(added) < wanted; ++i) {
    NamedConfig config = (*other)->space().Decode((*other)->FindTrial(best[i])->config);
    const absl::StatusOr<Config> fits = space.Encode(config, absl::StrCat("trial ", best[i]));
    refused.Update(fits.status());
    if (!fits.ok() || !known.insert(*fits).second) continue;
    bytes += BytesOf(config);
    if (bytes > kMostWarmStartBytes) break;
    spec->initial_configs.push_back(std::move(config));
    ++added;
  }
  if (added > 0 || (refused.ok() && !best.empty())) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "warm_start.study \"", spec->warm_start.study, "\" has ",
      refused.ok() ? std::string("no result yet; wait for one, or leave warm_start out")
                   : absl::StrCat("no config among its best that fits this study's parameters: ",
                                  refused.message())));
}

absl::StatusOr<Scheduler::Decision> Scheduler::DecideOn(const PauseStudy& command,
                                                        absl::Time now) const {
  HV_ASSIGN_OR_RETURN(const Study* study, NamedStudy(command.name, command.scope));
  if (study->state() == StudyState::kPaused) return Decision{.answer = {.study = study->uid()}};
  if (study->ended()) {
    return absl::FailedPreconditionError(
        absl::StrCat("study \"", command.name, "\" is ", StateName(study->state()), " (",
                     study->end_reason(), "); only a RUNNING one can be paused"));
  }
  const StudyUid uid = study->uid();
  return Once(uid, StudyPaused{.study = uid, .running_time = study->RunningTime(now)});
}

absl::StatusOr<Scheduler::Decision> Scheduler::DecideOn(const ResumeStudy& command,
                                                        absl::Time now) const {
  HV_ASSIGN_OR_RETURN(const Study* study, NamedStudy(command.name, command.scope));
  if (study->state() == StudyState::kRunning) return Decision{.answer = {.study = study->uid()}};
  if (study->ended()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "study \"", command.name, "\" is ", StateName(study->state()), " (", study->end_reason(),
        "); only a PAUSED one can be resumed. ExtendStudy "
        "reopens a COMPLETED one"));
  }
  return Once(study->uid(), StudyResumed{.study = study->uid(), .time = now});
}

absl::StatusOr<Scheduler::Decision> Scheduler::DecideOn(const StopStudy& command,
                                                        absl::Time now) const {
  HV_ASSIGN_OR_RETURN(const Study* study, NamedStudy(command.name, command.scope));
  if (study->ended()) return Decision{.answer = {.study = study->uid()}};
  return Once(study->uid(), StudyEnded{.study = study->uid(),
                                       .state = StudyState::kStopped,
                                       .reason = "stopped by request",
                                       .running_time = study->RunningTime(now),
                                       .time = now});
}

absl::StatusOr<Scheduler::Decision> Scheduler::DecideOn(const ExtendStudy& command,
                                                        absl::Time now) const {
  HV_ASSIGN_OR_RETURN(const Study* study, NamedStudy(command.name, command.scope));
  if (study->state() == StudyState::kStopped || study->state() == StudyState::kFailed) {
    return absl::FailedPreconditionError(
        absl::StrCat("study \"", command.name, "\" is ", StateName(study->state()), " (",
                     study->end_reason(), "); only a COMPLETED one can be reopened"));
  }
  HV_ASSIGN_OR_RETURN(const Limits limits, ExtendLimits(study->spec().limits, command.limits));
  if (limits == study->spec().limits) return Decision{.answer = {.study = study->uid()}};
  return Once(study->uid(), StudyExtended{.study = study->uid(), .limits = limits, .time = now});
}

absl::StatusOr<Scheduler::Decision> Scheduler::DecideOn(const DeleteStudy& command,
                                                        absl::Time) const {
  HV_ASSIGN_OR_RETURN(const Study* study, NamedStudy(command.name, command.scope));
  if (!study->ended()) {
    return absl::FailedPreconditionError(absl::StrCat("study \"", command.name, "\" is ",
                                                      StateName(study->state()),
                                                      "; stop it before it is deleted"));
  }
  return Once(study->uid(), StudyDeleted{.study = study->uid()});
}

}  // namespace halving
