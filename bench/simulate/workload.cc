#include "bench/simulate/workload.h"

#include <algorithm>
#include <cmath>
#include <queue>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "bench/simulate/chance.h"
#include "common/check.h"
#include "common/random.h"
#include "common/status.h"
#include "server/core/commands.h"
#include "server/core/scheduler.h"

namespace halving {
namespace {

// The shortest time that is still exact enough: then the longest lease outlasts any run, nothing
// has to be renewed, and the scheduler's ticks, one a second, cost nothing.
constexpr absl::Duration kUnit = absl::Microseconds(100);
constexpr absl::Duration kLease = absl::Hours(24);
constexpr double kMostUnits = 8.6e8;  // A day.
constexpr absl::Duration kForEver = absl::Hours(24 * 365);
constexpr int32_t kAttempts = 1000;  // No trial fails for good.

constexpr uint64_t kTimeStream = 0x74696d65;
constexpr uint64_t kLossStream = 0x6c6f7373;

// Workload is one run. Thread-compatible.
class Workload {
 public:
  explicit Workload(const WorkloadOptions& options) : options_(options) {}
  absl::StatusOr<WorkloadResult> Run();

 private:
  struct Worker {
    std::string id;
    LeaseKey lease;
    double start = 0;
    int64_t from_epoch = 0;
    int64_t to_epoch = 0;
    int32_t seed = 0;
    double part = 1;  // Of the job that is done before it is lost; 1 for one that is not.
  };
  // Attempts of a trial at the rung where it is now.
  struct Tries {
    int64_t to_epoch = 0;
    uint64_t count = 0;
  };
  struct Due {
    double time = 0;
    size_t worker = 0;
    bool operator>(const Due& other) const {
      return std::pair(time, worker) > std::pair(other.time, other.worker);
    }
  };

  absl::Time Now() const { return absl::UnixEpoch() + now_ * kUnit; }
  void AdvanceTo(double time);
  absl::Status Create();
  Answer Execute(const Command& command);
  // Whether there was something for it.
  bool Ask(size_t worker);
  void Begin(size_t worker, const Assignment& assignment);
  // False ends the run.
  bool Finish(Worker& worker);
  void Complete(const Worker& worker);
  bool MayAsk() const;
  // Those that found nothing to do look again.
  void WakeIdle();
  void Summarise();

  const WorkloadOptions& options_;
  Scheduler scheduler_;
  const Study* study_ = nullptr;
  double now_ = 0;
  std::vector<Worker> workers_;
  std::vector<size_t> idle_;
  std::vector<Tries> tries_;  // By trial.
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::vector<Event> events_;  // Of the last command.
  double busy_ = 0;
  int64_t checkpoints_ = 0;
  int64_t resumed_ = 0;  // Jobs that began from one, which is kept in case they are lost.
  double checkpoint_time_ = 0;
  WorkloadResult result_;
};

absl::Status Workload::Create() {
  StudySpec spec = options_.spec;
  if (spec.name.empty()) spec.name = "simulated";
  spec.objective = "simulated";
  spec.lease = kLease;
  spec.max_attempts = kAttempts;
  // A study must have a limit; this one is never reached.
  if (spec.limits == Limits{}) spec.limits.max_wall_time = kForEver;
  HV_ASSIGN_OR_RETURN(spec, Normalise(std::move(spec)));
  const std::string name = spec.name;
  const CreateStudy create{.spec = std::move(spec)};
  HV_RETURN_IF_ERROR(scheduler_.Execute(create, Now(), &events_).status());
  study_ = scheduler_.FindStudy(name);
  return absl::OkStatus();
}

absl::StatusOr<WorkloadResult> Workload::Run() {
  HV_RETURN_IF_ERROR(Create());
  workers_.resize(static_cast<size_t>(options_.workers));
  for (size_t i = 0; i < workers_.size(); ++i) {
    workers_[i].id = absl::StrCat("w", i);
    idle_.push_back(i);
  }
  WakeIdle();
  while (!due_.empty() && due_.top().time <= options_.max_time) {
    const Due due = due_.top();
    due_.pop();
    if (due.time > kMostUnits) {
      return absl::OutOfRangeError(
          absl::StrCat("the run has lasted ", now_,
                       " units of virtual time, and leases no longer; "
                       "give it an end: max_time, max_epochs_spent or a limit of the study"));
    }
    AdvanceTo(due.time);
    if (!Finish(workers_[due.worker]) || study_->ended()) break;
    // Whoever has just reported asks first.
    idle_.insert(idle_.begin(), due.worker);
    WakeIdle();
  }
  Summarise();
  return std::move(result_);
}

void Workload::AdvanceTo(double time) {
  result_.most_resting_checkpoints =
      std::max(result_.most_resting_checkpoints, checkpoints_ - resumed_);
  checkpoint_time_ += static_cast<double>(checkpoints_) * (time - now_);
  now_ = time;
}

Answer Workload::Execute(const Command& command) {
  events_.clear();
  absl::StatusOr<Answer> answer = scheduler_.Execute(command, Now(), &events_);
  HV_CHECK(answer.ok()) << answer.status();  // Nothing is late or repeated here.
  checkpoints_ -= static_cast<int64_t>(scheduler_.TakeDropped().size());
  result_.most_checkpoints = std::max(result_.most_checkpoints, checkpoints_);
  return *std::move(answer);
}

// The next hand-out would be of the round that is under way, or there is none.
bool Workload::MayAsk() const {
  if (!options_.strict || study_->queued() > 0) return true;
  const bool inside_round = study_->trials() % study_->ladder().size(0) != 0;
  return inside_round || study_->running().empty();
}

void Workload::WakeIdle() {
  size_t woken = 0;
  while (woken < idle_.size() && !study_->ended() && MayAsk()) {
    if (!Ask(idle_[woken])) break;  // Nothing there for the others either.
    ++woken;
  }
  idle_.erase(idle_.begin(), idle_.begin() + static_cast<std::ptrdiff_t>(woken));
}

bool Workload::Ask(size_t worker) {
  ++result_.asks;
  const Answer answer = Execute(
      halving::Ask{.worker = workers_[worker].id, .request_id = absl::StrCat(result_.asks)});
  if (answer.assignment.has_value()) Begin(worker, *answer.assignment);
  return answer.assignment.has_value();
}

void Workload::Begin(size_t index, const Assignment& assignment) {
  Worker& worker = workers_[index];
  worker.lease = assignment.lease;
  worker.start = now_;
  worker.from_epoch = assignment.from_epoch;
  worker.to_epoch = assignment.to_epoch;
  worker.seed = assignment.seed;
  if (worker.from_epoch > 0) ++resumed_;
  const auto trial = static_cast<size_t>(assignment.lease.trial);
  if (tries_.size() <= trial) tries_.resize(trial + 1);
  Tries& tries = tries_[trial];
  if (tries.to_epoch != assignment.to_epoch) tries = {.to_epoch = assignment.to_epoch};
  const uint64_t job = MixBits(trial, static_cast<uint64_t>(assignment.to_epoch), ++tries.count);
  const uint64_t seed = options_.spec.seed;
  double length = static_cast<double>(assignment.to_epoch - assignment.from_epoch);
  if (options_.time_noise > 0) {
    length *= 1 + std::fabs(options_.time_noise * Normal(MixBits(seed, kTimeStream, job)));
  }
  const double lost_after =
      FirstEvent(options_.loss, UnitInterval(MixBits(seed, kLossStream, job)));
  worker.part = std::min(1.0, lost_after / length);
  due_.push({now_ + std::min(length, lost_after), index});
}

bool Workload::Finish(Worker& worker) {
  if (worker.from_epoch > 0) --resumed_;
  busy_ += now_ - worker.start;
  const auto epochs = static_cast<double>(worker.to_epoch - worker.from_epoch);
  result_.epochs_spent += static_cast<int64_t>(worker.part * epochs);
  if (worker.part < 1) {
    ++result_.lost_jobs;
    Execute(Report{.lease = worker.lease, .outcome = Failed{.reason = "lost", .retryable = true}});
  } else {
    Complete(worker);
    if (options_.on_result && !options_.on_result(result_.evaluations.back(), *study_)) {
      return false;
    }
  }
  return result_.epochs_spent < options_.max_epochs_spent;
}

void Workload::Complete(const Worker& worker) {
  const Trial& trial = *study_->FindTrial(worker.lease.trial);
  const int rung = trial.rung;
  const double error =
      options_.error(trial.config, worker.to_epoch, static_cast<uint64_t>(worker.seed));
  std::string checkpoint;
  if (options_.checkpoints) {
    ++checkpoints_;
    checkpoint = Execute(StoreCheckpoint{.lease = worker.lease,
                                         .epoch = worker.to_epoch,
                                         .bytes = 1,
                                         .sha256 = std::string(32, '\0')})
                     .checkpoint_id;
  }
  Execute(Report{.lease = worker.lease,
                 .outcome = Completed{.error = error, .checkpoint_id = std::move(checkpoint)}});
  if (rung == study_->ladder().top()) ++result_.trained_fully;
  result_.evaluations.push_back({.time = now_,
                                 .epochs_spent = result_.epochs_spent,
                                 .trial = worker.lease.trial,
                                 .rung = rung,
                                 .epochs = worker.to_epoch,
                                 .error = error});
}

void Workload::Summarise() {
  const bool cut = !due_.empty() && due_.top().time > options_.max_time;
  if (cut) AdvanceTo(options_.max_time);
  result_.end_time = now_;
  // What runs on at the end counts up to there.
  for (; !due_.empty(); due_.pop()) busy_ += result_.end_time - workers_[due_.top().worker].start;
  const double total = result_.end_time * static_cast<double>(workers_.size());
  result_.busy_share = total > 0 ? busy_ / total : 0;
  result_.mean_checkpoints = now_ > 0 ? checkpoint_time_ / now_ : 0;
}

}  // namespace

absl::StatusOr<WorkloadResult> RunWorkload(const WorkloadOptions& options) {
  return Workload(options).Run();
}

}  // namespace halving
