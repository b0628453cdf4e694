// Heartbeat: keeps one lease alive while its trial is trained.
#ifndef HALVING_WORKER_AGENT_HEARTBEAT_H_
#define HALVING_WORKER_AGENT_HEARTBEAT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "halving/v1/worker.pb.h"
#include "worker/agent/backoff.h"
#include "worker/agent/patience.h"
#include "worker/agent/server_client.h"
#include "worker/agent/trainer_log.h"
#include "worker/agent/wake_event.h"

namespace halving {

// Heartbeat reports Progress from a thread of its own at a third of the lease: the curve points
// that the server has not acknowledged yet, the newest checkpoint, and what the trainer printed for
// people. A server that is away delays reports, never the training.
//
// Thread-safe. The final report is sent after Stop(), so that a Progress never races it.
class Heartbeat {
 public:
  // Starts the thread. `client` is not owned.
  Heartbeat(ServerClient* client, const v1::Assignment& assignment);

  // Stops.
  ~Heartbeat();

  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

  // The first point is reported soon, for people who look at the curve; the others with the beat.
  void AddPoint(int64_t epoch, double error) ABSL_LOCKS_EXCLUDED(mu_);
  // The server has this checkpoint; a report soon names it, with the points up to its epoch.
  void SetCheckpoint(const std::string& id, int64_t epoch) ABSL_LOCKS_EXCLUDED(mu_);

  // A line of the trainer's for people. It goes with the beat, or sooner when there are many.
  void AddLine(absl::string_view line) ABSL_LOCKS_EXCLUDED(mu_);

  // Set once the server has said that the lease is over: the work is to be dropped.
  const WakeEvent& lost() const { return lost_; }
  std::string lost_why() const ABSL_LOCKS_EXCLUDED(mu_);

  // Ends the thread. A report in flight has two seconds to be answered.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

  // After Stop(): one last try to report what is not acknowledged, if there is any, for a final
  // report that cannot carry it.
  void Flush() ABSL_LOCKS_EXCLUDED(mu_);

  // After Stop(): the points that the server has not acknowledged, oldest first.
  std::vector<v1::CurvePoint> unacknowledged() const ABSL_LOCKS_EXCLUDED(mu_);
  // The same of the trainer's lines; none when there are none.
  std::optional<v1::TrainerLog> unacknowledged_log() const { return log_.Unacknowledged(); }

 private:
  struct Checkpoint {
    std::string id;
    int64_t epoch = 0;
  };

  void Loop() ABSL_LOCKS_EXCLUDED(mu_);
  bool AwaitDue() ABSL_LOCKS_EXCLUDED(mu_);  // False: stopped.
  void ReportSoon() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  v1::ReportRequest MakeProgress() ABSL_LOCKS_EXCLUDED(mu_);
  void Settle(const v1::ReportRequest& sent, const absl::StatusOr<v1::ReportResponse>& result)
      ABSL_LOCKS_EXCLUDED(mu_);

  ServerClient* const client_;  // Not owned.
  const std::string lease_id_;
  const std::string name_;  // For the log.
  const absl::Duration interval_;

  TrainerLogBuffer log_;
  WakeEvent lost_;
  WakeEvent quit_;
  mutable Mutex mu_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  int64_t last_point_ ABSL_GUARDED_BY(mu_) = 0;  // Its epoch; 0: none came yet.
  std::string lost_why_ ABSL_GUARDED_BY(mu_);
  std::vector<v1::CurvePoint> points_ ABSL_GUARDED_BY(mu_);  // Not acknowledged.
  Checkpoint checkpoint_ ABSL_GUARDED_BY(mu_);               // The newest.
  std::string acknowledged_checkpoint_ ABSL_GUARDED_BY(mu_);
  absl::Time last_sent_ ABSL_GUARDED_BY(mu_);
  absl::Time due_ ABSL_GUARDED_BY(mu_);
  Backoff backoff_ ABSL_GUARDED_BY(mu_);

  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_HEARTBEAT_H_
