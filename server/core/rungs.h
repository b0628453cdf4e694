// RungTable: what stands at each level of each group of rungs.
#ifndef HALVING_SERVER_CORE_RUNGS_H_
#define HALVING_SERVER_CORE_RUNGS_H_

#include <cstdint>
#include <vector>

#include "absl/container/btree_map.h"
#include "server/core/error_summary.h"
#include "server/core/events.h"
#include "server/core/standings.h"

namespace halving {

// One level of one group.
struct Level {
  int64_t queued = 0;
  int64_t running = 0;
  std::vector<TrialId> outcomes;  // Reported or failed for good, since it last closed.
  Standings standings;            // Under policies whose levels never close.
  int64_t reported = 0;           // Ever; diverged ones included.
  int64_t failed = 0;             // Ever, for good.
  int64_t promoted = 0;           // Ever.
  ErrorSummary errors;            // Ever reported, the finite ones.

  bool Busy() const { return queued > 0 || running > 0 || !outcomes.empty(); }
  int64_t Pending() const { return queued + running + static_cast<int64_t>(outcomes.size()); }
};

using Levels = std::vector<Level>;  // By rung.

// RungTable counts; it decides nothing. Groups of one round (round > 0) that nothing stands in any
// more are folded into one sum, so that it does not grow with the rounds.
//
// Thread-compatible: its Study owns it.
class RungTable {
 public:
  explicit RungTable(int rungs) : rungs_(rungs), closed_(rungs) {}

  // Made when it is not there yet.
  Levels& Group(GroupKey key) {
    Levels& levels = groups_[key];
    levels.resize(rungs_);
    return levels;
  }

  // Folds the group away if it is one round's and empty.
  void FoldIfDone(GroupKey key);

  const absl::btree_map<GroupKey, Levels>& groups() const { return groups_; }
  const Levels& closed() const { return closed_; }  // The sum over folded groups.

 private:
  int rungs_;
  absl::btree_map<GroupKey, Levels> groups_;
  Levels closed_;
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_RUNGS_H_
