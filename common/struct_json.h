// google.protobuf.Struct to and from JSON text, the form in which configs and objective options
// are stored, compared and handed to trainers.
#ifndef HALVING_COMMON_STRUCT_JSON_H_
#define HALVING_COMMON_STRUCT_JSON_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/struct.pb.h"
#include "nlohmann/json.hpp"

namespace halving {

// Keys come sorted. A whole number up to 2^53 in size becomes a JSON integer, written without a
// point (Python's range() must be able to take it). NaN and infinities become null.
nlohmann::json StructToJson(const google::protobuf::Struct& from);
nlohmann::json ValueToJson(const google::protobuf::Value& from);

// The reverse; every number becomes a double. Never fails on what StructToJson made.
google::protobuf::Struct JsonToStruct(const nlohmann::json& object);
google::protobuf::Value JsonToValue(const nlohmann::json& from);

// Whether a number anywhere inside is NaN or infinite, which JSON cannot say.
bool HasNonFiniteNumber(const google::protobuf::Struct& object);

}  // namespace halving

#endif  // HALVING_COMMON_STRUCT_JSON_H_
