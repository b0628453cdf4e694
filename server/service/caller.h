// Who makes a call, for the services: they are also reached from within the process, past the
// credentials of the port.
#ifndef HALVING_SERVER_SERVICE_CALLER_H_
#define HALVING_SERVER_SERVICE_CALLER_H_

#include "absl/status/statusor.h"
#include "grpcpp/server_context.h"
#include "server/access/access.h"

namespace halving {

// UNAUTHENTICATED: the token is missing, or was revoked a moment ago. PERMISSION_DENIED: `path` is
// not for its role.
inline absl::StatusOr<Caller> CallerOf(const Access& access,
                                       const grpc::CallbackServerContext& context,
                                       absl::string_view path) {
  if (!access.needs_tokens()) return Caller{};
  const auto& metadata = context.client_metadata();
  const auto header = metadata.find("authorization");
  absl::StatusOr<Caller> caller = access.Identify(
      header == metadata.end() ? absl::string_view()
                               : absl::string_view(header->second.data(), header->second.size()));
  if (!caller.ok()) return caller;
  const absl::Status may = Access::MayCall(*caller, path);
  if (!may.ok()) return may;
  return caller;
}

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_CALLER_H_
