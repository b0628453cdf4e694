#include "common/struct_json.h"

#include <cmath>

namespace halving {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

constexpr double kLargestExactInteger = 9007199254740992.0;  // 2^53.

nlohmann::json NumberToJson(double number) {
  if (std::nearbyint(number) == number && std::fabs(number) <= kLargestExactInteger) {
    return static_cast<int64_t>(number);
  }
  return number;
}

bool HasNonFiniteNumber(const Value& value) {
  if (value.kind_case() == Value::kNumberValue) return !std::isfinite(value.number_value());
  if (value.kind_case() == Value::kStructValue) {
    return halving::HasNonFiniteNumber(value.struct_value());
  }
  for (const Value& element : value.list_value().values()) {
    if (HasNonFiniteNumber(element)) return true;
  }
  return false;
}

}  // namespace

nlohmann::json ValueToJson(const Value& from) {
  switch (from.kind_case()) {
    case Value::kNumberValue:
      return NumberToJson(from.number_value());
    case Value::kStringValue:
      return from.string_value();
    case Value::kBoolValue:
      return from.bool_value();
    case Value::kStructValue:
      return StructToJson(from.struct_value());
    case Value::kListValue: {
      nlohmann::json list = nlohmann::json::array();
      for (const Value& element : from.list_value().values()) list.push_back(ValueToJson(element));
      return list;
    }
    case Value::kNullValue:
    case Value::KIND_NOT_SET:
      return nullptr;
  }
  return nullptr;
}

nlohmann::json StructToJson(const Struct& from) {
  nlohmann::json object = nlohmann::json::object();
  for (const auto& [key, value] : from.fields()) object[key] = ValueToJson(value);
  return object;
}

Value JsonToValue(const nlohmann::json& from) {
  Value value;
  if (from.is_number()) {
    value.set_number_value(from.get<double>());
  } else if (from.is_string()) {
    value.set_string_value(from.get<std::string>());
  } else if (from.is_boolean()) {
    value.set_bool_value(from.get<bool>());
  } else if (from.is_object()) {
    *value.mutable_struct_value() = JsonToStruct(from);
  } else if (from.is_array()) {
    value.mutable_list_value();
    for (const auto& element : from)
      *value.mutable_list_value()->add_values() = JsonToValue(element);
  } else {
    value.set_null_value(google::protobuf::NULL_VALUE);
  }
  return value;
}

Struct JsonToStruct(const nlohmann::json& object) {
  Struct result;
  for (const auto& [key, element] : object.items()) {
    (*result.mutable_fields())[key] = JsonToValue(element);
  }
  return result;
}

bool HasNonFiniteNumber(const Struct& object) {
  for (const auto& [key, value] : object.fields()) {
    if (HasNonFiniteNumber(value)) return true;
  }
  return false;
}

}  // namespace halving
