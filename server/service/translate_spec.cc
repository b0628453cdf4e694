// What people say about a study, and what they see of it again.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/status.h"
#include "common/struct_json.h"
#include "server/service/translate.h"

namespace halving {
namespace {

using google::protobuf::Value;

constexpr size_t kMaxSpecBytes = 1 << 20;  // Several must fit into one answer.

template <typename... Parts>
absl::Status Invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
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

// One value stands for a list of one.
static absl::StatusOr<Condition> FromProto(const std::string& parameter, const Value& from,
                                           const std::string& field) {
  Condition to{.parameter = parameter};
  if (from.kind_case() == Value::kListValue) {
    for (int i = 0; i < from.list_value().values_size(); ++i) {
      HV_ASSIGN_OR_RETURN(ParameterValue value,
                          FromProto(from.list_value().values(i), absl::StrCat(field, "[", i, "]")));
      to.values.push_back(std::move(value));
    }
    return to;
  }
  absl::StatusOr<ParameterValue> value = FromProto(from, field);
  if (!value.ok()) {
    return Invalid(field, " is ", ValueToJson(from).dump(), "; it must be a list of values of \"",
                   parameter, "\", such as [\"adam\", \"sgd\"]");
  }
  to.values.push_back(*std::move(value));
  return to;
}

static absl::StatusOr<std::vector<Condition>> ConditionsFromProto(
    const google::protobuf::Struct& from, const std::string& field) {
  std::vector<Condition> to;
  for (const auto& [parameter, value] : from.fields()) {
    HV_ASSIGN_OR_RETURN(Condition condition,
                        FromProto(parameter, value, absl::StrCat(field, ".", parameter)));
    to.push_back(std::move(condition));
  }
  std::sort(to.begin(), to.end(),
            [](const Condition& a, const Condition& b) { return a.parameter < b.parameter; });
  return to;
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
  HV_ASSIGN_OR_RETURN(to.when, ConditionsFromProto(from.when(), absl::StrCat(field, ".when")));
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
  for (const Condition& condition : from.when) {
    Value& values = (*to->mutable_when()->mutable_fields())[condition.parameter];
    values.mutable_list_value();  // Also of none.
    for (const ParameterValue& value : condition.values) {
      ToProto(value, values.mutable_list_value()->add_values());
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
  if (from.no_improvement != NoImprovement{}) {
    to->mutable_no_improvement()->set_trials(from.no_improvement.trials);
    to->mutable_no_improvement()->set_delta(from.no_improvement.delta);
  }
}

absl::StatusOr<Limits> FromProto(const v1::Limits& from) {
  HV_ASSIGN_OR_RETURN(const absl::Duration wall_time,
                      JournaledDuration(from.max_wall_time(), "limits.max_wall_time"));
  Limits to{.max_evaluations = from.max_evaluations(),
            .max_rounds = from.max_rounds(),
            .max_total_epochs = from.max_total_epochs(),
            .max_wall_time = wall_time,
            .no_improvement = {.trials = from.no_improvement().trials(),
                               .delta = from.no_improvement().delta()}};
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
  StudySpec to{
      .name = from.name(),
      .objective = from.objective(),
      .objective_options_json = StructToJson(from.objective_options()).dump(),
      .warm_start = {.study = from.warm_start().study(), .trials = from.warm_start().trials()},
      .halving = {.min_epochs = from.halving().min_epochs(),
                  .max_epochs = from.halving().max_epochs(),
                  .eta = from.halving().eta(),
                  .prefactor = from.halving().prefactor()},
      .max_attempts = from.retry().max_attempts(),
      .seed = from.seed(),
      .keep_checkpoints = from.keep_checkpoints(),
      .owner = from.owner()};
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
  to->set_owner(from.owner);
  if (from.warm_start == WarmStart{}) return;
  to->mutable_warm_start()->set_study(from.warm_start.study);
  to->mutable_warm_start()->set_trials(from.warm_start.trials);
}

void ToProto(const Plan& from, v1::StudyPlan* to) {
  for (const PlannedRung& planned : from.rungs) {
    v1::PlannedRung* rung = to->add_rungs();
    rung->set_epochs(planned.epochs);
    rung->set_trials(planned.trials);
    rung->set_bracket(planned.bracket);
  }
  to->set_evaluations_per_round(from.evaluations_per_round);
  to->set_epochs_per_round(from.epochs_per_round);
  to->set_epochs_per_round_from_scratch(from.epochs_per_round_from_scratch);
  to->set_rounds(from.rounds);
}

}  // namespace halving
