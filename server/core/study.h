// Study: the state of one study and what the rules say about it.
#ifndef HALVING_SERVER_CORE_STUDY_H_
#define HALVING_SERVER_CORE_STUDY_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/core/commands.h"
#include "server/core/events.h"
#include "server/core/ladder.h"
#include "server/core/pace.h"
#include "server/core/plateau.h"
#include "server/core/policy.h"
#include "server/core/quotas.h"
#include "server/core/rank_correlation.h"
#include "server/core/rungs.h"
#include "server/core/sampler.h"
#include "server/core/search_space.h"
#include "server/core/sliding_sum.h"
#include "server/core/trial.h"

namespace halving {

// Study holds the trials of one study, its queue and its rungs. Apply() records a fact and cannot
// fail; every const method answers a question from what was recorded. It knows nothing of other
// studies, nor when leases end: that is the Scheduler's.
//
// Thread-compatible: its Scheduler owns it.
class Study {
 public:
  // The spec must be normalised.
  explicit Study(const StudyCreated& created, const Quotas& quotas = {});

  // ---- facts
  void Apply(const StudyPaused& event);
  void Apply(const StudyResumed& event);
  void Apply(const StudyEnded& event);
  void Apply(const StudyExtended& event);
  void Apply(const RunningTimeCounted& event);
  void Apply(const TrialSampled& event);
  void Apply(const TrialLeased& event);
  void Apply(const AttemptFailed& event);
  void Apply(const AttemptReturned& event);
  void Apply(const LateReasonRecorded& event);
  void Apply(const TrialProgressed& event);
  void Apply(const TrialReported& event);
  void Apply(const CheckpointStored& event);
  void Apply(const CheckpointLost& event);
  void Apply(const RungClosed& event);
  void Apply(const TrialPromoted& event);
  void Apply(const LeaseRenewed& event);
  void CountLeaseTime(absl::Time now, absl::Duration since_last);
  // The server stood still for so long until `now`: that was no time RUNNING.
  void SkipTime(absl::Duration paused, absl::Time now) {
    if (state_ == StudyState::kRunning) running_since_ = std::min(running_since_ + paused, now);
  }
  // After a replay: time starts to run again at `now`, and every open lease is full.
  void Recover(absl::Time now);

  // ---- questions of the scheduler
  // The front of the queue, or the first one behind it that the limits still cover.
  std::optional<TrialId> NextQueued() const;
  // With nothing queued that the limits cover: what to queue for a free worker, a promotion or a
  // new trial. nullopt: nothing, now.
  std::optional<Event> NextToQueue() const;
  // The points that are new, or newer than the one kept for their epoch, as far as the quota goes.
  std::vector<CurvePoint> NewPoints(const Trial& trial,
                                    const std::vector<CurvePoint>& points) const;
  // Whether it is one, not known yet, and newer than what the trial would go on from now.
  bool IsNewCheckpoint(const Trial& trial, const std::string& id, int64_t epoch) const;
  // What the rules demand next, whoever asks: a level that closes, the end of the study.
  std::optional<Event> DueEvent(absl::Time now) const;
  Assignment Describe(const Trial& trial) const;

  // ---- what it holds
  StudyUid uid() const { return uid_; }
  const StudySpec& spec() const { return spec_; }
  // As it was created with, before any extension.
  const Limits& first_limits() const { return first_limits_; }
  const SearchSpace& space() const { return space_; }
  const RungLadder& ladder() const { return ladder_; }
  const RungTable& rungs() const { return rungs_; }
  // Of the errors at a rung below the top and those at the next one, over all brackets and rounds.
  const RungPairs& PairsAt(int rung) const { return rung_pairs_[rung]; }
  // Of the evaluations to a rung, over all brackets and rounds; forgotten at the study's end.
  const Pace& PaceAt(int rung) const { return paces_[rung]; }
  // By rung: a trial that is RUNNING there since before that straggles, as it takes more than twice
  // the usual time.
  std::vector<absl::Time> StragglerStarts(absl::Time now) const;
  const Sampler& sampler() const { return sampler_; }
  StudyState state() const { return state_; }
  bool ended() const { return state_ != StudyState::kRunning && state_ != StudyState::kPaused; }
  absl::Time create_time() const { return create_time_; }
  std::optional<absl::Time> end_time() const { return end_time_; }
  const std::string& end_reason() const { return end_reason_; }
  absl::Duration RunningTime(absl::Time now) const;
  // Of the time that RunningTime() counts, how much has not been journaled yet.
  absl::Duration UncountedTime(absl::Time now) const;

  int64_t trials() const { return static_cast<int64_t>(trials_.size()); }
  // nullptr when there is none.
  const Trial* FindTrial(TrialId id) const;
  // As people see it: STOPPED when the study ended before the trial did; ELIMINATED when it was not
  // promoted until its study was COMPLETED, where trials are promoted one by one.
  TrialState ShownState(const Trial& trial) const;
  // (start of the attempt, trial), the longest running first.
  const absl::btree_set<std::pair<absl::Time, TrialId>>& running() const { return running_; }
  // (-rung of the last result or 1, error, trial): best first, those without a result last.
  using RankKey = std::tuple<int, double, TrialId>;
  const absl::btree_set<RankKey>& ranking() const { return ranking_; }
  // Lowest finite error at the highest rung that has one; nullptr before the first.
  const Trial* Best() const;

  // Of the stored ones that may be needed.
  int64_t checkpoint_bytes() const { return checkpoint_bytes_; }

  int64_t queued() const { return static_cast<int64_t>(queue_.size()); }
  int64_t evaluations() const { return evaluations_; }
  int64_t epochs_trained() const { return epochs_trained_; }
  int64_t epochs_lost() const { return epochs_lost_; }
  int64_t failed_trials() const { return failed_trials_; }
  // Time under leases over the sliding window.
  absl::Duration LeaseTime(absl::Time now) const { return lease_time_.Sum(now); }
  // Towards the nearest limit, 0 to 1.
  double Progress(absl::Time now) const;
  // Until the nearest limit, at the pace so far; unset while that says nothing, and unless RUNNING.
  std::optional<absl::Duration> TimeLeft(absl::Time now) const;
  // Until so many more outcomes have come in at the rung, likewise.
  std::optional<absl::Duration> TimeFor(int rung, int64_t outcomes, absl::Time now) const;
  // Up to `count` trials by their newest finite result, as Best() has it, best first.
  std::vector<TrialId> BestTrials(size_t count) const;
  // Those whose checkpoints stay.
  std::vector<TrialId> BestTrials() const;
  // How many outcomes close the level; 0 where levels never close.
  int64_t SizeOf(int bracket, int rung) const { return policy_->SizeOf(bracket, rung); }
  // Changes whenever anything that people see does.
  uint64_t version() const { return version_; }
  // The ids of stored checkpoints that no trial can need any more, since this was last called.
  std::vector<std::string> TakeDropped() { return std::exchange(dropped_, {}); }
  // Those of all trials, before the study is deleted.
  void DropAllCheckpoints();

  // INTERNAL, naming what is wrong, if the counts contradict the trials.
  absl::Status CheckInvariants() const;
  // Everything that a replay must restore, in one text.
  std::string DebugString() const;

 private:
  Trial& MutableTrial(TrialId id) { return trials_[id - 1]; }
  Level& LevelOf(const Trial& trial) { return rungs_.Group(trial.group)[trial.rung]; }
  void Enqueue(Trial& trial, int64_t position);
  void EnqueueFront(Trial& trial) { Enqueue(trial, --front_); }
  void Dequeue(Trial& trial);
  void StopRunning(Trial& trial);
  // Takes the trial out of running or, for one whose lease expired, out of the queue.
  void Withdraw(Trial& trial);
  void EndAttempt(Trial& trial, int32_t attempt, const Digest& digest);
  // The newest lease's expiry was no failure after all.
  void TakeFailureBack(Trial& trial);
  void Advance(Trial& trial, int64_t epoch);
  void MergePoints(Trial& trial, int32_t attempt, const std::vector<CurvePoint>& points);
  // Names a checkpoint: the trial may go on from it.
  void AddCheckpoint(Trial& trial, const std::string& id, int64_t epoch);
  void InsertCheckpoint(Trial& trial, Checkpoint checkpoint);
  void ForgetCheckpoint(Trial& trial, const std::string& id);
  // Drops those for which `unneeded` holds.
  template <typename Unneeded>
  void DropCheckpoints(Trial& trial, Unneeded unneeded);
  void DropSuperseded(Trial& trial);
  void DropAllBut(Trial& trial, const std::string& id, int64_t epoch);
  void DropOffered(Trial& trial);
  // Whether it may be trained again.
  bool IsLive(const Trial& trial) const;
  // Drops all of a trial that is over, unless it is one of the best, BestTrials().
  void ReleaseOver(Trial& trial, const std::vector<TrialId>& best);
  void ReleaseAfterResult(Trial& trial);
  // Under a policy that promotes one by one: takes their checkpoints from trials of the level whose
  // rank leaves little hope.
  void ReleaseHopeless(GroupKey group, int rung);
  // Puts it to the front of the queue for the next rung.
  void Promote(Trial& trial);
  void AddQueuedCharge(const Trial& trial, int sign);
  static RankKey RankOf(const Trial& trial);
  // What handing the trial out at `rung` is charged, if it is for the first time.
  Cost ChargeAt(const Trial& trial, int rung) const;
  // What a hand-out of a queued trial now would be charged.
  Cost ChargeOf(const Trial& trial) const;
  bool Covers(const Cost& cost) const;
  std::string SpentLimit() const;
  RungClosed Close(const Closing& closing, int64_t promotions, bool drained) const;
  std::vector<TrialId> Ranked(const std::vector<TrialId>& outcomes) const;
  std::optional<Event> DueEnd(absl::Time now) const;
  std::optional<Event> DueDrain() const;
  // The first of them whose next rung the limits cover.
  std::optional<TrialId> FirstCovered(const std::vector<TrialId>& trials) const;
  TrialSampled NextSample() const;
  Event End(StudyState state, std::string reason, absl::Time now) const;
  absl::Status CheckOutcomes() const;
  absl::Status CheckCheckpoints() const;
  absl::Status CheckRungCounts() const;

  const StudyUid uid_;
  StudySpec spec_;
  const Limits first_limits_;
  const SearchSpace space_;
  const RungLadder ladder_;
  const std::unique_ptr<const Policy> policy_;
  Sampler sampler_;
  const absl::Time create_time_;
  const Quotas quotas_;

  StudyState state_ = StudyState::kRunning;
  std::optional<absl::Time> end_time_;
  std::string end_reason_;
  absl::Duration counted_time_;  // RUNNING, as journaled.
  absl::Time running_since_;     // Since then it is not counted yet; while RUNNING.
  TrialId target_hit_ = 0;       // The trial that reached target_error, since the last extension.

  std::deque<Trial> trials_;  // Never moved: with a million of them that would take a while.
  absl::btree_map<int64_t, TrialId> queue_;  // By position; fronts go below 0.
  int64_t front_ = 0;
  int64_t back_ = 0;
  RungTable rungs_;
  std::vector<RungPairs> rung_pairs_;  // By the lower rung.
  std::vector<Pace> paces_;            // By rung.
  absl::btree_set<std::pair<absl::Time, TrialId>> running_;
  absl::btree_set<RankKey> ranking_;

  std::set<std::string> workers_;  // That results came from.

  Cost charged_;         // Against the limits, so far.
  Cost queued_charges_;  // What handing out all that is queued would add.
  int64_t evaluations_ = 0;
  int64_t epochs_trained_ = 0;
  int64_t epochs_lost_ = 0;
  int64_t failed_trials_ = 0;
  Plateau plateau_;  // Of the trials at max_epochs, since the last extension.
  std::string last_failure_;
  bool resumes_ = true;  // Whether the newest result came with a checkpoint.
  SlidingSum lease_time_;
  // Those of a later study under the same name are others.
  uint64_t version_ = (static_cast<uint64_t>(uid_) << 32) + 1;
  std::vector<std::string> dropped_;
  int64_t checkpoint_bytes_ = 0;
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_STUDY_H_
