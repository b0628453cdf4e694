// AdminService: what the operator of a server calls.
#ifndef HALVING_SERVER_SERVICE_ADMIN_SERVICE_H_
#define HALVING_SERVER_SERVICE_ADMIN_SERVICE_H_

#include "halving/v1/admin.grpc.pb.h"
#include "server/engine/engine.h"
#include "server/service/backup_reactor.h"

namespace halving {

// Thread-safe.
class AdminServiceImpl : public v1::AdminService::CallbackService {
 public:
  // Not owned; must outlive the gRPC server.
  explicit AdminServiceImpl(Engine* engine) : engine_(engine) {}

  grpc::ServerWriteReactor<v1::BackupResponse>* Backup(grpc::CallbackServerContext*,
                                                       const v1::BackupRequest*) override {
    return BackupReactor::Start(engine_);
  }

 private:
  Engine* const engine_;
};

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_ADMIN_SERVICE_H_
