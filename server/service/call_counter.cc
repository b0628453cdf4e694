#include "server/service/call_counter.h"

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "common/clock.h"

namespace halving {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::Interceptor;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerRpcInfo;

class CallCounter : public Interceptor {
 public:
  CallCounter(CallMetrics* metrics, bool timed)
      : metrics_(metrics), timed_(timed), start_(Clock::Real()->Now()) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      metrics_->Count(static_cast<absl::StatusCode>(methods->GetSendStatus().error_code()));
      if (timed_) metrics_->Time(Clock::Real()->Now() - start_);
    }
    methods->Proceed();
  }

 private:
  CallMetrics* const metrics_;
  const bool timed_;
  const absl::Time start_;
};

class CallCounterFactory : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit CallCounterFactory(ServerMetrics* metrics) : metrics_(metrics) {}

  // Methods come as "/halving.v1.StudyService/GetStatus"; health and reflection are not ours.
  Interceptor* CreateServerInterceptor(ServerRpcInfo* info) override {
    const absl::string_view method = info->method();
    if (!absl::StartsWith(method, "/halving.v1.") ||
        absl::StartsWith(method, "/halving.v1.WorkerService/")) {
      return nullptr;
    }
    const bool timed = info->type() == ServerRpcInfo::Type::UNARY;
    return new CallCounter(metrics_->Of(std::string(method.substr(method.rfind('/') + 1))), timed);
  }

 private:
  ServerMetrics* const metrics_;
};

}  // namespace

std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> CallCounters(
    ServerMetrics* metrics) {
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> factories;
  factories.push_back(std::make_unique<CallCounterFactory>(metrics));
  return factories;
}

}  // namespace halving
