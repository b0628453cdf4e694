// Events: what the scheduler has decided, as facts. The journal keeps the durable ones, and replay
// applies them again without deciding anything, so that later rules cannot rewrite old studies.
#ifndef HALVING_SERVER_CORE_EVENTS_H_
#define HALVING_SERVER_CORE_EVENTS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "server/core/search_space.h"
#include "server/core/spec.h"

namespace halving {

using StudyUid = int64_t;  // From 1; never reused, also when a study was deleted.
using TrialId = int64_t;   // From 1 within a study, in sampling order.

enum class StudyState { kRunning = 1, kPaused = 2, kCompleted = 3, kStopped = 4, kFailed = 5 };

// A validation error after so many epochs.
struct CurvePoint {
  int64_t epoch = 0;
  double error = 0;
  friend bool operator==(const CurvePoint&, const CurvePoint&) = default;
};

// Sorted by name.
using Metrics = std::vector<std::pair<std::string, double>>;

// 16 bytes that stand for the content of a counted report; all zero for none.
struct Digest {
  uint64_t high = 0;
  uint64_t low = 0;
  friend bool operator==(const Digest&, const Digest&) = default;
};

// Which set of rungs a trial competes in.
struct GroupKey {
  int32_t bracket = 0;  // The rung that it begins at; above 0 only in Hyperband's.
  int64_t round = 0;    // Of a policy with rungs per round; 0 where rounds share them.
  friend auto operator<=>(const GroupKey&, const GroupKey&) = default;
};

// ---- studies

struct StudyCreated {
  StudyUid study = 0;
  StudySpec spec;  // Normalised, with its seed.
  absl::Time time;
  friend bool operator==(const StudyCreated&, const StudyCreated&) = default;
};

struct StudyPaused {
  StudyUid study = 0;
  absl::Duration running_time;  // In all, so far; as in the next ones.
  friend bool operator==(const StudyPaused&, const StudyPaused&) = default;
};

struct StudyResumed {
  StudyUid study = 0;
  absl::Time time;
  friend bool operator==(const StudyResumed&, const StudyResumed&) = default;
};

struct StudyEnded {
  StudyUid study = 0;
  StudyState state = StudyState::kCompleted;
  std::string reason;
  absl::Duration running_time;
  absl::Time time;
  friend bool operator==(const StudyEnded&, const StudyEnded&) = default;
};

// A COMPLETED study is RUNNING again, with its trials as they stood.
struct StudyExtended {
  StudyUid study = 0;
  Limits limits;  // All of them, as they now are.
  absl::Time time;
  friend bool operator==(const StudyExtended&, const StudyExtended&) = default;
};

struct StudyDeleted {
  StudyUid study = 0;
  friend bool operator==(const StudyDeleted&, const StudyDeleted&) = default;
};

struct RunningTimeCounted {
  StudyUid study = 0;
  absl::Duration running_time;
  absl::Time time;
  friend bool operator==(const RunningTimeCounted&, const RunningTimeCounted&) = default;
};

// ---- workers

// A process takes a worker id over.
struct WorkerStarted {
  std::string worker;
  std::string incarnation;
  absl::Time time;
  friend bool operator==(const WorkerStarted&, const WorkerStarted&) = default;
};

// ---- trials

struct TrialSampled {
  StudyUid study = 0;
  TrialId trial = 0;
  int64_t round = 0;
  GroupKey group;
  Config config;
  friend bool operator==(const TrialSampled&, const TrialSampled&) = default;
};

struct TrialLeased {
  StudyUid study = 0;
  TrialId trial = 0;
  int32_t attempt = 0;
  std::string worker;
  std::string incarnation;
  std::string request_id;
  int64_t from_epoch = 0;
  std::string checkpoint_id;
  absl::Time time;
  friend bool operator==(const TrialLeased&, const TrialLeased&) = default;
};

enum class FailureCause {
  kExpired = 1,
  kReplaced = 2,
  kReported = 3,
  kOutOfMemory = 4,  // Reported, too.
};

// An attempt ended without a result: the trial is queued again, or has failed for good.
struct AttemptFailed {
  StudyUid study = 0;
  TrialId trial = 0;
  int32_t attempt = 0;
  FailureCause cause = FailureCause::kExpired;
  std::string reason;
  bool final = false;
  Digest digest;  // Of the report; none for the other causes.
  absl::Time time;
  friend bool operator==(const AttemptFailed&, const AttemptFailed&) = default;
};

// A worker that leaves gave its trial back: no failure.
struct AttemptReturned {
  StudyUid study = 0;
  TrialId trial = 0;
  int32_t attempt = 0;
  std::string reason;
  std::string unusable_checkpoint_id;
  Digest digest;
  absl::Time time;
  friend bool operator==(const AttemptReturned&, const AttemptReturned&) = default;
};

// Failed or Returned came after the lease had expired: only the reason is new.
struct LateReasonRecorded {
  StudyUid study = 0;
  TrialId trial = 0;
  int32_t attempt = 0;
  std::string reason;
  std::string unusable_checkpoint_id;
  Digest digest;
  friend bool operator==(const LateReasonRecorded&, const LateReasonRecorded&) = default;
};

struct TrialProgressed {
  StudyUid study = 0;
  TrialId trial = 0;
  int32_t attempt = 0;
  std::vector<CurvePoint> points;
  std::string checkpoint_id;
  int64_t checkpoint_epoch = 0;
  bool revived = false;  // The lease had expired; its failure is taken back.
  absl::Time time;
  friend bool operator==(const TrialProgressed&, const TrialProgressed&) = default;
};

struct TrialReported {
  StudyUid study = 0;
  TrialId trial = 0;
  int32_t attempt = 0;
  double error = 0;
  std::vector<CurvePoint> points;
  Metrics metrics;
  std::string checkpoint_id;
  absl::Duration train_time;
  Digest digest;
  absl::Time time;
  friend bool operator==(const TrialReported&, const TrialReported&) = default;
};

// A checkpoint's bytes lie on the server. Nobody goes on from it until a report names it: only that
// brings the curve up to there.
struct CheckpointStored {
  StudyUid study = 0;
  TrialId trial = 0;
  int32_t attempt = 0;
  std::string checkpoint_id;
  int64_t epoch = 0;
  int64_t bytes = 0;
  std::string sha256;  // 32 bytes.
  friend bool operator==(const CheckpointStored&, const CheckpointStored&) = default;
};

// Its bytes are not on the server any more.
struct CheckpointLost {
  StudyUid study = 0;
  TrialId trial = 0;
  std::string checkpoint_id;
  friend bool operator==(const CheckpointLost&, const CheckpointLost&) = default;
};

struct RungClosed {
  StudyUid study = 0;
  GroupKey group;
  int rung = 0;
  std::vector<TrialId> promoted;    // Best first.
  std::vector<TrialId> eliminated;  // The other outcomes, failed trials included.
  bool drained = false;             // Closed before it was full, near a limit.
  friend bool operator==(const RungClosed&, const RungClosed&) = default;
};

// A trial goes on to the next rung, by itself.
struct TrialPromoted {
  StudyUid study = 0;
  TrialId trial = 0;
  bool drained = false;  // Its rung owed it to nobody but the end of the study.
  friend bool operator==(const TrialPromoted&, const TrialPromoted&) = default;
};

// ---- what stays in memory: no promise that was given depends on it

struct WorkerSeen {
  std::string worker;
  std::string incarnation;
  std::string host;
  std::string device;
  std::vector<std::string> objectives;
  absl::Time time;
  friend bool operator==(const WorkerSeen&, const WorkerSeen&) = default;
};

struct LeaseRenewed {
  StudyUid study = 0;
  TrialId trial = 0;
  absl::Time time;
  friend bool operator==(const LeaseRenewed&, const LeaseRenewed&) = default;
};

struct TimePassed {
  absl::Time time;
  absl::Duration paused_for;  // Of it, how long the server itself stood still.
  friend bool operator==(const TimePassed&, const TimePassed&) = default;
};

using Event = std::variant<StudyCreated, StudyPaused, StudyResumed, StudyEnded, StudyExtended,
                           StudyDeleted, RunningTimeCounted, WorkerStarted, TrialSampled,
                           TrialLeased, AttemptFailed, AttemptReturned, LateReasonRecorded,
                           TrialProgressed, TrialReported, CheckpointStored, CheckpointLost,
                           RungClosed, TrialPromoted, WorkerSeen, LeaseRenewed, TimePassed>;

// Whether the journal keeps it.
inline bool IsDurable(const Event& event) {
  return !std::holds_alternative<WorkerSeen>(event) &&
         !std::holds_alternative<LeaseRenewed>(event) && !std::holds_alternative<TimePassed>(event);
}

}  // namespace halving

#endif  // HALVING_SERVER_CORE_EVENTS_H_
