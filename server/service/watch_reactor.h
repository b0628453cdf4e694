// WatchReactor: one caller of WatchStatus.
#ifndef HALVING_SERVER_SERVICE_WATCH_REACTOR_H_
#define HALVING_SERVER_SERVICE_WATCH_REACTOR_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "grpcpp/support/server_callback.h"
#include "halving/v1/study.pb.h"
#include "server/access/access.h"
#include "server/engine/engine.h"

namespace halving {

// Writes a status at once and after each change, and ends with the study. At any time it either
// waits for the engine or for one write, so that only one of them can finish the call. It deletes
// itself when gRPC is done with it. Thread-safe as gRPC uses it.
class WatchReactor : public grpc::ServerWriteReactor<v1::StudyStatus> {
 public:
  // Ends at once with `caller`'s error.
  static WatchReactor* Start(Engine* engine, const Access* access,
                             const absl::StatusOr<Caller>& caller,
                             const v1::WatchStatusRequest& request);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  WatchReactor(Engine* engine, const Access* access, Caller caller, std::string study,
               absl::Duration min_interval)
      : engine_(engine),
        access_(access),
        caller_(std::move(caller)),
        study_(std::move(study)),
        min_interval_(min_interval) {}

  void Wait();
  void Show(const absl::Status& status, const Engine::View& view);

  Engine* const engine_;
  const Access* const access_;
  const Caller caller_;
  const std::string study_;
  const absl::Duration min_interval_;
  const Engine::Gone gone_ = Engine::NewGone();
  StudyUid uid_ = 0;      // Once it is known.
  uint64_t version_ = 0;  // The one shown last; studies start above it.
  absl::Time earliest_ = absl::InfinitePast();
  bool ended_ = false;
  v1::StudyStatus status_;
};

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_WATCH_REACTOR_H_
