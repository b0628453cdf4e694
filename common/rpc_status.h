// gRPC's status as ours.
#ifndef HALVING_COMMON_RPC_STATUS_H_
#define HALVING_COMMON_RPC_STATUS_H_

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace halving {

// Both libraries number the codes alike.
inline absl::Status FromGrpc(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

}  // namespace halving

#endif  // HALVING_COMMON_RPC_STATUS_H_
