// BackupReactor: one caller of Backup.
#ifndef HALVING_SERVER_SERVICE_BACKUP_REACTOR_H_
#define HALVING_SERVER_SERVICE_BACKUP_REACTOR_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/support/server_callback.h"
#include "halving/v1/admin.pb.h"
#include "server/engine/engine.h"

namespace halving {

// Waits for the engine's copy, then sends it part by part. At any time it either waits for the
// engine or for one write, so that only one of them can finish the call. It deletes itself, and
// with it the copy, when gRPC is done with it. Thread-safe as gRPC uses it.
class BackupReactor : public grpc::ServerWriteReactor<v1::BackupResponse> {
 public:
  // Ends at once when the caller was not `admitted`.
  static BackupReactor* Start(Engine* engine, const absl::Status& admitted);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { delete this; }

 private:
  explicit BackupReactor(Engine* engine) : engine_(engine) {}
  ~BackupReactor() override;

  void Send(absl::StatusOr<Engine::Backup> backup);
  absl::Status Open();
  void SendNext();

  Engine* const engine_;
  const Engine::Gone gone_ = Engine::NewGone();
  Engine::Backup backup_;
  int fd_ = -1;
  v1::BackupResponse response_;
};

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_BACKUP_REACTOR_H_
