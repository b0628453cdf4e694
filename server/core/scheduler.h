// Scheduler: the one place where commands become events.
#ifndef HALVING_SERVER_CORE_SCHEDULER_H_
#define HALVING_SERVER_CORE_SCHEDULER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/core/asks.h"
#include "server/core/commands.h"
#include "server/core/events.h"
#include "server/core/leases.h"
#include "server/core/study.h"
#include "server/core/workers.h"

namespace halving {

// Scheduler holds all studies, leases and workers. It is pure: no clock, thread, file or network;
// equal commands at equal times give equal events, and events alone rebuild it.
//
// Thread-compatible: the Engine's thread owns the only instance.
class Scheduler {
 public:
  explicit Scheduler(const Quotas& quotas = {}) : quotas_(quotas) {}

  // Carries out one command at `now`, which never goes back. Appends what happened to `events`
  // (durable or not), already applied. An error changed nothing that the command asked for; leases
  // that were due at `now` are expired all the same.
  absl::StatusOr<Answer> Execute(const Command& command, absl::Time now,
                                 std::vector<Event>* events);
  // The same of one that is asked again and again, which is not copied for it.
  absl::StatusOr<Answer> Execute(const Ask& ask, absl::Time now, std::vector<Event>* events) {
    return ExecuteOne(ask, now, events);
  }

  // Records one fact, decided now or read from the journal.
  void Apply(const Event& event);

  // After the journal was replayed: time runs again, and every open lease is full.
  void Recover(absl::Time now);

  // When Execute(Tick) has something to do next, if no command comes first.
  absl::Time NextDue() const;

  // ---- for those who show it
  // nullptr when there is none.
  const Study* FindStudy(const std::string& name) const;
  const Study* FindStudy(StudyUid uid) const;
  // Also when the scope does not reach it.
  const Study* FindStudy(const std::string& name, const Scope& scope) const;
  // By uid, oldest first.
  const absl::btree_map<StudyUid, std::unique_ptr<Study>>& studies() const { return studies_; }
  const WorkerTable& workers() const { return workers_; }
  const LeaseTable& leases() const { return leases_; }
  // Connected workers' time over the sliding window.
  absl::Duration WorkerTime(absl::Time now) const { return worker_time_.Sum(now); }
  // Whether some connected worker, or one that holds a trial, serves the study's objective and may
  // have its trials.
  bool IsServed(const StudySpec& spec, absl::Time now) const;

  // ---- for those who keep the bytes of checkpoints; see StoreCheckpoint
  // Whether StoreCheckpoint would be OK now, and under which id; `stored` when it was stored
  // before.
  struct Upload {
    std::string checkpoint_id;
    bool stored = false;
  };
  absl::StatusOr<Upload> CheckUpload(const StoreCheckpoint& command) const;
  // The trial of a live lease. The errors of Report.
  absl::StatusOr<const Trial*> TrialOfLease(const LeaseKey& lease, const Scope& scope = {}) const;
  // Whether the newest attempt of its trial has that lease, and no report has ended it.
  bool IsOpen(const LeaseKey& lease) const;
  // Whether a trial has it and may need it, or it is of a study beyond the scope.
  bool IsNeeded(const std::string& checkpoint_id, const Scope& scope = {}) const;
  // All stored ones that may be needed.
  std::vector<std::string> NeededCheckpoints() const;
  // Those that have become unneeded since this was last called.
  std::vector<std::string> TakeDropped() { return std::exchange(dropped_, {}); }

  absl::Status CheckInvariants() const;
  std::string DebugString() const;

 private:
  // What to record next for a command; with no event left, its answer.
  struct Decision {
    std::optional<Event> event;
    Answer answer;
    bool last = false;  // The answer holds once the event is recorded: do not decide again.
  };

  // A lease that was given out, of a study that exists.
  struct Leased {
    const Study* study = nullptr;
    const Trial* trial = nullptr;
  };

  static Decision Once(StudyUid study, Event event);

  template <typename OneCommand>
  absl::StatusOr<Answer> ExecuteOne(const OneCommand& command, absl::Time now,
                                    std::vector<Event>* events);
  absl::StatusOr<Decision> DecideOn(const CreateStudy& command, absl::Time now) const;
  absl::StatusOr<Decision> DecideOn(const PauseStudy& command, absl::Time now) const;
  absl::StatusOr<Decision> DecideOn(const ResumeStudy& command, absl::Time now) const;
  absl::StatusOr<Decision> DecideOn(const StopStudy& command, absl::Time now) const;
  absl::StatusOr<Decision> DecideOn(const ExtendStudy& command, absl::Time now) const;
  absl::StatusOr<Decision> DecideOn(const DeleteStudy& command, absl::Time now) const;
  absl::StatusOr<Decision> DecideOn(const Ask& ask, absl::Time now) const;
  absl::StatusOr<Decision> DecideOn(const Report& report, absl::Time now) const;
  absl::StatusOr<Decision> DecideOn(const StoreCheckpoint& command, absl::Time now) const;
  absl::StatusOr<Decision> DecideOn(const LoseCheckpoint& command, absl::Time now) const;
  absl::StatusOr<Decision> DecideOn(const Tick& tick, absl::Time now) const;

  absl::StatusOr<Leased> FindLease(const LeaseKey& lease, const Scope& scope) const;
  // Whether it is the newest one of its trial, and no report has ended it.
  absl::Status CheckOpen(const Leased& leased, int32_t attempt) const;
  absl::StatusOr<Decision> DecideProgress(const Study& study, const Trial& trial,
                                          const Report& report, absl::Time now) const;
  absl::StatusOr<Decision> DecideOutcome(const Study& study, const Trial& trial,
                                         const Report& report, absl::Time now) const;
  Decision KnownAsk(const Ask& ask, const LeaseKey& lease, absl::Time now) const;
  // A lease that a former process of this worker still holds.
  std::optional<Event> ReplacedLease(const Ask& ask, absl::Time now) const;
  // The next hand-out for the worker, or the sampling that must come before it.
  std::optional<Event> NextHandOut(const Ask& ask, absl::Time now) const;
  AttemptFailed Lose(LeaseTable::Key key, FailureCause cause, std::string reason,
                     absl::Time now) const;
  absl::StatusOr<const Study*> NamedStudy(const std::string& name, const Scope& scope) const;
  absl::Status AddWarmStart(StudySpec* spec, const Scope& scope) const;

  // Carries out all that is due, whoever asks.
  void Settle(absl::Time now, std::vector<Event>* events);
  // What the rules demand of studies in which something changed.
  void SettleStudies(absl::Time now, std::vector<Event>* events);
  void Record(Event event, std::vector<Event>* events);

  void ApplyOne(const StudyCreated& event);
  void ApplyOne(const StudyDeleted& event);
  void ApplyOne(const StudyEnded& event);
  void ApplyOne(const WorkerStarted& event);
  void ApplyOne(const WorkerSeen& event);
  void ApplyOne(const TrialLeased& event);
  void ApplyOne(const AttemptFailed& event);
  void ApplyOne(const AttemptReturned& event);
  void ApplyOne(const TrialProgressed& event);
  void ApplyOne(const TrialReported& event);
  void ApplyOne(const LeaseRenewed& event);
  void ApplyOne(const TimePassed& event);
  // All that concern one study only.
  template <typename StudyEvent>
  void ApplyOne(const StudyEvent& event);

  Study& MutableStudy(StudyUid uid) { return *studies_.at(uid); }
  // Sets the trial's deadline from its last sign of life.
  void IndexLease(const Study& study, TrialId trial);
  void EndLease(const Study& study, const Trial& trial, absl::Time now);
  // Keeps `candidates_` true after any change of the study.
  void Reindex(Study& study);
  void CollectDropped(Study& study);

  Quotas quotas_;
  absl::btree_map<StudyUid, std::unique_ptr<Study>> studies_;
  absl::btree_map<std::string, StudyUid> by_name_;
  StudyUid last_uid_ = 0;
  LeaseTable leases_;
  WorkerTable workers_;
  AskLog asks_;
  SlidingSum worker_time_;
  absl::Time last_tick_ = absl::InfinitePast();

  // RUNNING studies by (running trials, uid): the order in which they are served.
  absl::btree_set<std::pair<int64_t, StudyUid>> candidates_;
  absl::btree_map<StudyUid, int64_t> candidate_key_;
  // Those of them with a max_wall_time, which each tick looks at.
  absl::btree_set<StudyUid> timed_;
  // Studies in which something changed since Settle() last looked.
  absl::btree_set<StudyUid> touched_;
  std::vector<std::string> dropped_;
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_SCHEDULER_H_
