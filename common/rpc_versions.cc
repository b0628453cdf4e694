#include "common/rpc_versions.h"

#include <google/protobuf/stubs/common.h>
#include <grpcpp/grpcpp.h>

namespace halving {

std::vector<LibraryVersion> RpcVersions() {
  std::vector<LibraryVersion> versions = {
      {"gRPC", grpc::Version()},
      // It cannot be asked; but a library of another version ends the program at its start.
      {"protobuf", google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION)}};
  for (LibraryVersion& version : BaseVersions()) versions.push_back(version);
  return versions;
}

}  // namespace halving
