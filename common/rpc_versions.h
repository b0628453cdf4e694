// The libraries of whoever speaks gRPC.
#ifndef HALVING_COMMON_RPC_VERSIONS_H_
#define HALVING_COMMON_RPC_VERSIONS_H_

#include <vector>

#include "common/build_info.h"

namespace halving {

// gRPC, protobuf and BaseVersions().
std::vector<LibraryVersion> RpcVersions();

}  // namespace halving

#endif  // HALVING_COMMON_RPC_VERSIONS_H_
