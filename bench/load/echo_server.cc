#include "bench/load/echo_server.h"

#include <iostream>
#include <memory>
#include <string>

#include "bench/load/echo.grpc.pb.h"
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
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return absl::InternalError("gRPC cannot start its server");
  std::cerr << "listening on 127.0.0.1:" << port << "," << std::endl;
  server->Wait();
  return absl::InternalError("the bare server ended by itself");
}

}  // namespace halving
