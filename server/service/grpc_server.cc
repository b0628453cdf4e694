#include "server/service/grpc_server.h"

#include <unistd.h>

#include <utility>

#include "common/check.h"
#include "common/clock.h"
#include "common/status.h"
#include "grpc/health/v1/health.pb.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/health_check_service_interface.h"
#include "server/service/call_counter.h"
#include "server/service/connection_limit.h"
#include "server/service/guarded_credentials.h"

namespace halving {
namespace {

// Workers ping each 20 s; a server that allows fewer pings would cut them off.
constexpr int kMinPingIntervalMs = 5'000;
constexpr int kKeepaliveTimeMs = 30'000;
constexpr int kKeepaliveTimeoutMs = 10'000;

void SetChannelArguments(grpc::ServerBuilder& builder) {
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kMinPingIntervalMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // Also on a stream on which nothing is said for hours.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTimeMs);
  // Checkpoints come in large frames.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, 1 << 20);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
}

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(const std::string& listen,
                                                              const Parts& parts,
                                                              const std::string& secret) {
  HV_ASSIGN_OR_RETURN(std::unique_ptr<Listener> listener, Listener::Bind(listen));
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  // gRPC serves health without its descriptor; linked in, reflection finds it.
  HV_CHECK(grpc::health::v1::HealthCheckRequest::descriptor() != nullptr) << "no health.proto";
  auto server = std::unique_ptr<GrpcServer>(new GrpcServer(parts, secret));
  grpc::ServerBuilder builder;
  SetChannelArguments(builder);
  SetLimits(&builder);
  server->memory_limit_.emplace(&builder);
  server->acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      std::make_shared<GuardedCredentials>(parts.tls, parts.access));
  auto interceptors = CallCounters(parts.metrics);
  interceptors.push_back(server->probation_.EndAtCalls());
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  builder.RegisterService(&server->study_service_);
  builder.RegisterService(&server->worker_service_);
  builder.RegisterService(&server->checkpoint_service_);
  builder.RegisterService(&server->admin_service_);
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr) return absl::InternalError("gRPC cannot start its server");
  server->listener_ = std::move(listener);
  server->StartListener(parts.max_connections, parts.metrics);
  server->SetServing(true);
  return server;
}

void GrpcServer::StartListener(int max_connections, ServerMetrics* metrics) {
  const int most = max_connections > 0 ? max_connections : ConnectionLimit::Usual();
  listener_->Start([this, metrics, limit = ConnectionLimit(most, Clock::Real())](int listening_fd,
                                                                                 int fd) mutable {
    if (!limit.Admit(fd)) {
      metrics->CountRefusedConnection();
      close(fd);
      return;
    }
    memory_limit_->MakeRoomFor(limit.count());
    probation_.Begin(fd);
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.listener_fd = listening_fd;
    connection.fd = fd;
    acceptor_->HandleNewConnection(&connection);
  });
}

void GrpcServer::SetServing(bool serving) {
  grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService();
  health->SetServingStatus(serving);
  health->SetServingStatus(v1::StudyService::service_full_name(), serving);
  health->SetServingStatus(v1::WorkerService::service_full_name(), serving);
  health->SetServingStatus(v1::CheckpointService::service_full_name(), serving);
  health->SetServingStatus(v1::AdminService::service_full_name(), serving);
}

void GrpcServer::Shutdown(absl::Duration grace) {
  listener_->Stop();
  server_->GetHealthCheckService()->Shutdown();
  server_->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(grace));
}

}  // namespace halving
