// A bare gRPC server, for a measurement to compare with.
#ifndef HALVING_BENCH_SERVE_BARE_H_
#define HALVING_BENCH_SERVE_BARE_H_

#include <iostream>
#include <memory>

#include "absl/status/status.h"
#include "grpcpp/grpcpp.h"

namespace halving {

// Serves it on a free port of 127.0.0.1, until a signal ends the process. Says "listening on
// HOST:PORT," on stderr. Returns only if it cannot serve.
inline absl::Status ServeBareService(grpc::Service* service) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return absl::InternalError("gRPC cannot start its server");
  std::cerr << "listening on 127.0.0.1:" << port << "," << std::endl;
  server->Wait();
  return absl::InternalError("the bare server ended by itself");
}

}  // namespace halving

#endif  // HALVING_BENCH_SERVE_BARE_H_
