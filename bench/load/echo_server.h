// A bare gRPC server: what halving-server is compared with.
#ifndef HALVING_BENCH_LOAD_ECHO_SERVER_H_
#define HALVING_BENCH_LOAD_ECHO_SERVER_H_

#include "absl/status/status.h"

namespace halving {

// Serves EchoService by gRPC's callback API, as ServeBareService() says.
absl::Status ServeEcho();

}  // namespace halving

#endif  // HALVING_BENCH_LOAD_ECHO_SERVER_H_
