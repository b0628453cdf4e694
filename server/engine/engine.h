// Engine: who owns the scheduler: commands in, durable answers out.
#ifndef HALVING_SERVER_ENGINE_ENGINE_H_
#define HALVING_SERVER_ENGINE_ENGINE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "server/core/scheduler.h"
#include "server/engine/engine_observer.h"
#include "server/engine/waiting_line.h"
#include "server/store/journal.h"

namespace halving {

// Callers post and return. One thread at a time has the turn: it drains all that waits, carries out
// each command in order at one reading of the clock, appends their events in one transaction, and
// only then answers. No lock guards the scheduler, since only who has the turn can reach it, and
// nobody waits for the turn: whoever finds it taken leaves its command to who has it. The turn is
// taken by the engine's own thread or, so that no other one must be woken first, by a caller with
// what workers wait for: an ask or a report.
//
// All public methods are thread-safe. Every callback that was handed in is called exactly once, by
// who has the turn, and must not block.
class Engine {
 public:
  // What is known at the time of an answer; valid during the callback only.
  struct View {
    const Scheduler& scheduler;
    absl::Time now;
    size_t waiting_asks = 0;
  };

  struct Reply {
    Answer answer;
    std::optional<Assignment> assignment;  // Of an ask, or of the ask after a report.
    bool asked = false;                    // The ask was served, with an assignment or without.
    bool waited = false;                   // It found nothing at first, and waited in line.
    bool draining = false;                 // The server goes down; there will be none.
  };
  // An error changed nothing, except UNAVAILABLE: then the same command finds out, or may be tried
  // again. CANCELLED: the caller went away.
  using Done = absl::AnyInvocable<void(absl::StatusOr<Reply>, const View&)>;
  using ReadDone = absl::AnyInvocable<void(absl::Status, const View&)>;
  // Whoever holds the copy keeps its file.
  using Backup = std::shared_ptr<JournalBackup>;
  using BackupDone = absl::AnyInvocable<void(absl::StatusOr<Backup>)>;

  // Set by a caller that no longer waits; the engine then drops what it posted.
  using Gone = std::shared_ptr<std::atomic<bool>>;
  static Gone NewGone() { return std::make_shared<std::atomic<bool>>(false); }

  struct Options {
    // How long after its end the events of a study are put together in the journal.
    absl::Duration compact_after = absl::Hours(1);
    Quotas quotas = {};
  };

  // Replays the journal. Its errors pass through. Neither is owned, both must outlive the engine.
  static absl::StatusOr<std::unique_ptr<Engine>> Create(Journal* journal, Clock* clock,
                                                        const Options& options);
  static absl::StatusOr<std::unique_ptr<Engine>> Create(Journal* journal, Clock* clock) {
    return Create(journal, clock, Options());
  }
  ~Engine();

  // A command other than Ask.
  void Post(Command command, Done done) ABSL_LOCKS_EXCLUDED(mu_);
  // Waits up to `wait` for a trial. Those that wait are served in the order they came. This and
  // PostReport() may carry out all that is posted, and write it to disk, before they return: to be
  // called without a lock that a callback may want.
  void PostAsk(Ask ask, absl::Duration wait, Gone gone, Done done) ABSL_LOCKS_EXCLUDED(mu_);
  // The report, and if that is OK the ask, in one transaction.
  void PostReport(Report report, std::optional<Ask> next, absl::Duration wait, Gone gone, Done done)
      ABSL_LOCKS_EXCLUDED(mu_);
  // Looks, once all that was posted before is on disk.
  void PostRead(ReadDone done) ABSL_LOCKS_EXCLUDED(mu_);
  // Looks once the study's version is no longer `version`, but not before `earliest`. NOT_FOUND
  // when there is no such study, or none any more; UNAVAILABLE when the server goes down.
  void PostWatch(std::string study, uint64_t version, absl::Time earliest, Gone gone, ReadDone done)
      ABSL_LOCKS_EXCLUDED(mu_);
  // A copy of the journal with all that was answered before this call, made in slices between
  // batches. RESOURCE_EXHAUSTED: another one is being made, too many are still held by others, or
  // the disk has no room. UNAVAILABLE: the server goes down or cannot write.
  void PostBackup(Gone gone, BackupDone done) ABSL_LOCKS_EXCLUDED(mu_);
  // Drops what those posted who are gone.
  void Sweep() ABSL_LOCKS_EXCLUDED(mu_);

  // From now on no ask waits and no trial is handed out; those that wait are told. Reports and
  // reads go on.
  void Drain() ABSL_LOCKS_EXCLUDED(mu_);

  // Called with false when the disk is full and with true when it can be written again, by who has
  // the turn. To be set before Start(); not called any more once Stop() has returned.
  void OnHealthChange(std::function<void(bool)> callback) { on_health_ = std::move(callback); }

  // Called with the stored checkpoints that no trial can need any more, once that is on disk and
  // before anybody is told, by who has the turn; must not block. As OnHealthChange() otherwise.
  void OnDropped(std::function<void(const std::vector<std::string>&)> callback) {
    on_dropped_ = std::move(callback);
  }

  // Not owned. To be called before Start(); not told any more once Stop() has returned.
  void AddObserver(EngineObserver* observer) { observers_.push_back(observer); }

  // Before Start() only.
  const Scheduler& scheduler() const { return scheduler_; }

  // Runs batches, on a thread of the engine's own or of callers, until Stop().
  void Start() ABSL_LOCKS_EXCLUDED(mu_);
  // Carries out all that was posted, answers those that wait, and ends the thread.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

  // One batch, on the caller's thread: for tests, instead of Start().
  void RunOnce() ABSL_LOCKS_EXCLUDED(mu_) { RunOnce(/*slices=*/true); }
  // Whether events of studies that ended are being put together; for tests, as the next one.
  bool compacting() const { return compaction_ != nullptr; }
  // When the next batch is due, if nothing is posted before.
  absl::Time NextWake() const;

 private:
  struct Posted {
    enum class Kind { kCommand, kAsk, kReport, kRead, kWatch, kBackup };
    Kind kind = Kind::kCommand;
    Command command;
    std::optional<Ask> ask;
    absl::Duration wait;
    std::string study;
    uint64_t version = 0;
    absl::Time earliest;
    Gone gone;
    Done done;
    ReadDone read_done;
    BackupDone backup_done;

    bool IsGone() const { return gone != nullptr && gone->load(std::memory_order_relaxed); }
  };
  struct WaitingAsk {
    Ask ask;
    Reply reply;  // With what a report before the ask was answered.
    bool after_report = false;
    absl::Time deadline;
    Gone gone;
    Done done;
    bool IsGone() const { return gone != nullptr && gone->load(std::memory_order_relaxed); }
  };
  struct Ready {
    Done done;
    absl::StatusOr<Reply> reply;
  };

  Engine(Journal* journal, Clock* clock, const Options& options)
      : scheduler_(options.quotas), journal_(journal), clock_(clock), options_(options) {}

  // Leaves it to who has the turn, or will have it.
  void Enqueue(Posted posted) ABSL_LOCKS_EXCLUDED(mu_);
  // The same, but takes the turn if it is free.
  void EnqueueAndRun(Posted posted) ABSL_LOCKS_EXCLUDED(mu_);
  bool HasPosted() ABSL_LOCKS_EXCLUDED(mu_);
  void Loop() ABSL_LOCKS_EXCLUDED(mu_);
  // Returns with the turn taken, or false: the engine stops.
  bool AwaitTurn() ABSL_LOCKS_EXCLUDED(mu_);
  // Runs batches until nothing is posted, and gives the turn back.
  void RunTurn() ABSL_LOCKS_EXCLUDED(mu_);
  // Gives the turn back, if nothing is posted or somebody else is to go on with it.
  bool EndTurn(bool hand_over) ABSL_LOCKS_EXCLUDED(mu_);
  // One batch; with `slices` also one of a backup or compaction that is under way.
  void RunOnce(bool slices) ABSL_LOCKS_EXCLUDED(mu_);
  // For who has the turn, all that follow.
  void RunBatch(std::vector<Posted> batch, bool slices);
  void Tend(absl::Time before);
  void Carry(Posted posted);
  void CarryAsk(Posted posted, std::optional<Answer> reported);
  bool Serve(WaitingAsk& waiting);
  void RefuseAsk(WaitingAsk& waiting, absl::Status status);
  void AnswerDraining(WaitingAsk& waiting);
  bool HasNews();
  void ServeWaiting();
  // Answers those whose time is over or who left; when the server goes down, everybody.
  void DropWaiting();
  void Commit();
  // That these are on disk, after an append that began then.
  void TellCommitted(const std::vector<Event>& events, absl::Time begin);
  void TellDropped();
  void RetryAppend();
  void Refuse(std::vector<Posted> batch);
  void RefuseOne(Posted& posted, const absl::Status& status);
  void StartBackup(Posted posted);
  void StepBackup();
  void EndBackup(absl::StatusOr<Backup> backup);
  void TrackCompaction(const Event& event);
  // How often there is a look at what is to be compacted.
  absl::Duration LookEvery() const;
  CompactionPlan PlanCompaction() const;
  void StartCompaction();
  void StepCompaction();
  void AnswerReady();
  void ServeWatches();
  // `study` is the one that is watched; nullptr when there is none.
  bool WatchIsDue(const Posted& watch, const Study* study) const;
  void AnswerWatch(Posted& watch, const Study* study);
  View Look() const { return {scheduler_, now_, waiting_.size()}; }

  Scheduler scheduler_;
  Journal* const journal_;
  Clock* const clock_;
  const Options options_;
  std::function<void(bool)> on_health_;
  std::function<void(const std::vector<std::string>&)> on_dropped_;
  std::vector<EngineObserver*> observers_;
  std::thread thread_;

  // Of who has the turn.
  absl::Time now_ = absl::InfinitePast();     // Never goes back.
  absl::Time wake_ = absl::InfiniteFuture();  // When the last batch wanted the next one.
  std::vector<Event> events_;                 // Of this batch, in order.
  size_t looked_at_ = 0;                      // How many of them HasNews() has seen.
  std::vector<Ready> ready_;                  // To be answered once they are on disk.
  std::vector<Posted> reads_;
  WaitingLine<WaitingAsk> waiting_;
  absl::btree_map<std::string, std::vector<Posted>> watches_;  // By study.
  size_t watchers_ = 0;                                        // In all of them.
  std::optional<Posted> copying_;        // Who waits for the backup that is being made.
  std::shared_ptr<JournalBackup> copy_;  // What it is given.
  std::vector<std::weak_ptr<JournalBackup>> copies_;  // That were handed over.
  std::unique_ptr<JournalCompaction> compaction_;     // That is under way.
  absl::btree_set<StudyUid> compacting_;              // By it.
  absl::btree_set<StudyUid> removing_;                // Also by it: deleted ones.
  absl::btree_set<StudyUid> compacted_;               // Studies that need it no more.
  absl::btree_set<StudyUid> deleted_;                 // Whose events may still be in the journal.
  absl::Time compact_at_ = absl::InfiniteFuture();    // The next step, or the next look for work.
  std::vector<Event> held_;                           // Could not be appended: the disk is full.
  absl::Status held_status_;
  absl::Time retry_at_ = absl::InfiniteFuture();
  absl::Time held_since_ = absl::InfiniteFuture();  // Until the leases got that time back.
  bool drained_ = false;
  bool swept_ = false;  // Somebody who waited may have left.
  bool whole_ = false;  // The journal was replayed to its end.

  Mutex mu_;
  CondVar work_;
  std::vector<Posted> posted_ ABSL_GUARDED_BY(mu_);
  bool in_turn_ ABSL_GUARDED_BY(mu_) = false;  // Somebody has the turn.
  // Until when the engine's thread sleeps, if nobody wakes it.
  absl::Time asleep_until_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
  bool handed_over_ ABSL_GUARDED_BY(mu_) = false;  // By a caller, with work left.
  bool started_ ABSL_GUARDED_BY(mu_) = false;
  bool poked_ ABSL_GUARDED_BY(mu_) = false;
  bool draining_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace halving

#endif  // HALVING_SERVER_ENGINE_ENGINE_H_
