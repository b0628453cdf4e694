// GrpcServer: the services, health and reflection on one port.
#ifndef HALVING_SERVER_SERVICE_GRPC_SERVER_H_
#define HALVING_SERVER_SERVICE_GRPC_SERVER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "server/service/admin_service.h"
#include "server/service/checkpoint_service.h"
#include "server/service/listener.h"
#include "server/service/study_service.h"
#include "server/service/worker_service.h"

namespace halving {

// Serves an engine over gRPC. Thread-safe.
class GrpcServer {
 public:
  // Binds `listen` (host:port; port 0 picks one). The keeper, its engine and the logs are not owned
  // and must outlive it. INVALID_ARGUMENT: no host:port. UNAVAILABLE: the address cannot be bound.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(const std::string& listen,
                                                           CheckpointKeeper* keeper,
                                                           TrialLogs* logs,
                                                           const std::string& secret);

  // host:port as bound.
  const std::string& address() const { return listener_->address(); }

  // What the health service says, for "" and for each service.
  void SetServing(bool serving);

  // Refuses new calls and gives those under way up to `grace`. The engine must still run.
  void Shutdown(absl::Duration grace);

 private:
  GrpcServer(CheckpointKeeper* keeper, TrialLogs* logs, const std::string& secret)
      : study_service_(keeper->engine(), logs),
        worker_service_(keeper->engine(), logs, secret),
        checkpoint_service_(keeper, secret),
        admin_service_(keeper->engine()) {}

  StudyServiceImpl study_service_;
  WorkerServiceImpl worker_service_;
  CheckpointServiceImpl checkpoint_service_;
  AdminServiceImpl admin_service_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Listener> listener_;  // Ends before what it hands connections to.
};

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_GRPC_SERVER_H_
