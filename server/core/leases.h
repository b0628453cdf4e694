// LeaseTable: when each open lease ends, and which worker holds it.
#ifndef HALVING_SERVER_CORE_LEASES_H_
#define HALVING_SERVER_CORE_LEASES_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/time/time.h"
#include "server/core/events.h"

namespace halving {

// LeaseTable is an index over the running trials of all studies; what a lease says otherwise stands
// in its trial. It reads no clock. Due order is (deadline, study, trial), never hash order.
//
// Thread-compatible: the Scheduler owns the only instance.
class LeaseTable {
 public:
  using Key = std::pair<StudyUid, TrialId>;

  // Adds a lease, or moves the deadline of the one that the trial has.
  void Set(Key key, const std::string& worker, absl::Time deadline);

  // Removes a lease, if the trial has one.
  void Erase(Key key);

  // The lease that ended first, if any has a deadline at or before `now`. It stays in the table:
  // expiry is an event, and only Scheduler::Apply() removes it.
  std::optional<Key> FirstDue(absl::Time now) const;

  // When the next lease ends; InfiniteFuture() when there is none.
  absl::Time NextDeadline() const;

  // Moves every deadline, when no time passed for the workers' reports.
  void Postpone(absl::Duration by);

  bool Contains(Key key) const { return leases_.contains(key); }
  // In order of their keys; valid until the table changes.
  const std::vector<Key>& HeldBy(const std::string& worker) const;
  bool IsHolder(const std::string& worker) const { return by_worker_.contains(worker); }
  // The studies that have leases, in order.
  std::vector<StudyUid> Studies() const;
  int64_t size() const { return static_cast<int64_t>(leases_.size()); }

 private:
  struct Held {
    std::string worker;
    absl::Time deadline;
  };
  absl::btree_map<Key, Held> leases_;
  absl::btree_set<std::pair<absl::Time, Key>> by_deadline_;
  absl::btree_map<std::string, std::vector<Key>> by_worker_;  // Those that hold one; mostly one.
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_LEASES_H_
