// WorkerService: what workers call.
#ifndef HALVING_SERVER_SERVICE_WORKER_SERVICE_H_
#define HALVING_SERVER_SERVICE_WORKER_SERVICE_H_

#include "halving/v1/worker.grpc.pb.h"
#include "server/access/access.h"
#include "server/engine/engine.h"
#include "server/metrics/server_metrics.h"
#include "server/service/lease_id.h"
#include "server/store/trial_logs.h"

namespace halving {

// Checks the shape of requests, posts them to the engine and translates what it answers; no state
// of its own but the key of the lease ids. Thread-safe.
class WorkerServiceImpl : public v1::WorkerService::CallbackService {
 public:
  // None is owned; all must outlive the gRPC server.
  WorkerServiceImpl(Engine* engine, TrialLogs* logs, ServerMetrics* metrics, const Access* access,
                    absl::string_view secret)
      : engine_(engine),
        logs_(logs),
        lease_ids_(secret),
        metrics_(metrics),
        access_(access),
        suggests_(metrics->Of("Suggest")),
        reports_(metrics->Of("Report")) {}

  grpc::ServerUnaryReactor* Suggest(grpc::CallbackServerContext* context,
                                    const v1::SuggestRequest* request,
                                    v1::SuggestResponse* response) override;
  grpc::ServerUnaryReactor* Report(grpc::CallbackServerContext* context,
                                   const v1::ReportRequest* request,
                                   v1::ReportResponse* response) override;

 private:
  void Show(const Engine::Reply& reply, absl::Duration wait, v1::SuggestResponse* response) const;
  // Whether the caller's token ended while the ask waited. What it got is then given back.
  absl::Status Withdraw(const Caller& caller, const Engine::Reply& reply) const;
  // An ask that was answered after so long.
  void CountAsk(const absl::StatusOr<Engine::Reply>& reply, absl::Duration took) const;

  Engine* const engine_;
  TrialLogs* const logs_;
  const LeaseIds lease_ids_;
  ServerMetrics* const metrics_;
  const Access* const access_;
  CallMetrics* const suggests_;
  CallMetrics* const reports_;
};

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_WORKER_SERVICE_H_
