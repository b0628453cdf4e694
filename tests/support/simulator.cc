#include "tests/support/simulator.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/strings/str_cat.h"
#include "tests/support/dice.h"

namespace halving {
namespace {

constexpr absl::Duration kRetryAfter = absl::Seconds(1);
constexpr absl::Duration kAskAgainAfter = absl::Seconds(20);  // As a long poll does.
constexpr absl::Duration kLateness = absl::Seconds(5);
constexpr absl::Duration kPeopleLookEvery = absl::Minutes(1);

// Falls with the epochs towards a floor of the trial's own.
double DefaultError(const Assignment& assignment, int64_t epochs) {
  const double floor = UnitInterval(MixBits(static_cast<uint64_t>(assignment.seed)));
  return floor + 1 / static_cast<double>(epochs + 1);
}

// One worker process after another under one worker id.
struct SimWorker {
  std::string id;
  double slowness = 1;
  int life = 0;  // Grows with each process; what an earlier one had planned is then void.
  int asks = 0;
  std::optional<Assignment> job;
  int64_t epoch = 0;               // That the training has reached.
  std::vector<CurvePoint> unsent;  // Points that no answer has confirmed.

  std::string Incarnation() const { return absl::StrCat("life", life); }
};

// Simulation is one run. Thread-compatible.
class Simulation {
 public:
  explicit Simulation(const SimOptions& options);
  SimResult Run();

 private:
  using Then = std::function<void(const absl::StatusOr<Answer>&)>;

  // ---- time
  void At(absl::Time time, std::function<void()> action) {
    actions_[{time, ++planned_}] = std::move(action);
  }
  void After(absl::Duration delay, std::function<void()> action) {
    At(now_ + delay, std::move(action));
  }
  // Drops the action if the worker's process is another one by then.
  void Later(SimWorker& worker, absl::Duration delay, std::function<void()> action);
  bool IsOver() const;

  // ---- the network and the server
  absl::StatusOr<Answer> Execute(const Command& command);
  // The server dies; `lost` events at the end had not reached the disk.
  void RestartServer(size_t lost = 0);
  void LoseCommit(const Command& command);
  // Nothing is carried out until it is over.
  void Freeze();
  bool IsFrozen() const { return now_ < frozen_until_; }
  // Delivers the command once at least, and then calls `then` with an answer.
  void Send(SimWorker& worker, const Command& command, const Then& then);
  void Stop(const absl::Status& status) {
    if (result_.status.ok()) result_.status = status;
  }

  // ---- a worker
  void StartWorker(SimWorker& worker);
  void AskForWork(SimWorker& worker);
  void Begin(SimWorker& worker, const Assignment& assignment);
  void TrainOneEpoch(SimWorker& worker);
  void EpochDone(SimWorker& worker);
  // Calls `then` with the id of a checkpoint of the epoch that the training has reached: uploaded,
  // kept elsewhere, or none.
  void Save(SimWorker& worker, const std::function<void(const std::string& id)>& then);
  void ReportProgress(SimWorker& worker);
  void FinishLate(SimWorker& worker);
  void ReportFinal(SimWorker& worker, const Outcome& outcome);
  void ReportResult(SimWorker& worker);
  Completed Result(const SimWorker& worker);
  bool MustDrop(const absl::StatusOr<Answer>& answer);
  // Every result that a worker knows to be counted must be in the journal.
  void CheckAcknowledged();
  // The server holds the files that trials may need, and no others.
  void CheckFiles();

  // ---- people
  void People();
  void Extend(const Study& study);

  const SimOptions& options_;
  Dice dice_;
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  const absl::Time start_ = now_;
  Scheduler scheduler_;
  absl::btree_map<std::pair<absl::Time, int64_t>, std::function<void()>> actions_;
  int64_t planned_ = 0;
  std::vector<SimWorker> workers_;
  absl::btree_map<StudyUid, int> extended_;
  absl::Time frozen_until_ = absl::InfinitePast();
  absl::Time wanted_ = absl::InfinitePast();  // When lateness_ was thrown.
  absl::Duration lateness_;
  absl::btree_set<std::tuple<StudyUid, TrialId, int32_t>> acknowledged_;
  absl::btree_set<std::string> files_;  // Of checkpoints, on the server.
  SimResult result_;
};

Simulation::Simulation(const SimOptions& options) : options_(options), dice_(options.seed) {
  for (const Event& event : options_.history) {
    if (!IsDurable(event)) continue;
    scheduler_.Apply(event);
    result_.events.push_back(event);
  }
  for (std::string& id : scheduler_.NeededCheckpoints()) files_.insert(std::move(id));
  scheduler_.TakeDropped();
  scheduler_.Recover(now_);
  workers_.resize(static_cast<size_t>(options_.workers));
  for (size_t i = 0; i < workers_.size(); ++i) {
    workers_[i].id = absl::StrCat("w", i);
    workers_[i].life = static_cast<int>(options_.history.size());  // None that was there before.
    workers_[i].slowness = 0.5 + 1.5 * dice_.Unit();
  }
}

SimResult Simulation::Run() {
  for (const StudySpec& spec : options_.studies) {
    const absl::StatusOr<Answer> answer = Execute(CreateStudy{.spec = spec});
    if (!answer.ok()) Stop(answer.status());
  }
  for (SimWorker& worker : workers_) {
    After(dice_.Between(absl::ZeroDuration(), options_.epoch),
          [this, &worker] { StartWorker(worker); });
  }
  After(kPeopleLookEvery, [this] { People(); });
  while (result_.status.ok() && !IsOver()) {
    // The engine may be busy and come a little late.
    const absl::Time wanted = scheduler_.NextDue();
    if (wanted != wanted_) lateness_ = dice_.Between(absl::ZeroDuration(), kLateness);
    wanted_ = wanted;
    const absl::Time due = std::max({now_, wanted + lateness_, frozen_until_});
    if (now_ - start_ > options_.time_limit) {
      Stop(absl::DeadlineExceededError("a study hangs:\n" + scheduler_.DebugString()));
    } else if (due < actions_.begin()->first.first) {
      now_ = due;
      (void)Execute(Tick{});
    } else {
      const auto first = actions_.begin();
      now_ = std::max(now_, first->first.first);
      const std::function<void()> action = std::move(first->second);
      actions_.erase(first);
      action();
    }
  }
  CheckAcknowledged();
  CheckFiles();
  result_.final_state = scheduler_.DebugString();
  result_.virtual_time = now_ - start_;
  return std::move(result_);
}

bool Simulation::IsOver() const {
  return std::all_of(scheduler_.studies().begin(), scheduler_.studies().end(), [&](const auto& s) {
    const Study& study = *s.second;
    if (!study.ended()) return false;
    const auto extended = extended_.find(study.uid());
    const int times = extended == extended_.end() ? 0 : extended->second;
    return study.state() != StudyState::kCompleted || times >= options_.extensions;
  });
}

void Simulation::Later(SimWorker& worker, absl::Duration delay, std::function<void()> action) {
  After(delay, [&worker, life = worker.life, action = std::move(action)] {
    if (worker.life == life) action();
  });
}

// ---- the network and the server

absl::StatusOr<Answer> Simulation::Execute(const Command& command) {
  std::vector<Event> fresh;
  const absl::StatusOr<Answer> answer = scheduler_.Execute(command, now_, &fresh);
  result_.events.insert(result_.events.end(), fresh.begin(), fresh.end());
  result_.ends.push_back(result_.events.size());
  for (const Event& event : fresh) {
    const auto* stored = std::get_if<CheckpointStored>(&event);
    if (stored != nullptr) files_.insert(stored->checkpoint_id);
  }
  for (const std::string& id : scheduler_.TakeDropped()) files_.erase(id);
  ++result_.commands;
  if (options_.observer) Stop(options_.observer(scheduler_, fresh));
  return answer;
}

void Simulation::RestartServer(size_t lost) {
  Scheduler fresh;
  for (const Event& event : result_.events) {
    if (IsDurable(event)) fresh.Apply(event);
  }
  if (lost == 0 && fresh.DebugString() != scheduler_.DebugString()) {
    Stop(absl::InternalError(absl::StrCat("the journal gives\n", fresh.DebugString(), "\nafter\n",
                                          scheduler_.DebugString())));
  }
  scheduler_ = std::move(fresh);
  scheduler_.TakeDropped();
  CheckFiles();
  now_ += dice_.Between(absl::ZeroDuration(), absl::Minutes(2));
  scheduler_.Recover(now_);
  ++result_.restarts;
}

// What was decided dies with the process, and nobody has been told.
void Simulation::LoseCommit(const Command& command) {
  std::vector<Event> lost;
  (void)scheduler_.Execute(command, now_, &lost);
  RestartServer(lost.size());
}

void Simulation::Freeze() {
  const absl::Duration pause = dice_.Between(absl::ZeroDuration(), absl::Minutes(3));
  frozen_until_ = now_ + pause;
  ++result_.freezes;
  At(frozen_until_, [this, pause] { (void)Execute(Tick{.paused_for = pause}); });
}

void Simulation::Send(SimWorker& worker, const Command& command, const Then& then) {
  const SimFaults& faults = options_.faults;
  const auto again = [this, &worker, command, then] { Send(worker, command, then); };
  if (dice_.Chance(faults.lose_request) || IsFrozen()) return Later(worker, kRetryAfter, again);
  if (dice_.Chance(faults.lose_commit)) {
    LoseCommit(command);
    return Later(worker, kRetryAfter, again);
  }
  const absl::StatusOr<Answer> answer = Execute(command);
  if (dice_.Chance(faults.repeat)) {
    // Nobody waits for its answer, and its sender may be gone.
    After(dice_.Between(absl::ZeroDuration(), absl::Minutes(3)), [this, command] {
      if (!IsFrozen()) (void)Execute(command);
    });
  }
  if (dice_.Chance(faults.restart)) RestartServer();
  if (dice_.Chance(faults.fill_disk)) {
    Freeze();
    return Later(worker, kRetryAfter, again);
  }
  if (dice_.Chance(faults.freeze)) Freeze();
  if (dice_.Chance(faults.lose_answer)) return Later(worker, kRetryAfter, again);
  then(answer);
}

// ---- a worker

void Simulation::StartWorker(SimWorker& worker) {
  ++worker.life;
  worker.job.reset();
  AskForWork(worker);
}

void Simulation::AskForWork(SimWorker& worker) {
  worker.job.reset();
  const Ask ask = {.worker = worker.id,
                   .request_id = absl::StrCat(worker.Incarnation(), "-", ++worker.asks),
                   .incarnation = worker.Incarnation()};
  Send(worker, ask, [this, &worker](const absl::StatusOr<Answer>& answer) {
    if (!answer.ok()) return Stop(answer.status());  // No process that lives is ever refused.
    if (answer->assignment.has_value()) return Begin(worker, *answer->assignment);
    Later(worker, kAskAgainAfter, [this, &worker] { AskForWork(worker); });
  });
}

void Simulation::Begin(SimWorker& worker, const Assignment& assignment) {
  if (assignment.from_epoch >= assignment.to_epoch) {
    return Stop(absl::InternalError("an assignment leaves nothing to train"));
  }
  worker.job = assignment;
  worker.epoch = assignment.from_epoch;
  worker.unsent.clear();
  if (!assignment.checkpoint_id.empty() && dice_.Chance(options_.faults.unusable_checkpoint)) {
    // Because of the worker, or because the server has lost it.
    if (!IsFrozen() && dice_.Chance(0.3)) {
      (void)Execute(LoseCheckpoint{.checkpoint_id = assignment.checkpoint_id});
    }
    return ReportFinal(worker, Returned{.reason = "the checkpoint cannot be read",
                                        .unusable_checkpoint_id = assignment.checkpoint_id});
  }
  TrainOneEpoch(worker);
}

void Simulation::TrainOneEpoch(SimWorker& worker) {
  absl::Duration takes = options_.epoch * worker.slowness;
  if (dice_.Chance(options_.faults.stall)) {
    takes += dice_.Between(absl::ZeroDuration(), 3 * worker.job->lease_duration);
  }
  Later(worker, takes, [this, &worker] { EpochDone(worker); });
}

void Simulation::EpochDone(SimWorker& worker) {
  const SimFaults& faults = options_.faults;
  if (dice_.Chance(faults.crash)) {
    const absl::Duration away = dice_.Between(absl::ZeroDuration(), 2 * worker.job->lease_duration);
    ++worker.life;  // Nothing that it planned happens any more.
    return After(away, [this, &worker] { StartWorker(worker); });
  }
  if (dice_.Chance(faults.leave)) return ReportFinal(worker, Returned{.reason = "leaving"});
  if (dice_.Chance(faults.fail)) {
    return ReportFinal(
        worker,
        Failed{.reason = "out of memory", .retryable = true, .out_of_memory = dice_.Chance(0.3)});
  }
  if (dice_.Chance(faults.fail_for_good)) {
    return ReportFinal(worker, Failed{.reason = "bad config", .retryable = false});
  }
  ++worker.epoch;
  const auto& error = options_.error ? options_.error : DefaultError;
  worker.unsent.push_back({worker.epoch, error(*worker.job, worker.epoch)});
  // Now and then a trainer has its last checkpoint sent before its result.
  const bool last = worker.epoch == worker.job->to_epoch;
  if (!last || dice_.Chance(options_.faults.crash)) return ReportProgress(worker);
  ReportResult(worker);
}

void Simulation::Save(SimWorker& worker, const std::function<void(const std::string& id)>& then) {
  if (dice_.Chance(options_.faults.no_checkpoint)) return then("");
  const LeaseKey& lease = worker.job->lease;
  if (dice_.Chance(0.3)) {
    return then(absl::StrCat(lease.study, "-", lease.trial, "-", lease.attempt, "-", worker.epoch));
  }
  const StoreCheckpoint upload = {.lease = lease,
                                  .epoch = worker.epoch,
                                  .bytes = 1000,
                                  .sha256 = std::string(32, static_cast<char>(worker.epoch))};
  Send(worker, upload, [this, &worker, then](const absl::StatusOr<Answer>& answer) {
    if (MustDrop(answer)) return AskForWork(worker);
    then(answer->checkpoint_id);
  });
}

void Simulation::ReportResult(SimWorker& worker) {
  Save(worker, [this, &worker](const std::string& id) {
    Completed result = Result(worker);
    result.checkpoint_id = id;
    ReportFinal(worker, result);
  });
}

Completed Simulation::Result(const SimWorker& worker) {
  Completed result = {.error = worker.unsent.back().error,
                      .points = worker.unsent,
                      .metrics = {{"epochs", static_cast<double>(worker.epoch)}},
                      .train_time = options_.epoch};
  if (dice_.Chance(options_.faults.diverge)) result.error = NAN;
  return result;
}

void Simulation::ReportProgress(SimWorker& worker) {
  Save(worker, [this, &worker](const std::string& id) {
    Progress progress = {.points = worker.unsent, .checkpoint_id = id};
    if (!id.empty()) progress.checkpoint_epoch = worker.epoch;
    Send(worker, Report{.lease = worker.job->lease, .outcome = progress},
         [this, &worker](const absl::StatusOr<Answer>& answer) {
           if (MustDrop(answer)) return AskForWork(worker);
           if (worker.epoch == worker.job->to_epoch) return FinishLate(worker);
           worker.unsent.clear();
           TrainOneEpoch(worker);
         });
  });
}

// The last epoch is known, and its result either comes after it or is lost with the process.
void Simulation::FinishLate(SimWorker& worker) {
  if (dice_.Chance(0.5)) return ReportResult(worker);
  ReportFinal(worker, Failed{.reason = "killed at the end", .retryable = true});
}

void Simulation::ReportFinal(SimWorker& worker, const Outcome& outcome) {
  Send(worker, Report{.lease = worker.job->lease, .outcome = outcome},
       [this, &worker, outcome](const absl::StatusOr<Answer>& answer) {
         if (!MustDrop(answer) && std::holds_alternative<Completed>(outcome)) {
           const LeaseKey& lease = worker.job->lease;
           acknowledged_.insert({lease.study, lease.trial, lease.attempt});
         }
         if (std::holds_alternative<Returned>(outcome)) return StartWorker(worker);
         AskForWork(worker);
       });
}

// Whether the work is void. Any refusal but that of a lease that is over is a fault of the rules.
bool Simulation::MustDrop(const absl::StatusOr<Answer>& answer) {
  if (answer.ok()) return answer->stop;
  if (!absl::IsFailedPrecondition(answer.status())) Stop(answer.status());
  return true;
}

void Simulation::CheckAcknowledged() {
  result_.acknowledged = static_cast<int64_t>(acknowledged_.size());
  for (const Event& event : result_.events) {
    const auto* reported = std::get_if<TrialReported>(&event);
    if (reported == nullptr) continue;
    acknowledged_.erase({reported->study, reported->trial, reported->attempt});
  }
  if (acknowledged_.empty()) return;
  const auto [study, trial, attempt] = *acknowledged_.begin();
  Stop(absl::DataLossError(absl::StrCat("the result of study ", study, " trial ", trial,
                                        " attempt ", attempt, " was acknowledged and is lost")));
}

void Simulation::CheckFiles() {
  const std::vector<std::string> needed = scheduler_.NeededCheckpoints();
  if (files_ == absl::btree_set<std::string>(needed.begin(), needed.end())) return;
  Stop(absl::InternalError(absl::StrCat("the server holds ", files_.size(),
                                        " checkpoint files, and trials may need ", needed.size())));
}

// ---- people

void Simulation::People() {
  // Whoever calls a server that stands still calls it again.
  if (IsFrozen()) return At(frozen_until_ + kRetryAfter, [this] { People(); });
  std::vector<StudyUid> uids;
  for (const auto& [uid, study] : scheduler_.studies()) uids.push_back(uid);
  for (const StudyUid uid : uids) {
    const Study& study = *scheduler_.FindStudy(uid);
    const std::string name = study.spec().name;
    if (study.state() == StudyState::kCompleted) Extend(study);
    if (study.state() == StudyState::kPaused) (void)Execute(ResumeStudy{.name = name});
    if (!dice_.Chance(options_.faults.pause) || study.state() != StudyState::kRunning) continue;
    (void)Execute(PauseStudy{.name = name});
  }
  After(kPeopleLookEvery * dice_.Between(1, 10), [this] { People(); });
}

void Simulation::Extend(const Study& study) {
  if (extended_[study.uid()] >= options_.extensions) return;
  ++extended_[study.uid()];
  Limits limits = study.spec().limits;
  if (limits.max_evaluations > 0) limits.max_evaluations += 7;
  if (limits.max_rounds > 0) limits.max_rounds += 1;
  if (limits.max_total_epochs > 0) limits.max_total_epochs += 20;
  if (limits.max_wall_time > absl::ZeroDuration()) limits.max_wall_time += absl::Minutes(10);
  if (limits.target_error.has_value()) *limits.target_error /= 2;
  limits.no_improvement.trials *= 2;
  const absl::StatusOr<Answer> answer =
      Execute(ExtendStudy{.name = study.spec().name, .limits = limits});
  if (!answer.ok()) Stop(answer.status());
}

}  // namespace

SimFaults SimFaults::Rough() {
  return {.lose_request = 0.05,
          .lose_answer = 0.05,
          .repeat = 0.05,
          .restart = 0.003,
          .lose_commit = 0.003,
          .freeze = 0.005,
          .fill_disk = 0.005,
          .stall = 0.08,
          .crash = 0.03,
          .leave = 0.03,
          .fail = 0.03,
          .fail_for_good = 0.01,
          .diverge = 0.1,
          .no_checkpoint = 0.2,
          .unusable_checkpoint = 0.1,
          .pause = 0.1};
}

SimResult Simulate(const SimOptions& options) { return Simulation(options).Run(); }

}  // namespace halving
