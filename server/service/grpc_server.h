// GrpcServer: the services, health and reflection on one port.
#ifndef HALVING_SERVER_SERVICE_GRPC_SERVER_H_
#define HALVING_SERVER_SERVICE_GRPC_SERVER_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/tls_files.h"
#include "grpcpp/channel.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "server/access/access.h"
#include "server/service/admin_service.h"
#include "server/service/checkpoint_service.h"
#include "server/service/grpc_limits.h"
#include "server/service/listener.h"
#include "server/service/probation.h"
#include "server/service/study_service.h"
#include "server/service/worker_service.h"

namespace halving {

// Serves an engine over gRPC. Thread-safe.
class GrpcServer {
 public:
  // None is owned; all, and the keeper's engine, must outlive the server.
  struct Parts {
    CheckpointKeeper* keeper = nullptr;
    TrialLogs* logs = nullptr;
    ServerMetrics* metrics = nullptr;
    Access* access = nullptr;
    TlsWatcher* tls = nullptr;  // Null: plaintext.
    int max_connections = 0;    // 0: as many as the limit of open files leaves room for.
  };

  // Binds `listen` (host:port; port 0 picks one). INVALID_ARGUMENT: no host:port. UNAVAILABLE: the
  // address cannot be bound.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(const std::string& listen,
                                                           const Parts& parts,
                                                           const std::string& secret);

  // host:port as bound.
  const std::string& address() const { return listener_->address(); }

  // Calls of this server from within the process.
  std::shared_ptr<grpc::Channel> InProcessChannel() { return server_->InProcessChannel({}); }

  // What the health service says, for "" and for each service.
  void SetServing(bool serving);

  // Refuses new calls and gives those under way up to `grace`. The engine must still run.
  void Shutdown(absl::Duration grace);

 private:
  // Hands those connections on to gRPC that there is room for.
  void StartListener(int max_connections, ServerMetrics* metrics);

  GrpcServer(const Parts& parts, const std::string& secret)
      : study_service_(parts.keeper->engine(), parts.logs, parts.access),
        worker_service_(parts.keeper->engine(), parts.logs, parts.metrics, parts.access, secret),
        checkpoint_service_(parts.keeper, parts.access, secret),
        admin_service_(parts.keeper->engine(), parts.access) {}

  StudyServiceImpl study_service_;
  WorkerServiceImpl worker_service_;
  CheckpointServiceImpl checkpoint_service_;
  AdminServiceImpl admin_service_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
  std::optional<MemoryLimit> memory_limit_;
  Probation probation_;
  std::unique_ptr<Listener> listener_;  // Ends before what it hands connections to.
};

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_GRPC_SERVER_H_
