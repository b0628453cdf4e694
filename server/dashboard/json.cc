#include "server/dashboard/json.h"

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include "nlohmann/json.hpp"

namespace halving {

std::string ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  if (status.ok()) return json;
  // Only on what JSON cannot say, such as a year beyond 9999.
  return ErrorJson(absl::InternalError(std::string(status.message())));
}

absl::Status FromJson(const std::string& json, google::protobuf::Message* message) {
  const auto status = google::protobuf::util::JsonStringToMessage(json, message);
  if (status.ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the body is no JSON of a ",
                                                 message->GetDescriptor()->name(), ": ",
                                                 std::string(status.message())));
}

std::string ErrorJson(const absl::Status& status) {
  // What came in may be no UTF-8, which a dump would throw upon.
  return nlohmann::json({{"code", absl::StatusCodeToString(status.code())},
                         {"message", std::string(status.message())}})
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string CallerJson(bool wants_tokens, const HttpCaller& caller) {
  if (!wants_tokens) return R"({"auth":"off"})";
  return nlohmann::json({{"auth", "tokens"},
                         {"name", caller.name},
                         {"role", caller.role},
                         {"owner", caller.owner}})
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace halving
