// HistoryChecker: holds a run of the scheduler against the rules, told a second time.
#ifndef HALVING_TESTS_SUPPORT_HISTORY_CHECKER_H_
#define HALVING_TESTS_SUPPORT_HISTORY_CHECKER_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "server/core/events.h"
#include "server/core/ladder.h"
#include "server/core/scheduler.h"
#include "server/core/search_space.h"
#include "server/core/spec.h"

namespace halving {

// HistoryChecker reads the events of a run in their order and finds the first that breaks a rule.
// It keeps its own count of trials, rungs and limits, which shares no code with Study, and applies
// each event to a scheduler of its own, whose invariants must hold after every single one.
//
// Thread-compatible.
class HistoryChecker {
 public:
  // Whether the shadow's own invariants, which cost as much as the whole state, are looked at after
  // every event, or only the events.
  enum class Depth { kInvariants, kEventsOnly };
  explicit HistoryChecker(Depth depth = Depth::kInvariants) : depth_(depth) {}

  // INTERNAL, saying what the event broke.
  absl::Status Check(const Event& event);
  absl::Status CheckAll(const std::vector<Event>& events);

  // What the events alone have made.
  std::string DebugString() const { return shadow_.DebugString(); }

 private:
  struct TrialRecord {
    int rung = 0;
    int32_t attempts = 0;
    bool running = false;
    bool failed = false;                    // For good.
    absl::btree_map<int, double> errors;    // By rung.
    absl::btree_map<int, int64_t> charged;  // By rung: epochs at the first hand-out.
    GroupKey group;
  };
  struct StudyRecord {
    StudySpec spec;
    RungLadder ladder;
    SearchSpace space;
    StudyState state = StudyState::kRunning;
    std::vector<TrialRecord> trials;
    absl::btree_map<std::pair<GroupKey, int>, std::vector<TrialId>> outcomes;
  };

  absl::Status CheckOne(const StudyCreated& event);
  absl::Status CheckOne(const StudyPaused& event);
  absl::Status CheckOne(const StudyResumed& event);
  absl::Status CheckOne(const StudyEnded& event);
  absl::Status CheckOne(const StudyExtended& event);
  absl::Status CheckOne(const StudyDeleted& event);
  absl::Status CheckOne(const TrialSampled& event);
  absl::Status CheckOne(const TrialLeased& event);
  absl::Status CheckOne(const AttemptFailed& event);
  absl::Status CheckOne(const AttemptReturned& event);
  absl::Status CheckOne(const TrialProgressed& event);
  absl::Status CheckOne(const TrialReported& event);
  absl::Status CheckOne(const RungClosed& event);
  template <typename Other>
  absl::Status CheckOne(const Other&) {
    return absl::OkStatus();
  }
  absl::Status CheckLimits(const StudyRecord& study) const;
  // How many of the outcomes' best must go on: at least, and at most.
  std::pair<int64_t, int64_t> Promotions(const StudyRecord& study, const RungClosed& event,
                                         int64_t outcomes, int64_t finite) const;

  const Depth depth_;
  absl::btree_map<StudyUid, StudyRecord> studies_;
  Scheduler shadow_;
};

}  // namespace halving

#endif  // HALVING_TESTS_SUPPORT_HISTORY_CHECKER_H_
