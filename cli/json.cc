#include "cli/json.h"

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"

namespace halving {
namespace {

std::string Print(const google::protobuf::Message& message, bool pretty) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = pretty;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  // Fails only on what JSON cannot say, such as a year beyond 9999.
  if (!status.ok()) json = absl::StrCat("{\"error\": \"", std::string(status.message()), "\"}");
  return json;
}

}  // namespace

std::string ToJson(const google::protobuf::Message& message) { return Print(message, true); }

std::string ToJsonLine(const google::protobuf::Message& message) {
  return absl::StrCat(Print(message, false), "\n");
}

}  // namespace halving
