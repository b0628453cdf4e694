// absl::Status to grpc::Status: the one place where that happens.
#ifndef HALVING_SERVER_SERVICE_GRPC_STATUS_H_
#define HALVING_SERVER_SERVICE_GRPC_STATUS_H_

#include <string>

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace halving {

// The codes are the same numbers by design of both libraries.
inline grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_GRPC_STATUS_H_
