// HistoryChecker: holds a run of the scheduler against the rules, told a second time.
#ifndef HALVING_TESTS_SUPPORT_HISTORY_CHECKER_H_
#define HALVING_TESTS_SUPPORT_HISTORY_CHECKER_H_

#include <cstdint>
#include <limits>
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
  using Sizes = std::vector<int64_t>;  // Of one bracket, by rung; 0 below its first.
  // Of a rung that never closes.
  struct OpenRung {
    int64_t outcomes = 0;
    int64_t promoted = 0;
    std::set<std::pair<double, TrialId>> errors;   // The finite ones.
    std::set<std::pair<double, TrialId>> waiting;  // Those of them that were not promoted.
  };
  struct StudyRecord {
    StudySpec spec;
    RungLadder ladder;
    SearchSpace space;
    std::vector<Sizes> brackets;  // By the rung at which they begin.
    int64_t round_size = 0;
    int64_t configs = 0;  // Of a small finite space; else 0.
    StudyState state = StudyState::kRunning;
    std::vector<TrialRecord> trials;
    std::set<Config> handed_out;
    std::vector<int64_t> begun;  // In this round, by bracket.
    absl::btree_map<std::pair<GroupKey, int>, std::vector<TrialId>> outcomes;
    absl::btree_map<int, OpenRung> open;
    double best_at_top = std::numeric_limits<double>::infinity();
    int64_t since_best = 0;  // Trials at the top since one of them was that.
  };

  static bool IsAsha(const StudyRecord& study) {
    return study.spec.policy == PolicyKind::kAsha || study.spec.policy == PolicyKind::kDelayedAsha;
  }
  static std::vector<Sizes> BracketsOf(const StudySpec& spec, const RungLadder& ladder);
  static int64_t CountDistinct(const SearchSpace& space);

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
  absl::Status CheckOne(const TrialPromoted& event);
  template <typename Other>
  absl::Status CheckOne(const Other&) {
    return absl::OkStatus();
  }
  absl::Status CheckLimits(const StudyRecord& study) const;
  absl::Status CheckPlacement(StudyRecord& study, const TrialSampled& event) const;
  absl::Status CheckConfig(const StudyRecord& study, const TrialSampled& event) const;
  // A result below the top, or a failure for good (NaN).
  static void AddOutcome(StudyRecord& study, TrialId id, double error);
  // How many of the outcomes' best must go on: at least, and at most.
  std::pair<int64_t, int64_t> Promotions(const StudyRecord& study, const RungClosed& event,
                                         int64_t outcomes, int64_t finite) const;

  const Depth depth_;
  absl::btree_map<StudyUid, StudyRecord> studies_;
  Scheduler shadow_;
};

}  // namespace halving

#endif  // HALVING_TESTS_SUPPORT_HISTORY_CHECKER_H_
