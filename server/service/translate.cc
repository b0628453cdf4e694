#include "server/service/translate.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/status.h"
#include "common/struct_json.h"
#include "server/service/cut_text.h"

namespace halving {
namespace {

using google::protobuf::Value;

constexpr size_t kMaxSpecBytes = 1 << 20;  // Several must fit into one answer.
constexpr size_t kMaxWorkerIdBytes = 128;
constexpr size_t kMaxRequestIdBytes = 64;
constexpr size_t kMaxTextBytes = 256;
constexpr int kMaxObjectives = 100;
constexpr int kMaxPoints = 10'000;
constexpr size_t kMaxMetrics = 64;
constexpr size_t kMaxReasonBytes = 4096;
constexpr size_t kMaxCheckpointIdBytes = 256;
constexpr absl::Duration kMaxWait = absl::Seconds(30);
constexpr absl::Duration kMaxJournaled = absl::Hours(24 * 366 * 100);
constexpr int64_t kMaxDurationSeconds = 315'576'000'000;  // As google.protobuf.Duration has it.

template <typename... Parts>
absl::Status Invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

absl::Status CheckSize(const std::string& field, absl::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return absl::OkStatus();
  return Invalid(field, " has ", text.size(), " bytes; at most ", max_bytes);
}

bool IsWorkerIdCharacter(char c) {
  return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == ':' || c == '-';
}

}  // namespace

// Overloads of what the header declares: inside a namespace of their own they would hide those.

static absl::StatusOr<ParameterValue> FromProto(const Value& from, const std::string& field) {
  switch (from.kind_case()) {
    case Value::kNumberValue:
      return ParameterValue(from.number_value());
    case Value::kStringValue:
      return ParameterValue(from.string_value());
    case Value::kBoolValue:
      return ParameterValue(from.bool_value());
    default:
      return Invalid(field, " is ", ValueToJson(from).dump(),
                     "; it must be a number, a string, true or false");
  }
}

static absl::StatusOr<Parameter> FromProto(const v1::Parameter& from, const std::string& field) {
  Parameter to{.name = from.name()};
  if (from.has_float_()) {
    to.domain = FloatRange{
        .min = from.float_().min(), .max = from.float_().max(), .log = from.float_().log()};
  } else if (from.has_int_()) {
    to.domain = IntRange{.min = from.int_().min(),
                         .max = from.int_().max(),
                         .log = from.int_().log(),
                         .step = from.int_().step()};
  } else if (from.has_choice()) {
    Choice choice;
    for (int i = 0; i < from.choice().values_size(); ++i) {
      HV_ASSIGN_OR_RETURN(
          ParameterValue value,
          FromProto(from.choice().values(i), absl::StrCat(field, ".choice.values[", i, "]")));
      choice.values.push_back(std::move(value));
    }
    to.domain = std::move(choice);
  }
  return to;
}

static absl::StatusOr<NamedConfig> FromProto(const google::protobuf::Struct& from,
                                             const std::string& field) {
  NamedConfig to;
  for (const auto& [name, value] : from.fields()) {
    HV_ASSIGN_OR_RETURN(ParameterValue read, FromProto(value, absl::StrCat(field, ".", name)));
    to.emplace_back(name, std::move(read));
  }
  std::sort(to.begin(), to.end());
  return to;
}

static absl::StatusOr<PolicyKind> FromProto(v1::Policy from) {
  if (from == v1::POLICY_UNSPECIFIED) return PolicyKind::kHalving;
  if (v1::Policy_IsValid(from)) return static_cast<PolicyKind>(from);
  return Invalid("halving.policy is ", static_cast<int>(from),
                 "; it must be 0 (unset: POLICY_HALVING) to ", v1::Policy_MAX, " (",
                 v1::Policy_Name(v1::Policy_MAX), ")");
}

static absl::StatusOr<SearcherKind> FromProto(v1::Searcher from) {
  if (from == v1::SEARCHER_UNSPECIFIED) return SearcherKind::kRandom;
  if (v1::Searcher_IsValid(from)) return static_cast<SearcherKind>(from);
  return Invalid("searcher is ", static_cast<int>(from),
                 "; it must be 0 (unset: SEARCHER_RANDOM) to ", v1::Searcher_MAX, " (",
                 v1::Searcher_Name(v1::Searcher_MAX), ")");
}

// The journal writes nanoseconds in 64 bits.
static absl::StatusOr<absl::Duration> JournaledDuration(const google::protobuf::Duration& from,
                                                        const std::string& field) {
  HV_ASSIGN_OR_RETURN(const absl::Duration duration, FromProto(from, field));
  if (duration <= kMaxJournaled) return duration;
  return Invalid(field, " is ", absl::FormatDuration(duration), "; at most a hundred years");
}

static absl::StatusOr<std::vector<CurvePoint>> FromProto(
    const google::protobuf::RepeatedPtrField<v1::CurvePoint>& from) {
  if (from.size() > kMaxPoints) {
    return Invalid("points has ", from.size(), " entries; at most ", kMaxPoints, " in one report");
  }
  std::vector<CurvePoint> points;
  for (int i = 0; i < from.size(); ++i) {
    if (!from[i].has_error()) {
      return Invalid("points[", i, "].error is not set; it must be the error at epoch ",
                     from[i].epoch(), " (NaN if the training diverged)");
    }
    points.push_back({.epoch = from[i].epoch(), .error = from[i].error()});
  }
  return points;
}

static absl::StatusOr<Outcome> FromProto(const v1::Progress& from) {
  HV_RETURN_IF_ERROR(
      CheckSize("progress.checkpoint_id", from.checkpoint_id(), kMaxCheckpointIdBytes));
  HV_ASSIGN_OR_RETURN(std::vector<CurvePoint> points, FromProto(from.points()));
  return Progress{.points = std::move(points),
                  .checkpoint_id = from.checkpoint_id(),
                  .checkpoint_epoch = from.checkpoint_epoch()};
}

static absl::StatusOr<Outcome> FromProto(const v1::Completed& from) {
  if (!from.has_error()) {
    return Invalid(
        "completed.error is not set; it must be the error after the last epoch (lower is better, "
        "NaN if the training diverged)");
  }
  HV_RETURN_IF_ERROR(
      CheckSize("completed.checkpoint_id", from.checkpoint_id(), kMaxCheckpointIdBytes));
  if (from.metrics().size() > kMaxMetrics) {
    return Invalid("completed.metrics has ", from.metrics().size(), " entries; at most ",
                   kMaxMetrics);
  }
  HV_ASSIGN_OR_RETURN(std::vector<CurvePoint> points, FromProto(from.points()));
  HV_ASSIGN_OR_RETURN(const absl::Duration train_time,
                      JournaledDuration(from.train_time(), "completed.train_time"));
  Completed to{.error = from.error(),
               .points = std::move(points),
               .checkpoint_id = from.checkpoint_id(),
               .train_time = train_time};
  for (const auto& [name, value] : from.metrics()) {
    HV_RETURN_IF_ERROR(CheckSize("a name in completed.metrics", name, kMaxTextBytes));
    to.metrics.emplace_back(name, value);
  }
  std::sort(to.metrics.begin(), to.metrics.end());
  return to;
}

// A long reason is cut, not refused: a worker in trouble must be able to say so.
static std::string Reason(const std::string& reason) { return CutText(reason, kMaxReasonBytes); }

static absl::StatusOr<Outcome> FromProto(const v1::Returned& from) {
  HV_RETURN_IF_ERROR(CheckSize("returned.unusable_checkpoint_id", from.unusable_checkpoint_id(),
                               kMaxCheckpointIdBytes));
  return Returned{.reason = Reason(from.reason()),
                  .unusable_checkpoint_id = from.unusable_checkpoint_id()};
}

static void ToProto(const ParameterValue& from, Value* to) {
  if (const bool* flag = std::get_if<bool>(&from)) to->set_bool_value(*flag);
  if (const double* number = std::get_if<double>(&from)) to->set_number_value(*number);
  if (const auto* text = std::get_if<std::string>(&from)) to->set_string_value(*text);
}

static void ToProto(const Parameter& from, v1::Parameter* to) {
  to->set_name(from.name);
  if (const auto* range = std::get_if<FloatRange>(&from.domain)) {
    to->mutable_float_()->set_min(range->min);
    to->mutable_float_()->set_max(range->max);
    to->mutable_float_()->set_log(range->log);
  } else if (const auto* range = std::get_if<IntRange>(&from.domain)) {
    to->mutable_int_()->set_min(range->min);
    to->mutable_int_()->set_max(range->max);
    to->mutable_int_()->set_log(range->log);
    to->mutable_int_()->set_step(range->step);
  } else if (const auto* choice = std::get_if<Choice>(&from.domain)) {
    for (const ParameterValue& value : choice->values) {
      ToProto(value, to->mutable_choice()->add_values());
    }
  }
}

static void ToProto(const Limits& from, v1::Limits* to) {
  to->set_max_evaluations(from.max_evaluations);
  to->set_max_rounds(from.max_rounds);
  to->set_max_total_epochs(from.max_total_epochs);
  if (from.max_wall_time > absl::ZeroDuration()) {
    ToProto(from.max_wall_time, to->mutable_max_wall_time());
  }
  if (from.target_error.has_value()) to->set_target_error(*from.target_error);
}

absl::StatusOr<absl::Duration> FromProto(const google::protobuf::Duration& from,
                                         const std::string& field) {
  if (from.seconds() < 0 || from.seconds() > kMaxDurationSeconds || from.nanos() < 0 ||
      from.nanos() > 999'999'999) {
    return Invalid(field, " is ", from.seconds(), " s and ", from.nanos(),
                   " ns; it must be a duration of 0 s or more");
  }
  return absl::Seconds(from.seconds()) + absl::Nanoseconds(from.nanos());
}

absl::StatusOr<Limits> FromProto(const v1::Limits& from) {
  HV_ASSIGN_OR_RETURN(const absl::Duration wall_time,
                      JournaledDuration(from.max_wall_time(), "limits.max_wall_time"));
  Limits to{.max_evaluations = from.max_evaluations(),
            .max_rounds = from.max_rounds(),
            .max_total_epochs = from.max_total_epochs(),
            .max_wall_time = wall_time};
  if (from.has_target_error()) to.target_error = from.target_error();
  return to;
}

absl::StatusOr<StudySpec> FromProto(const v1::StudySpec& from) {
  if (from.ByteSizeLong() > kMaxSpecBytes) {
    return Invalid("study has ", from.ByteSizeLong(), " bytes as a message; at most ",
                   kMaxSpecBytes, ". Let objective_options name a file rather than hold it");
  }
  if (HasNonFiniteNumber(from.objective_options())) {
    return Invalid("objective_options holds a number that is NaN or infinite; JSON has none");
  }
  StudySpec to{.name = from.name(),
               .objective = from.objective(),
               .objective_options_json = StructToJson(from.objective_options()).dump(),
               .halving = {.min_epochs = from.halving().min_epochs(),
                           .max_epochs = from.halving().max_epochs(),
                           .eta = from.halving().eta(),
                           .prefactor = from.halving().prefactor()},
               .max_attempts = from.retry().max_attempts(),
               .seed = from.seed(),
               .keep_checkpoints = from.keep_checkpoints()};
  for (int i = 0; i < from.parameters_size(); ++i) {
    HV_ASSIGN_OR_RETURN(Parameter parameter,
                        FromProto(from.parameters(i), absl::StrCat("parameters[", i, "]")));
    to.parameters.push_back(std::move(parameter));
  }
  for (int i = 0; i < from.initial_configs_size(); ++i) {
    HV_ASSIGN_OR_RETURN(NamedConfig config, FromProto(from.initial_configs(i),
                                                      absl::StrCat("initial_configs[", i, "]")));
    to.initial_configs.push_back(std::move(config));
  }
  HV_ASSIGN_OR_RETURN(to.policy, FromProto(from.halving().policy()));
  HV_ASSIGN_OR_RETURN(to.searcher, FromProto(from.searcher()));
  HV_ASSIGN_OR_RETURN(to.limits, FromProto(from.limits()));
  HV_ASSIGN_OR_RETURN(to.lease, FromProto(from.retry().lease(), "retry.lease"));
  return to;
}

absl::StatusOr<Ask> FromProto(const v1::SuggestRequest& from) {
  const std::string& worker = from.worker_id();
  if (worker.empty() || worker.size() > kMaxWorkerIdBytes ||
      !std::all_of(worker.begin(), worker.end(), IsWorkerIdCharacter)) {
    return Invalid("worker_id is \"", absl::CHexEscape(worker.substr(0, kMaxWorkerIdBytes)),
                   "\"; it must be 1 to ", kMaxWorkerIdBytes, " of [A-Za-z0-9_.:-]");
  }
  if (from.request_id().empty() || from.request_id().size() > kMaxRequestIdBytes) {
    return Invalid("request_id has ", from.request_id().size(), " bytes; it must have 1 to ",
                   kMaxRequestIdBytes, ", random for each ask and kept for its retries");
  }
  if (from.objectives_size() > kMaxObjectives) {
    return Invalid("objectives has ", from.objectives_size(), " entries; at most ", kMaxObjectives);
  }
  for (const std::string& objective : from.objectives()) {
    HV_RETURN_IF_ERROR(CheckSize("an entry of objectives", objective, kMaxTextBytes));
  }
  HV_RETURN_IF_ERROR(CheckSize("host", from.host(), kMaxTextBytes));
  HV_RETURN_IF_ERROR(CheckSize("device", from.device(), kMaxTextBytes));
  HV_RETURN_IF_ERROR(CheckSize("incarnation", from.incarnation(), kMaxRequestIdBytes));
  return Ask{.worker = worker,
             .request_id = from.request_id(),
             .incarnation = from.incarnation(),
             .objectives = {from.objectives().begin(), from.objectives().end()},
             .host = from.host(),
             .device = from.device()};
}

absl::StatusOr<absl::Duration> WaitOf(const v1::SuggestRequest& request) {
  HV_ASSIGN_OR_RETURN(const absl::Duration wait, FromProto(request.wait(), "wait"));
  return std::min(wait, kMaxWait);
}

absl::StatusOr<Outcome> OutcomeFromProto(const v1::ReportRequest& from) {
  switch (from.outcome_case()) {
    case v1::ReportRequest::kProgress:
      if (from.has_next()) {
        return Invalid("next is set beside progress; it goes with completed, failed or returned");
      }
      return FromProto(from.progress());
    case v1::ReportRequest::kCompleted:
      return FromProto(from.completed());
    case v1::ReportRequest::kFailed:
      return Failed{.reason = Reason(from.failed().reason()),
                    .retryable = from.failed().retryable(),
                    .out_of_memory = from.failed().out_of_memory()};
    case v1::ReportRequest::kReturned:
      return FromProto(from.returned());
    case v1::ReportRequest::OUTCOME_NOT_SET:
      break;
  }
  return Invalid("outcome is not set; one of progress, completed, failed, returned must be");
}

void ToProto(absl::Duration from, google::protobuf::Duration* to) {
  const absl::Duration most = absl::Seconds(kMaxDurationSeconds);
  from = std::min(std::max(from, -most), most);
  to->set_seconds(absl::IDivDuration(from, absl::Seconds(1), &from));
  to->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(from)));
}

void ToProto(absl::Time from, google::protobuf::Timestamp* to) {
  const int64_t seconds = absl::ToUnixSeconds(from);  // Rounds down, also before 1970.
  to->set_seconds(seconds);
  const absl::Duration rest = from - absl::FromUnixSeconds(seconds);
  to->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
}

void ToProto(const NamedConfig& from, google::protobuf::Struct* to) {
  for (const auto& [name, value] : from) ToProto(value, &(*to->mutable_fields())[name]);
}

void ToProto(const StudySpec& from, v1::StudySpec* to) {
  to->set_name(from.name);
  to->set_objective(from.objective);
  *to->mutable_objective_options() =
      JsonToStruct(nlohmann::json::parse(from.objective_options_json));
  for (const Parameter& parameter : from.parameters) ToProto(parameter, to->add_parameters());
  for (const NamedConfig& config : from.initial_configs) ToProto(config, to->add_initial_configs());
  to->mutable_halving()->set_min_epochs(from.halving.min_epochs);
  to->mutable_halving()->set_max_epochs(from.halving.max_epochs);
  to->mutable_halving()->set_eta(static_cast<int32_t>(from.halving.eta));
  to->mutable_halving()->set_prefactor(from.halving.prefactor);
  to->mutable_halving()->set_policy(static_cast<v1::Policy>(from.policy));
  ToProto(from.limits, to->mutable_limits());
  to->set_searcher(static_cast<v1::Searcher>(from.searcher));
  to->mutable_retry()->set_max_attempts(from.max_attempts);
  ToProto(from.lease, to->mutable_retry()->mutable_lease());
  to->set_seed(from.seed);
  to->set_keep_checkpoints(from.keep_checkpoints);
}

void ToProto(const Plan& from, v1::StudyPlan* to) {
  for (int k = 0; k < from.ladder.rungs(); ++k) {
    v1::PlannedRung* rung = to->add_rungs();
    rung->set_epochs(from.ladder.epochs(k));
    rung->set_trials(from.ladder.size(k));
  }
  to->set_evaluations_per_round(from.evaluations_per_round);
  to->set_epochs_per_round(from.epochs_per_round);
  to->set_epochs_per_round_from_scratch(from.epochs_per_round_from_scratch);
  to->set_rounds(from.rounds);
}

}  // namespace halving
