// AdminService: what the operator of a server calls.
#ifndef HALVING_SERVER_SERVICE_ADMIN_SERVICE_H_
#define HALVING_SERVER_SERVICE_ADMIN_SERVICE_H_

#include "halving/v1/admin.grpc.pb.h"
#include "server/access/access.h"
#include "server/engine/engine.h"

namespace halving {

// Thread-safe.
class AdminServiceImpl : public v1::AdminService::CallbackService {
 public:
  // Neither is owned; both must outlive the gRPC server.
  AdminServiceImpl(Engine* engine, Access* access) : engine_(engine), access_(access) {}

  grpc::ServerWriteReactor<v1::BackupResponse>* Backup(grpc::CallbackServerContext* context,
                                                       const v1::BackupRequest* request) override;
  // A change waits for the disk on gRPC's thread: tokens are seldom made.
  grpc::ServerUnaryReactor* CreateToken(grpc::CallbackServerContext* context,
                                        const v1::CreateTokenRequest* request,
                                        v1::CreateTokenResponse* response) override;
  grpc::ServerUnaryReactor* ListTokens(grpc::CallbackServerContext* context,
                                       const v1::ListTokensRequest* request,
                                       v1::ListTokensResponse* response) override;
  grpc::ServerUnaryReactor* RevokeToken(grpc::CallbackServerContext* context,
                                        const v1::RevokeTokenRequest* request,
                                        v1::RevokeTokenResponse* response) override;

 private:
  absl::StatusOr<Caller> Admit(grpc::CallbackServerContext* context,
                               absl::string_view method) const;

  Engine* const engine_;
  Access* const access_;
};

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_ADMIN_SERVICE_H_
