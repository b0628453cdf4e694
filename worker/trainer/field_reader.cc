#include "worker/trainer/field_reader.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace halving {
namespace {

constexpr size_t kQuotedBytes = 200;

// The integer that `value` holds, if it lies within the range.
std::optional<int64_t> IntegerWithin(const nlohmann::json& value, int64_t min, int64_t max) {
  // Above 2^63 the unsigned value would turn negative on its way into an int64_t.
  if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(max)) {
    return std::nullopt;
  }
  if (!value.is_number_integer()) return std::nullopt;
  const int64_t integer = value.get<int64_t>();
  if (integer < min || integer > max) return std::nullopt;
  return integer;
}

}  // namespace

std::string DescribeJson(const nlohmann::json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  if (value.is_string() && value.get_ref<const std::string&>().size() > kQuotedBytes) {
    return absl::StrCat("a string of ", value.get_ref<const std::string&>().size(), " bytes");
  }
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

FieldReader::FieldReader(absl::string_view name, const nlohmann::json& object)
    : name_(name), object_(object) {
  if (!object_.is_object()) {
    status_ = absl::InvalidArgumentError(
        absl::StrCat(name_, " is ", DescribeJson(object_), "; it must be an object"));
  }
}

int64_t FieldReader::Integer(absl::string_view field, int64_t min, int64_t max,
                             std::optional<int64_t> fallback) {
  const nlohmann::json* const value = Find(field);
  if (value == nullptr && fallback.has_value()) return *fallback;
  const std::optional<int64_t> integer =
      value == nullptr ? std::nullopt : IntegerWithin(*value, min, max);
  if (integer.has_value()) return *integer;
  RefuseValue(field, value,
              absl::StrCat("a whole number from ", min, " to ", max, ", written without a point"));
  return fallback.value_or(min);
}

std::optional<int64_t> FieldReader::OptionalInteger(absl::string_view field, int64_t min,
                                                    int64_t max) {
  if (Find(field) == nullptr) return std::nullopt;
  return Integer(field, min, max);
}

double FieldReader::Number(absl::string_view field, absl::string_view allowed,
                           absl::FunctionRef<bool(double)> accepts,
                           std::optional<double> fallback) {
  const nlohmann::json* const value = Find(field);
  if (value == nullptr && fallback.has_value()) return *fallback;
  if (value != nullptr && value->is_number()) {
    const double number = value->get<double>();
    if (std::isfinite(number) && accepts(number)) return number;
  }
  RefuseValue(field, value, allowed);
  return fallback.value_or(0);
}

bool FieldReader::Boolean(absl::string_view field, bool fallback) {
  const nlohmann::json* const value = Find(field);
  if (value == nullptr) return fallback;
  if (value->is_boolean()) return value->get<bool>();
  RefuseValue(field, value, "true or false");
  return fallback;
}

std::string FieldReader::String(absl::string_view field, std::optional<std::string> fallback) {
  const nlohmann::json* const value = Find(field);
  if (value == nullptr && fallback.has_value()) return *fallback;
  if (value != nullptr && value->is_string() && !value->get_ref<const std::string&>().empty()) {
    return value->get<std::string>();
  }
  RefuseValue(field, value, "a string that is not empty");
  return fallback.value_or("");
}

std::string FieldReader::OptionalString(absl::string_view field) {
  const nlohmann::json* const value = Find(field);
  if (value != nullptr && value->is_string()) return value->get<std::string>();
  if (value != nullptr) RefuseValue(field, value, "a string");
  return "";
}

std::string FieldReader::OneOf(absl::string_view field, const std::vector<std::string>& choices,
                               const std::string& fallback) {
  const nlohmann::json* const value = Find(field);
  if (value == nullptr) return fallback;
  for (const std::string& choice : choices) {
    if (*value == choice) return choice;
  }
  RefuseValue(field, value, absl::StrCat("one of ", absl::StrJoin(choices, ", ")));
  return fallback;
}

nlohmann::json FieldReader::Object(absl::string_view field) {
  const nlohmann::json* const value = Find(field);
  if (value != nullptr && value->is_object()) return *value;
  if (value != nullptr) RefuseValue(field, value, "an object");
  return nlohmann::json::object();
}

void FieldReader::Refuse(absl::string_view field, absl::string_view problem) {
  if (!status_.ok()) return;
  status_ = absl::InvalidArgumentError(absl::StrCat(name_, ".", field, " ", problem));
}

absl::Status FieldReader::Finish() const {
  if (!status_.ok()) return status_;
  for (const auto& [key, value] : object_.items()) {
    if (std::find(asked_.begin(), asked_.end(), key) != asked_.end()) continue;
    return absl::InvalidArgumentError(absl::StrCat(name_, ".", key, " is ", DescribeJson(value),
                                                   ", but no such field is known; ", name_,
                                                   " may hold ", absl::StrJoin(asked_, ", ")));
  }
  return absl::OkStatus();
}

const nlohmann::json* FieldReader::Find(absl::string_view field) {
  const std::string key(field);
  if (std::find(asked_.begin(), asked_.end(), key) == asked_.end()) asked_.push_back(key);
  if (!object_.is_object()) return nullptr;
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void FieldReader::RefuseValue(absl::string_view field, const nlohmann::json* value,
                              absl::string_view allowed) {
  if (value == nullptr) {
    Refuse(field, absl::StrCat("is missing; it must be ", allowed));
  } else {
    Refuse(field, absl::StrCat("is ", DescribeJson(*value), "; it must be ", allowed));
  }
}

}  // namespace halving
