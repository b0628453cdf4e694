#include "server/service/call_counter.h"

#include <functional>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/clock.h"
#include "google/protobuf/descriptor.h"

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
  // The methods of the contract, by their paths: what else somebody may call has no series.
  explicit CallCounterFactory(ServerMetrics* metrics) {
    const google::protobuf::DescriptorPool& pool =
        *google::protobuf::DescriptorPool::generated_pool();
    for (const std::string service : {"StudyService", "CheckpointService", "AdminService"}) {
      const auto* descriptor = pool.FindServiceByName(absl::StrCat("halving.v1.", service));
      HV_CHECK(descriptor != nullptr) << service;
      for (int i = 0; i < descriptor->method_count(); ++i) {
        const std::string& method = descriptor->method(i)->name();
        calls_[absl::StrCat("/halving.v1.", service, "/", method)] = metrics->Of(method);
      }
    }
  }

  Interceptor* CreateServerInterceptor(ServerRpcInfo* info) override {
    const auto call = calls_.find(info->method());
    if (call == calls_.end()) return nullptr;
    return new CallCounter(call->second, info->type() == ServerRpcInfo::Type::UNARY);
  }

 private:
  std::map<std::string, CallMetrics*, std::less<>> calls_;
};

}  // namespace

std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> CallCounters(
    ServerMetrics* metrics) {
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> factories;
  factories.push_back(std::make_unique<CallCounterFactory>(metrics));
  return factories;
}

}  // namespace halving
