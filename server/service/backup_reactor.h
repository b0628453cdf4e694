// BackupReactor: one caller of Backup.
#ifndef HALVING_SERVER_SERVICE_BACKUP_REACTOR_H_
#define HALVING_SERVER_SERVICE_BACKUP_REACTOR_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/support/server_callback.h"
#include "halving/v1/admin.pb.h"
#include "server/access/access.h"
#include "server/engine/engine.h"

namespace halving {

// Waits for the engine's copy, then sends it part by part. At any time it either waits for the
// engine or for one write, so that only one of them can finish the call. It deletes itself, and
// with it the copy, when gRPC is done with it. Thread-safe as gRPC uses it.
class BackupReactor : public grpc::ServerWriteReactor<v1::BackupResponse> {
 public:
  // Ends at once with `caller`'s error.
  static BackupReactor* Start(Engine* engine, const Access* access,
                              const absl::StatusOr<Caller>& caller);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { delete this; }

 private:
  BackupReactor(Engine* engine, const Access* access, Caller caller)
      : engine_(engine), access_(access), caller_(std::move(caller)) {}
  ~BackupReactor() override;

  void Send(absl::StatusOr<Engine::Backup> backup);
  absl::Status Open();
  void SendNext();

  Engine* const engine_;
  const Access* const access_;
  const Caller caller_;
  const Engine::Gone gone_ = Engine::NewGone();
  Engine::Backup backup_;
  int fd_ = -1;
  v1::BackupResponse response_;
};

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_BACKUP_REACTOR_H_
