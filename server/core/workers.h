// WorkerTable: the worker processes that have been seen, and which of them owns each worker id.
#ifndef HALVING_SERVER_CORE_WORKERS_H_
#define HALVING_SERVER_CORE_WORKERS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/core/busy_share.h"
#include "server/core/events.h"
#include "server/core/leases.h"
#include "server/core/spec.h"

namespace halving {

// A worker's name: one that came with the token of an owner is "OWNER/NAME", so that no two teams'
// workers are taken for one.
std::string WorkerName(const Scope& owner, const std::string& name);
// Empty: it is nobody's.
absl::string_view OwnerOfWorker(absl::string_view worker);

struct WorkerInfo {
  std::string incarnation;              // Of the process that owns the id now; may be empty.
  std::vector<std::string> superseded;  // Of those that owned it before, oldest first.
  std::string host;
  std::string device;
  std::vector<std::string> objectives;  // None: any.
  absl::Time last_seen;
  absl::Time idle_since;        // Since its last lease ended, or it was first seen.
  int64_t trials_finished = 0;  // Results counted.
  int64_t leases_lost = 0;
  BusyShare busy;  // But for the lease that it holds now.
};

// WorkerTable forgets a worker after a day without a sign of life. Thread-compatible: the
// Scheduler owns the only instance.
class WorkerTable {
 public:
  void Start(const WorkerStarted& event);
  void See(const WorkerSeen& event);
  // A sign of life by a report of what it holds.
  void SeeAt(const std::string& worker, absl::Time now);
  void CountFinished(const std::string& worker, absl::Time now);
  void CountLost(const std::string& worker, absl::Time now);
  // It held a trial from `start` until now.
  void CountBusy(const std::string& worker, absl::Time start, absl::Time now);
  // Its study ended: no sign of life of the worker.
  void CloseLease(const std::string& worker, absl::Time now);
  // A lease ended otherwise.
  void MarkIdle(const std::string& worker, absl::Time now);
  void ForgetUnseen(absl::Time now, const LeaseTable& leases);

  // nullptr when it was not seen.
  const WorkerInfo* Find(const std::string& worker) const;
  bool IsSuperseded(const std::string& worker, const std::string& incarnation) const;
  const absl::btree_map<std::string, WorkerInfo>& all() const { return workers_; }
  // Seen within the last minute, as a long poll is shorter; or with a lease, whose heartbeats may
  // be further apart.
  static bool IsConnected(const std::string& worker, const WorkerInfo& info, absl::Time now,
                          const LeaseTable& leases);
  int64_t Connected(absl::Time now, const LeaseTable& leases) const;

 private:
  // It may have been away since it was last seen.
  void ComeBack(WorkerInfo& info, absl::Time now);
  void Touch(WorkerInfo& info, absl::Time now);
  void BeIdleSince(WorkerInfo& info, absl::Time now);

  absl::btree_map<std::string, WorkerInfo> workers_;
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_WORKERS_H_
