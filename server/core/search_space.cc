#include "server/core/search_space.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/status.h"

namespace halving {
namespace {

constexpr int64_t kLargestExactInteger = int64_t{1} << 53;
constexpr size_t kMaxNameBytes = 128;

template <typename... Parts>
absl::Status Invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

absl::Status CheckDomain(const std::string& where, const FloatRange& range) {
  if (!std::isfinite(range.min) || !std::isfinite(range.max)) {
    return Invalid(where, ".float has min ", range.min, " and max ", range.max,
                   "; both must be finite numbers");
  }
  if (range.min >= range.max) {
    return Invalid(where, ".float has min ", range.min, " and max ", range.max,
                   "; need min < max (use a choice for a constant)");
  }
  if (!std::isfinite(range.max - range.min)) {
    return Invalid(where, ".float spans more than a double can hold: min ", range.min, ", max ",
                   range.max);
  }
  if (range.log && range.min <= 0) {
    return Invalid(where, ".float has log with min ", range.min, "; log needs min > 0");
  }
  return absl::OkStatus();
}

absl::Status CheckDomain(const std::string& where, const IntRange& range) {
  if (range.min > range.max) {
    return Invalid(where, ".int has min ", range.min, " and max ", range.max,
                   "; need min <= max, both included");
  }
  if (range.min < -kLargestExactInteger || range.max > kLargestExactInteger) {
    return Invalid(where, ".int has min ", range.min, " and max ", range.max,
                   "; at most 2^53 in size, since configs travel as JSON numbers");
  }
  if (range.step < 1) return Invalid(where, ".int.step is ", range.step, "; it must be at least 1");
  if (range.log && range.min < 1) {
    return Invalid(where, ".int has log with min ", range.min, "; log needs min > 0");
  }
  return absl::OkStatus();
}

absl::Status CheckDomain(const std::string& where, const Choice& choice) {
  if (choice.values.empty()) return Invalid(where, ".choice has no values; give at least one");
  std::set<ParameterValue> seen;
  for (size_t i = 0; i < choice.values.size(); ++i) {
    const double* number = std::get_if<double>(&choice.values[i]);
    if (number != nullptr && !std::isfinite(*number)) {
      return Invalid(where, ".choice.values[", i, "] is ", *number, "; it must be finite");
    }
    if (!seen.insert(choice.values[i]).second) {
      return Invalid(where, ".choice.values[", i, "] is ", DebugString(choice.values[i]),
                     " for the second time; each value may stand once");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckDomain(const std::string& where, const std::monostate&) {
  return Invalid(where, " has no domain; set one of float, int, choice");
}

// What a value must be, for messages.
std::string Allowed(const Parameter& parameter) {
  if (const auto* range = std::get_if<FloatRange>(&parameter.domain)) {
    return absl::StrCat("a number from ", range->min, " to ", range->max);
  }
  if (const auto* range = std::get_if<IntRange>(&parameter.domain)) {
    return absl::StrCat("a whole number from ", range->min, " to ", range->max,
                        range->step == 1 ? "" : absl::StrCat(" in steps of ", range->step));
  }
  std::string text = "one of";
  for (const ParameterValue& value : std::get<Choice>(parameter.domain).values) {
    absl::StrAppend(&text, " ", DebugString(value));
  }
  return text;
}

// As a person would say them, for messages.
std::string ConditionsOf(const Parameter& parameter) {
  std::string text;
  for (const Condition& condition : parameter.when) {
    absl::StrAppend(&text, text.empty() ? "" : " and ", condition.parameter, " is");
    for (size_t i = 0; i < condition.values.size(); ++i) {
      absl::StrAppend(&text, i == 0 ? " " : " or ", DebugString(condition.values[i]));
    }
  }
  return text;
}

// Of a choice: the place of each value. Empty for all else.
std::map<ParameterValue, double> IndexOf(const Parameter& parameter) {
  std::map<ParameterValue, double> places;
  const auto* choice = std::get_if<Choice>(&parameter.domain);
  for (size_t i = 0; choice != nullptr && i < choice->values.size(); ++i) {
    places[choice->values[i]] = static_cast<double>(i);
  }
  return places;
}

// So that specs which mean the same are equal. The values must be valid ones.
void SortConditions(std::vector<Condition>* when) {
  for (Condition& condition : *when) {
    std::sort(condition.values.begin(), condition.values.end());
  }
  std::sort(when->begin(), when->end(),
            [](const Condition& a, const Condition& b) { return a.parameter < b.parameter; });
}

std::string WhereOf(size_t i, const Parameter& parameter) {
  return absl::StrCat("parameters[", i, "] (", parameter.name, ")");
}

}  // namespace

absl::StatusOr<SearchSpace> SearchSpace::Create(std::vector<Parameter> parameters) {
  if (parameters.empty()) {
    return Invalid("parameters is empty; a study needs at least one parameter to search");
  }
  SearchSpace space;
  for (size_t i = 0; i < parameters.size(); ++i) {
    Parameter& parameter = parameters[i];
    if (parameter.name.empty() || parameter.name.size() > kMaxNameBytes) {
      return Invalid("parameters[", i, "].name has ", parameter.name.size(),
                     " bytes; it must have 1 to ", kMaxNameBytes);
    }
    const auto same = space.by_name_.find(parameter.name);
    if (same != space.by_name_.end()) {
      return Invalid("parameters[", i, "].name is \"", parameter.name,
                     "\", as is that of parameters[", same->second, "]; names must differ");
    }
    auto* range = std::get_if<IntRange>(&parameter.domain);
    if (range != nullptr && range->step == 0) range->step = 1;
    const std::string where = WhereOf(i, parameter);
    HV_RETURN_IF_ERROR(std::visit([&](const auto& domain) { return CheckDomain(where, domain); },
                                  parameter.domain));
    space.parameters_.push_back(parameter);
    space.choices_.push_back(IndexOf(parameter));
    HV_ASSIGN_OR_RETURN(std::vector<Gate> gates, space.GatesOf(i));
    space.gates_.push_back(std::move(gates));
    SortConditions(&space.parameters_[i].when);
    space.by_name_[parameter.name] = i;
  }
  return space;
}

std::optional<double> SearchSpace::EncodeValue(size_t i, const ParameterValue& value) const {
  const Parameter& parameter = parameters_[i];
  if (std::holds_alternative<Choice>(parameter.domain)) {
    const auto at = choices_[i].find(value);
    if (at == choices_[i].end()) return std::nullopt;
    return at->second;
  }
  const double* number = std::get_if<double>(&value);
  if (number == nullptr || !std::isfinite(*number)) return std::nullopt;
  if (const auto* range = std::get_if<FloatRange>(&parameter.domain)) {
    if (*number < range->min || *number > range->max) return std::nullopt;
    return *number;
  }
  const auto& range = std::get<IntRange>(parameter.domain);
  if (*number < static_cast<double>(range.min) || *number > static_cast<double>(range.max)) {
    return std::nullopt;
  }
  if (std::nearbyint(*number) != *number) return std::nullopt;
  if ((static_cast<int64_t>(*number) - range.min) % range.step != 0) return std::nullopt;
  return *number;
}

absl::StatusOr<std::vector<SearchSpace::Gate>> SearchSpace::GatesOf(size_t i) const {
  std::vector<Gate> gates;
  for (const Condition& condition : parameters_[i].when) {
    const std::string where =
        absl::StrCat(WhereOf(i, parameters_[i]), ".when.", condition.parameter);
    const auto named = by_name_.find(condition.parameter);
    if (named == by_name_.end()) {
      return Invalid(where, " names no parameter that stands before it; put that one first");
    }
    const Parameter& other = parameters_[named->second];
    if (std::holds_alternative<FloatRange>(other.domain)) {
      return Invalid(where, " names a float; only a choice or an int can be a condition");
    }
    if (condition.values.empty()) {
      return Invalid(where,
                     " has no values, so the parameter would never exist; give at least one");
    }
    Gate gate = {.parameter = named->second};
    std::set<double> seen;
    for (const ParameterValue& value : condition.values) {
      const std::optional<double> encoded = EncodeValue(gate.parameter, value);
      if (!encoded.has_value()) {
        return Invalid(where, " has ", DebugString(value), "; it must be ", Allowed(other));
      }
      if (!seen.insert(*encoded).second) {
        return Invalid(where, " has ", DebugString(value),
                       " for the second time; each value may stand once");
      }
      gate.values.push_back(*encoded);
    }
    gates.push_back(std::move(gate));
  }
  return gates;
}

bool SearchSpace::IsActive(const Config& config, size_t i) const {
  return std::all_of(gates_[i].begin(), gates_[i].end(), [&](const Gate& gate) {
    return std::find(gate.values.begin(), gate.values.end(), config[gate.parameter]) !=
           gate.values.end();
  });
}

void SearchSpace::Settle(Config* config) const {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (!IsActive(*config, i)) (*config)[i] = kInactive;
  }
}

absl::StatusOr<Config> SearchSpace::Encode(const NamedConfig& named,
                                           const std::string& where) const {
  std::map<std::string, const ParameterValue*> values;
  for (const auto& [name, value] : named) {
    if (!by_name_.contains(name)) {
      return Invalid(where, " sets \"", name, "\", which is none of the study's parameters");
    }
    values[name] = &value;
  }
  Config config;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Parameter& parameter = parameters_[i];
    const auto at = values.find(parameter.name);
    if (!IsActive(config, i)) {
      if (at != values.end()) {
        return Invalid(where, " sets \"", parameter.name, "\", which exists only when ",
                       ConditionsOf(parameter), "; leave it out");
      }
      config.push_back(kInactive);
      continue;
    }
    if (at == values.end()) {
      return Invalid(where, " lacks \"", parameter.name, "\"; it must be ", Allowed(parameter));
    }
    const std::optional<double> encoded = EncodeValue(i, *at->second);
    if (!encoded.has_value()) {
      return Invalid(where, " has ", parameter.name, " = ", DebugString(*at->second),
                     "; it must be ", Allowed(parameter));
    }
    config.push_back(*encoded);
  }
  return config;
}

NamedConfig SearchSpace::Decode(const Config& config) const {
  NamedConfig named;
  named.reserve(parameters_.size());
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (config[i] == kInactive) continue;
    const auto* choice = std::get_if<Choice>(&parameters_[i].domain);
    named.emplace_back(parameters_[i].name, choice == nullptr
                                                ? ParameterValue(config[i])
                                                : choice->values[static_cast<size_t>(config[i])]);
  }
  std::sort(named.begin(), named.end());
  return named;
}

std::string DebugString(const ParameterValue& value) {
  if (const bool* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const double* number = std::get_if<double>(&value)) return absl::StrCat(*number);
  return absl::StrCat("\"", std::get<std::string>(value), "\"");
}

}  // namespace halving
