// The search space of a study: parameters, their domains, and configs drawn from them.
#ifndef HALVING_SERVER_CORE_SEARCH_SPACE_H_
#define HALVING_SERVER_CORE_SEARCH_SPACE_H_

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace halving {

struct FloatRange {
  double min = 0;
  double max = 0;
  bool log = false;
  friend bool operator==(const FloatRange&, const FloatRange&) = default;
};

// Both ends included; values are min, min + step, ... up to max.
struct IntRange {
  int64_t min = 0;
  int64_t max = 0;
  bool log = false;
  int64_t step = 1;
  friend bool operator==(const IntRange&, const IntRange&) = default;
};

// A value as people write it.
using ParameterValue = std::variant<bool, double, std::string>;

struct Choice {
  std::vector<ParameterValue> values;
  friend bool operator==(const Choice&, const Choice&) = default;
};

// Another parameter has one of these values.
struct Condition {
  std::string parameter;
  std::vector<ParameterValue> values;
  friend bool operator==(const Condition&, const Condition&) = default;
};

struct Parameter {
  std::string name;
  std::variant<std::monostate, FloatRange, IntRange, Choice> domain;
  std::vector<Condition> when;  // It exists only where all of them hold.
  friend bool operator==(const Parameter&, const Parameter&) = default;
};

// One number per parameter, in their order: the value of a float or int, the index of a choice,
// or kInactive where a condition of the parameter does not hold.
using Config = std::vector<double>;
inline constexpr double kInactive = -std::numeric_limits<double>::infinity();

// A config as people write it: (parameter, value), sorted by parameter.
using NamedConfig = std::vector<std::pair<std::string, ParameterValue>>;

// SearchSpace checks and translates configs. It draws none: see sampler.h. Immutable.
class SearchSpace {
 public:
  // Also fills in defaults (step 0 becomes 1). INVALID_ARGUMENT, naming parameters[i], for an empty
  // space, a bad or repeated name, a missing domain, min > max or a float's min = max, a log range
  // from 0 or below, bounds that are not finite, integers beyond 2^53, an empty or repeated choice,
  // a condition on a parameter that does not stand before it, on a float, or on a value that the
  // other can never have.
  static absl::StatusOr<SearchSpace> Create(std::vector<Parameter> parameters);

  const std::vector<Parameter>& parameters() const { return parameters_; }

  // INVALID_ARGUMENT, naming `where` and the parameter, when one is missing, unknown, outside its
  // domain, or set though its conditions do not hold.
  absl::StatusOr<Config> Encode(const NamedConfig& named, const std::string& where) const;

  // The reverse. The config must be of this space.
  NamedConfig Decode(const Config& config) const;

  // Whether the conditions of parameter i hold. Those before it must be settled.
  bool IsActive(const Config& config, size_t i) const;

  // Sets each parameter whose conditions do not hold to kInactive.
  void Settle(Config* config) const;

 private:
  // As a Condition, of an encoded config.
  struct Gate {
    size_t parameter = 0;
    std::vector<double> values;
  };

  // As parameter i has it; nullopt when that is outside its domain.
  std::optional<double> EncodeValue(size_t i, const ParameterValue& value) const;
  // The conditions of parameters[i], those before it being known.
  absl::StatusOr<std::vector<Gate>> GatesOf(size_t i) const;

  std::vector<Parameter> parameters_;
  std::map<std::string, size_t> by_name_;
  std::vector<std::vector<Gate>> gates_;                   // By parameter.
  std::vector<std::map<ParameterValue, double>> choices_;  // By parameter: the place of each value.
};

// The value as a person would write it, for messages: "relu" with quotes, 0.1, true.
std::string DebugString(const ParameterValue& value);

}  // namespace halving

#endif  // HALVING_SERVER_CORE_SEARCH_SPACE_H_
