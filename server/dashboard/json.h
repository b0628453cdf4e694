// protobuf's JSON, as the HTTP API speaks it.
#ifndef HALVING_SERVER_DASHBOARD_JSON_H_
#define HALVING_SERVER_DASHBOARD_JSON_H_

#include <string>

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "server/dashboard/http_access.h"

namespace halving {

// One line, zeros included: a page need not know which fields may be missing.
std::string ToJson(const google::protobuf::Message& message);

// INVALID_ARGUMENT: what is wrong with it, and where. Fields by their names in the contract or in
// lowerCamelCase; unknown ones are refused.
absl::Status FromJson(const std::string& json, google::protobuf::Message* message);

// {"code": "NOT_FOUND", "message": "..."}
std::string ErrorJson(const absl::Status& status);

// Whom the page is to name: {"auth": "tokens", "name": ..., "role": ..., "owner": ...}, or
// {"auth": "off"} where no token is needed.
std::string CallerJson(bool wants_tokens, const HttpCaller& caller);

}  // namespace halving

#endif  // HALVING_SERVER_DASHBOARD_JSON_H_
