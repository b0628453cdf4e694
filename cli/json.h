// Messages as JSON: protobuf's, with the contract's field names, as in study files and from
// grpcurl. Zeros are included: a script need not know which fields may be missing.
#ifndef HALVING_CLI_JSON_H_
#define HALVING_CLI_JSON_H_

#include <string>

#include "google/protobuf/message.h"

namespace halving {

// Over many lines, each ended.
std::string ToJson(const google::protobuf::Message& message);

// On one line, ended.
std::string ToJsonLine(const google::protobuf::Message& message);

}  // namespace halving

#endif  // HALVING_CLI_JSON_H_
