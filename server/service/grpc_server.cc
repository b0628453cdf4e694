#include "server/service/grpc_server.h"

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "grpc/health/v1/health.pb.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/health_check_service_interface.h"

namespace halving {
namespace {

// Workers ping each 20 s; a server that allows fewer pings would cut them off.
constexpr int kMinPingIntervalMs = 5'000;
constexpr int kKeepaliveTimeMs = 30'000;
constexpr int kKeepaliveTimeoutMs = 10'000;

void SetChannelArguments(grpc::ServerBuilder& builder) {
  // Without this a second server shares the port silently, and each gets half of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kMinPingIntervalMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // Also on a stream on which nothing is said for hours.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTimeMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
}

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(const std::string& listen,
                                                              Engine* engine, std::string secret) {
  const size_t colon = listen.rfind(':');
  if (colon == std::string::npos || colon + 1 == listen.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--listen is \"", listen, "\"; it must be HOST:PORT, such as 127.0.0.1:7070"));
  }
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  // gRPC serves health without its descriptor; linked in, reflection finds it.
  HV_CHECK(grpc::health::v1::HealthCheckRequest::descriptor() != nullptr) << "no health.proto";
  auto server = std::unique_ptr<GrpcServer>(new GrpcServer(engine, std::move(secret)));
  grpc::ServerBuilder builder;
  SetChannelArguments(builder);
  int port = 0;
  builder.AddListeningPort(listen, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&server->study_service_);
  builder.RegisterService(&server->worker_service_);
  builder.RegisterService(&server->admin_service_);
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr || port == 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", listen,
                     ": the port is in use, or the address is not of this machine. Stop the other "
                     "server, or choose another --listen"));
  }
  server->address_ = absl::StrCat(listen.substr(0, colon), ":", port);
  server->SetServing(true);
  return server;
}

void GrpcServer::SetServing(bool serving) {
  grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService();
  health->SetServingStatus(serving);
  health->SetServingStatus(v1::StudyService::service_full_name(), serving);
  health->SetServingStatus(v1::WorkerService::service_full_name(), serving);
  health->SetServingStatus(v1::AdminService::service_full_name(), serving);
}

void GrpcServer::Shutdown(absl::Duration grace) {
  server_->GetHealthCheckService()->Shutdown();
  server_->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(grace));
}

}  // namespace halving
