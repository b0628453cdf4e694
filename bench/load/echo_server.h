// A bare gRPC server: what halving-server is compared with.
#ifndef HALVING_BENCH_LOAD_ECHO_SERVER_H_
#define HALVING_BENCH_LOAD_ECHO_SERVER_H_

#include "absl/status/status.h"

namespace halving {

// Serves EchoService by gRPC's callback API on a free port of 127.0.0.1, until a signal ends the
// process. Says "listening on HOST:PORT," on stderr. Returns only if it cannot serve.
absl::Status ServeEcho();

}  // namespace halving

#endif  // HALVING_BENCH_LOAD_ECHO_SERVER_H_
