#include "bench/load/echo_server.h"

#include <string>

#include "bench/load/echo.grpc.pb.h"
#include "bench/serve_bare.h"
#include "common/open_files.h"
#include "grpcpp/grpcpp.h"

namespace halving {
namespace {

class HeldReactor : public grpc::ServerUnaryReactor {
 public:
  void OnCancel() override { Finish(grpc::Status::CANCELLED); }
  void OnDone() override { delete this; }
};

class EchoServiceImpl : public bench::EchoService::CallbackService {
 public:
  grpc::ServerUnaryReactor* Echo(grpc::CallbackServerContext* context,
                                 const bench::EchoRequest* request,
                                 bench::EchoResponse* response) override {
    if (request->held()) return new HeldReactor;
    response->mutable_payload()->resize(static_cast<size_t>(request->reply_bytes()));
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

}  // namespace

absl::Status ServeEcho() {
  RaiseOpenFilesLimit();
  EchoServiceImpl service;
  return ServeBareService(&service);
}

}  // namespace halving
