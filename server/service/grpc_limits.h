// What one client may take of a server before it has said who it is.
#ifndef HALVING_SERVER_SERVICE_GRPC_LIMITS_H_
#define HALVING_SERVER_SERVICE_GRPC_LIMITS_H_

#include "grpcpp/resource_quota.h"
#include "grpcpp/server_builder.h"

namespace halving {

// The largest legal messages, a spec and a chunk of a checkpoint, have 1 MiB and some; what is a
// little larger gets our own message, which says more than gRPC's.
inline constexpr int kMaxReceivedBytes = 2 << 20;

// Bounds on messages, headers, streams and idle connections; docs/operating.md lists them.
void SetLimits(grpc::ServerBuilder* builder);

// The bound on gRPC's memory: something for each connection, and for all together what messages
// need that are half here. Thread-compatible.
class MemoryLimit {
 public:
  explicit MemoryLimit(grpc::ServerBuilder* builder);

  // As many connections as there are, or were a while ago.
  void MakeRoomFor(int connections);

 private:
  grpc::ResourceQuota quota_;
  int connections_ = 0;  // That it has room for.
};

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_GRPC_LIMITS_H_
