// Counts and times every call of the contract but the two that workers make all the time.
#ifndef HALVING_SERVER_SERVICE_CALL_COUNTER_H_
#define HALVING_SERVER_SERVICE_CALL_COUNTER_H_

#include <memory>
#include <vector>

#include "grpcpp/support/server_interceptor.h"
#include "server/metrics/server_metrics.h"

namespace halving {

// For grpc::ServerBuilder. WorkerService counts its own calls, since it knows which of them waited,
// and an interceptor would cost them. `metrics` is not owned and must outlive the server.
std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> CallCounters(
    ServerMetrics* metrics);

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_CALL_COUNTER_H_
