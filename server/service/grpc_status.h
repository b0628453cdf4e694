// absl::Status to grpc::Status, and as a call's end: the one place where that happens.
#ifndef HALVING_SERVER_SERVICE_GRPC_STATUS_H_
#define HALVING_SERVER_SERVICE_GRPC_STATUS_H_

#include <string>

#include "absl/status/status.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "grpcpp/support/status.h"
#include "server/service/cut_text.h"

namespace halving {

// Messages travel as metadata, of which clients take 8 KiB, written with up to 3 bytes for one. A
// longer one would reach nobody, and take the code with it.
inline constexpr size_t kMaxMessageBytes = 2000;

// The codes are the same numbers by design of both libraries.
inline grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()),
          CutText(std::string(status.message()), kMaxMessageBytes)};
}

// Ends a call that needs nothing more.
inline grpc::ServerUnaryReactor* FinishWith(grpc::CallbackServerContext* context,
                                            const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(status));
  return reactor;
}

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_GRPC_STATUS_H_
