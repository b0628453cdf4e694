#include "server/engine/engine.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/status.h"
#include "server/core/study_of.h"

namespace halving {
namespace {

// A batch that comes that much later than it was wanted shows that the process stood still.
constexpr absl::Duration kOwnPause = absl::Seconds(5);
// More than any cluster has workers, or people; past them something asks in a loop.
constexpr size_t kMaxWaitingAsks = 100'000;
constexpr size_t kMaxWatches = 10'000;
constexpr size_t kMaxCopies = 4;
constexpr absl::Duration kRetryAppendAfter = absl::Seconds(1);
// How long a caller carries out what others posted, too.
constexpr absl::Duration kTurnOfCaller = absl::Milliseconds(1);
// How long the engine's thread then leaves the turn to another caller, who needs no waking.
constexpr absl::Duration kLeftToCallers = absl::Microseconds(200);
// Between two slices of a compaction, each of some milliseconds: it must not be noticed.
constexpr absl::Duration kCompactionRest = absl::Milliseconds(20);
// For work of that kind; sooner where studies are to be compacted sooner after their end.
constexpr absl::Duration kLookAfterStart = absl::Minutes(1);
constexpr absl::Duration kLookEvery = absl::Minutes(10);
constexpr absl::Duration kLookAtMost = absl::Seconds(1);

// Whether an ask that was in vain may get a trial after it. To hand one out takes work away.
bool MayMakeWork(const Event& event) {
  return IsDurable(event) && !std::holds_alternative<WorkerStarted>(event) &&
         !std::holds_alternative<TrialSampled>(event) &&
         !std::holds_alternative<TrialLeased>(event);
}

absl::Status TooManyWait(size_t count, absl::string_view what) {
  return absl::ResourceExhaustedError(
      absl::StrCat(count, " ", what, " wait already, the most that this server holds; try later"));
}

absl::Status CallerWentAway() { return absl::CancelledError("the caller went away"); }

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Create(Journal* journal, Clock* clock,
                                                       const Options& options) {
  auto engine = std::unique_ptr<Engine>(new Engine(journal, clock, options));
  HV_RETURN_IF_ERROR(journal->Replay([&engine](const Event& event) {
    // One that a replay gives no more than the end of is compacted already.
    const auto* deleted = std::get_if<StudyDeleted>(&event);
    if (deleted != nullptr && engine->scheduler_.FindStudy(deleted->study) != nullptr) {
      engine->deleted_.insert(deleted->study);
    }
    engine->scheduler_.Apply(event);
  }));
  const std::vector<StudyUid> compacted = journal->CompactedStudies();
  engine->compacted_.insert(compacted.begin(), compacted.end());
  engine->scheduler_.TakeDropped();  // Whoever keeps the bytes looks for himself at a start.
  engine->now_ = clock->Now();
  engine->scheduler_.Recover(engine->now_);
  if (journal->IsCompactable()) {
    engine->compact_at_ = engine->now_ + std::min(kLookAfterStart, options.compact_after);
  }
  engine->whole_ = true;
  engine->wake_ = engine->NextWake();
  return engine;
}

Engine::~Engine() { Stop(); }

void Engine::Enqueue(Posted posted) {
  MutexLock lock(&mu_);
  posted_.push_back(std::move(posted));
  if (!in_turn_) work_.NotifyOne();
}

void Engine::EnqueueAndRun(Posted posted) {
  {
    MutexLock lock(&mu_);
    posted_.push_back(std::move(posted));
    if (in_turn_ || !started_ || stopping_) return;
    in_turn_ = true;
  }
  // Its own answer is not sent before this returns, so that the turn must end.
  const absl::Time end = clock_->Now() + kTurnOfCaller;
  do {
    RunOnce(/*slices=*/false);
  } while (!EndTurn(/*hand_over=*/clock_->Now() >= end));
}

void Engine::Post(Command command, Done done) {
  Posted posted;
  posted.command = std::move(command);
  posted.done = std::move(done);
  Enqueue(std::move(posted));
}

void Engine::PostAsk(Ask ask, absl::Duration wait, Gone gone, Done done) {
  Posted posted;
  posted.kind = Posted::Kind::kAsk;
  posted.ask = std::move(ask);
  posted.wait = wait;
  posted.gone = std::move(gone);
  posted.done = std::move(done);
  EnqueueAndRun(std::move(posted));
}

void Engine::PostReport(Report report, std::optional<Ask> next, absl::Duration wait, Gone gone,
                        Done done) {
  Posted posted;
  posted.kind = Posted::Kind::kReport;
  posted.command = std::move(report);
  posted.ask = std::move(next);
  posted.wait = wait;
  posted.gone = std::move(gone);
  posted.done = std::move(done);
  EnqueueAndRun(std::move(posted));
}

void Engine::PostRead(ReadDone done) {
  Posted posted;
  posted.kind = Posted::Kind::kRead;
  posted.read_done = std::move(done);
  Enqueue(std::move(posted));
}

void Engine::PostWatch(std::string study, uint64_t version, absl::Time earliest, Gone gone,
                       ReadDone done) {
  Posted posted;
  posted.kind = Posted::Kind::kWatch;
  posted.study = std::move(study);
  posted.version = version;
  posted.earliest = earliest;
  posted.gone = std::move(gone);
  posted.read_done = std::move(done);
  Enqueue(std::move(posted));
}

void Engine::PostBackup(Gone gone, BackupDone done) {
  Posted posted;
  posted.kind = Posted::Kind::kBackup;
  posted.gone = std::move(gone);
  posted.backup_done = std::move(done);
  Enqueue(std::move(posted));
}

void Engine::Sweep() {
  MutexLock lock(&mu_);
  poked_ = true;
  work_.NotifyOne();
}

void Engine::Drain() {
  MutexLock lock(&mu_);
  draining_ = true;
  poked_ = true;
  work_.NotifyOne();
}

void Engine::Start() {
  {
    MutexLock lock(&mu_);
    started_ = true;
  }
  thread_ = std::thread([this] { Loop(); });
}

void Engine::Stop() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    draining_ = true;
    work_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
  if (!whole_) return;  // What was read in part would decide on that part.
  // What came in the meantime, also from the callbacks; with Start() never called, everything.
  do {
    RunOnce();
  } while (HasPosted());
  on_health_ = nullptr;
  on_dropped_ = nullptr;
  observers_.clear();
}

bool Engine::HasPosted() {
  MutexLock lock(&mu_);
  return !posted_.empty();
}

void Engine::Loop() {
  while (AwaitTurn()) RunTurn();
}

bool Engine::AwaitTurn() {
  MutexLock lock(&mu_);
  while (true) {
    asleep_until_ = absl::InfiniteFuture();
    if (in_turn_) {
      work_.Wait(&mu_);
      continue;
    }
    if (stopping_ && posted_.empty()) return false;
    if (handed_over_ && !stopping_) {
      handed_over_ = false;
      work_.WaitFor(&mu_, kLeftToCallers);
      continue;
    }
    const absl::Duration rest = wake_ - clock_->Now();
    if (!posted_.empty() || poked_ || rest <= absl::ZeroDuration()) break;
    asleep_until_ = wake_;
    work_.WaitFor(&mu_, rest);
  }
  in_turn_ = true;
  return true;
}

void Engine::RunTurn() {
  do {
    RunOnce(/*slices=*/true);
  } while (!EndTurn(/*hand_over=*/false));
}

bool Engine::EndTurn(bool hand_over) {
  MutexLock lock(&mu_);
  const bool more = !posted_.empty() || poked_;
  if (more && !hand_over) return false;
  in_turn_ = false;
  handed_over_ = more;
  if (more || wake_ < asleep_until_ || stopping_) work_.NotifyOne();
  return true;
}

void Engine::RunOnce(bool slices) {
  std::vector<Posted> batch;
  {
    MutexLock lock(&mu_);
    batch.swap(posted_);
    drained_ = draining_;
    swept_ = swept_ || poked_;
    poked_ = false;
  }
  RunBatch(std::move(batch), slices);
  wake_ = NextWake();
}

void Engine::RunBatch(std::vector<Posted> batch, bool slices) {
  const absl::Time before = now_;
  now_ = std::max(now_, clock_->Now());
  if (!held_.empty()) {
    RetryAppend();
    if (!held_.empty()) return Refuse(std::move(batch));
  }
  Tend(before);
  for (Posted& posted : batch) Carry(std::move(posted));
  ServeWaiting();
  DropWaiting();
  Commit();
  AnswerReady();
  ServeWatches();
  if (slices) {
    StepBackup();
    StepCompaction();
  }
  if (held_.empty()) swept_ = false;
  events_.clear();
  looked_at_ = 0;
}

// What time alone brings; the last batch was at `before`.
void Engine::Tend(absl::Time before) {
  // Nobody could report while this process stood still or its disk was full: the leases get that
  // time back. When it began to stand still is not known, but not before the last batch.
  absl::Duration lost;
  if (now_ - wake_ > kOwnPause) lost = now_ - before;
  if (held_since_ != absl::InfiniteFuture()) lost = now_ - held_since_;
  held_since_ = absl::InfiniteFuture();
  if (lost > absl::ZeroDuration() || scheduler_.NextDue() <= now_) {
    HV_CHECK(scheduler_.Execute(Tick{.paused_for = lost}, now_, &events_).ok());
  }
}

void Engine::Carry(Posted posted) {
  if (posted.IsGone() && posted.kind != Posted::Kind::kReport) {
    return RefuseOne(posted, CallerWentAway());
  }
  switch (posted.kind) {
    case Posted::Kind::kRead:
      reads_.push_back(std::move(posted));
      return;
    case Posted::Kind::kWatch:
      if (watchers_ >= kMaxWatches) {
        return RefuseOne(posted, TooManyWait(watchers_, "watches"));
      }
      ++watchers_;
      watches_[posted.study].push_back(std::move(posted));
      return;
    case Posted::Kind::kBackup:
      return StartBackup(std::move(posted));
    case Posted::Kind::kAsk:
      return CarryAsk(std::move(posted), std::nullopt);
    case Posted::Kind::kCommand:
    case Posted::Kind::kReport:
      break;
  }
  absl::StatusOr<Answer> answer = scheduler_.Execute(posted.command, now_, &events_);
  if (!answer.ok()) {
    ready_.push_back({std::move(posted.done), std::move(answer).status()});
  } else if (posted.ask.has_value()) {
    CarryAsk(std::move(posted), *std::move(answer));
  } else {
    ready_.push_back({std::move(posted.done), Reply{.answer = *std::move(answer)}});
  }
}

void Engine::CarryAsk(Posted posted, std::optional<Answer> reported) {
  ServeWaiting();  // They came first.
  WaitingAsk ask{.ask = *std::move(posted.ask),
                 .after_report = reported.has_value(),
                 .deadline = now_ + posted.wait,
                 .gone = std::move(posted.gone),
                 .done = std::move(posted.done)};
  if (reported.has_value()) ask.reply.answer = *std::move(reported);
  if (drained_) {
    AnswerDraining(ask);
  } else if (!Serve(ask)) {
    if (waiting_.size() >= kMaxWaitingAsks) {
      return RefuseAsk(ask, TooManyWait(waiting_.size(), "asks"));
    }
    ask.reply.waited = true;
    waiting_.Add(std::move(ask));
  }
}

// Makes the answer ready if there is one already; else the ask has to wait.
bool Engine::Serve(WaitingAsk& waiting) {
  if (waiting.IsGone()) {
    RefuseAsk(waiting, CallerWentAway());
    return true;
  }
  absl::StatusOr<Answer> answer = scheduler_.Execute(waiting.ask, now_, &events_);
  if (!answer.ok()) {
    RefuseAsk(waiting, std::move(answer).status());
    return true;
  }
  waiting.reply.asked = true;
  waiting.reply.assignment = std::move(answer->assignment);
  if (!waiting.reply.assignment.has_value() && !answer->over && waiting.deadline > now_) {
    return false;
  }
  ready_.push_back({std::move(waiting.done), std::move(waiting.reply)});
  return true;
}

// A report before the ask counted all the same; its answer then says nothing of the ask.
void Engine::RefuseAsk(WaitingAsk& waiting, absl::Status status) {
  waiting.reply.asked = false;
  if (waiting.after_report) {
    ready_.push_back({std::move(waiting.done), std::move(waiting.reply)});
  } else {
    ready_.push_back({std::move(waiting.done), std::move(status)});
  }
}

void Engine::AnswerDraining(WaitingAsk& waiting) {
  waiting.reply.asked = true;
  waiting.reply.draining = true;
  ready_.push_back({std::move(waiting.done), std::move(waiting.reply)});
}

// Whether work may have come up since this was asked last.
bool Engine::HasNews() {
  const auto since = events_.begin() + static_cast<int64_t>(looked_at_);
  const bool news = std::any_of(since, events_.end(), MayMakeWork);
  looked_at_ = events_.size();
  return news;
}

void Engine::ServeWaiting() {
  while (!drained_ && !waiting_.empty() && HasNews()) {
    waiting_.Offer([this](WaitingAsk& ask) { return Serve(ask); });
  }
}

void Engine::DropWaiting() {
  if (drained_ || swept_) {
    waiting_.TakeIf([this](WaitingAsk& ask) {
      if (ask.IsGone()) {
        RefuseAsk(ask, CallerWentAway());
      } else if (drained_) {
        AnswerDraining(ask);
      } else {
        return false;
      }
      return true;
    });
  }
  // Asked once more: it may be the same ask as one before it that has been served meanwhile.
  waiting_.TakeDue(now_, [this](WaitingAsk& ask) { Serve(ask); });
}

void Engine::Commit() {
  std::vector<Event> durable;
  for (Event& event : events_) {
    if (IsDurable(event)) durable.push_back(std::move(event));
  }
  if (durable.empty()) return;
  for (const Event& event : durable) TrackCompaction(event);
  const absl::Time begin = clock_->Now();
  const absl::Status status = journal_->Append(durable);
  if (status.ok()) return TellCommitted(durable, begin);
  // Anything but a full disk leaves it unknown what was written: end, and let a restart find out.
  HV_CHECK(absl::IsResourceExhausted(status)) << "the journal cannot be written: " << status;
  held_ = std::move(durable);
  held_status_ = absl::UnavailableError(absl::StrCat(
      "the server cannot write its journal until there is room on its disk; it retries "
      "each second. Send the same request again later. ",
      status.message()));
  held_since_ = now_;
  retry_at_ = now_ + kRetryAppendAfter;
  if (on_health_) on_health_(false);
}

void Engine::RetryAppend() {
  if (now_ < retry_at_) return;
  const absl::Time begin = clock_->Now();
  const absl::Status status = journal_->Append(held_);
  HV_CHECK(status.ok() || absl::IsResourceExhausted(status))
      << "the journal cannot be written: " << status;
  retry_at_ = now_ + kRetryAppendAfter;
  if (!status.ok()) return;
  const std::vector<Event> durable = std::exchange(held_, {});
  retry_at_ = absl::InfiniteFuture();
  TellCommitted(durable, begin);
  if (on_health_) on_health_(true);
}

void Engine::TellCommitted(const std::vector<Event>& events, absl::Time begin) {
  const absl::Duration took = clock_->Now() - begin;
  for (EngineObserver* observer : observers_) observer->OnCommitted(events, took);
  TellDropped();
}

void Engine::TellDropped() {
  const std::vector<std::string> dropped = scheduler_.TakeDropped();
  if (!dropped.empty() && on_dropped_) on_dropped_(dropped);
}

// While events are held, memory is ahead of the disk: nothing may be decided on it, nor shown.
void Engine::Refuse(std::vector<Posted> batch) {
  for (Posted& posted : batch) RefuseOne(posted, held_status_);
  for (auto& [study, watches] : watches_) {
    for (Posted& watch : watches) RefuseOne(watch, held_status_);
  }
  watches_.clear();
  watchers_ = 0;
  waiting_.TakeIf([this](WaitingAsk& waiting) {
    waiting.done(held_status_, Look());
    return true;
  });
}

void Engine::RefuseOne(Posted& posted, const absl::Status& status) {
  if (posted.backup_done) return posted.backup_done(status);
  if (posted.read_done) return posted.read_done(status, Look());
  posted.done(status, Look());
}

void Engine::StartBackup(Posted posted) {
  std::erase_if(copies_, [](const auto& copy) { return copy.expired(); });
  if (copying_.has_value() || copies_.size() >= kMaxCopies) {
    return RefuseOne(
        posted, absl::ResourceExhaustedError(absl::StrCat(
                    copies_.size(), " backups are being fetched and ", copying_.has_value() ? 1 : 0,
                    " is being made; one is made at a time, and at most ", kMaxCopies,
                    " are kept until they are fetched. Try again later")));
  }
  copying_ = std::move(posted);
}

// A slice of the copy. The batch is on disk by now, so that the copy never knows more than the
// journal.
void Engine::StepBackup() {
  if (!copying_.has_value()) return;
  if (copying_->IsGone()) return EndBackup(CallerWentAway());
  if (drained_) return EndBackup(absl::UnavailableError("the server is going down; try again"));
  if (!held_.empty()) return EndBackup(held_status_);
  if (copy_ == nullptr) {
    absl::StatusOr<std::unique_ptr<JournalBackup>> started = journal_->StartBackup();
    if (!started.ok()) return EndBackup(std::move(started).status());
    copy_ = *std::move(started);
  }
  const absl::StatusOr<bool> whole = copy_->Step();
  if (!whole.ok()) return EndBackup(whole.status());
  if (*whole) EndBackup(copy_);
}

void Engine::EndBackup(absl::StatusOr<Backup> backup) {
  if (backup.ok()) copies_.push_back(copy_);
  copy_ = nullptr;
  Posted posted = *std::move(copying_);
  copying_.reset();
  posted.backup_done(std::move(backup));
}

// What is appended of a study while its packs are made would come before them in a replay.
void Engine::TrackCompaction(const Event& event) {
  const StudyUid study = StudyOf(event);
  if (compaction_ != nullptr && compacting_.erase(study) > 0) compaction_->Exclude(study);
  if (std::holds_alternative<StudyExtended>(event)) compacted_.erase(study);
  if (!std::holds_alternative<StudyDeleted>(event)) return;
  compacted_.erase(study);
  deleted_.insert(study);
}

absl::Duration Engine::LookEvery() const {
  return std::min(kLookEvery, std::max(kLookAtMost, options_.compact_after));
}

CompactionPlan Engine::PlanCompaction() const {
  CompactionPlan plan{.deleted = {deleted_.begin(), deleted_.end()}};
  for (const auto& [uid, study] : scheduler_.studies()) {
    if (study->ended() && *study->end_time() + options_.compact_after <= now_ &&
        !compacted_.contains(uid)) {
      plan.ended.push_back(uid);
    }
  }
  return plan;
}

void Engine::StartCompaction() {
  compact_at_ = now_ + LookEvery();
  // What another one left is swept up first: that makes room.
  const CompactionPlan plan = journal_->CompactionPending() ? CompactionPlan{} : PlanCompaction();
  if (plan.ended.empty() && plan.deleted.empty() && !journal_->CompactionPending()) return;
  absl::StatusOr<std::unique_ptr<JournalCompaction>> started = journal_->StartCompaction(plan);
  if (absl::IsResourceExhausted(started.status())) return;
  HV_CHECK(started.ok()) << "the journal cannot be compacted: " << started.status();
  compaction_ = *std::move(started);
  compacting_ = {plan.ended.begin(), plan.ended.end()};
  removing_ = std::exchange(deleted_, {});
  compact_at_ = now_;
}

// A slice, once what was asked for is on disk and answered.
void Engine::StepCompaction() {
  if (now_ < compact_at_ || drained_ || !held_.empty() || copying_.has_value()) return;
  if (compaction_ == nullptr) return StartCompaction();
  const absl::StatusOr<bool> done = compaction_->Step();
  // A full disk is no reason to end: the next look finds what is left to do.
  HV_CHECK(done.ok() || absl::IsResourceExhausted(done.status()))
      << "the journal cannot be compacted: " << done.status();
  compact_at_ = clock_->Now() + kCompactionRest;
  if (done.ok() && !*done) return;
  compaction_ = nullptr;
  compact_at_ = now_ + LookEvery();
  if (done.ok() || journal_->CompactionPending()) {  // Then it came beyond its mark.
    compacted_.merge(compacting_);
  } else {
    deleted_.merge(removing_);
  }
}

void Engine::AnswerReady() {
  const bool held = !held_.empty();
  for (Ready& ready : ready_) {
    ready.done(held ? absl::StatusOr<Reply>(held_status_) : std::move(ready.reply), Look());
  }
  for (Posted& read : reads_) read.read_done(held ? held_status_ : absl::OkStatus(), Look());
  ready_.clear();
  reads_.clear();
}

bool Engine::WatchIsDue(const Posted& watch, const Study* study) const {
  if (drained_ || study == nullptr || (swept_ && watch.IsGone())) return true;
  return study->version() != watch.version && watch.earliest <= now_;
}

void Engine::AnswerWatch(Posted& watch, const Study* study) {
  if (watch.IsGone()) return watch.read_done(CallerWentAway(), Look());
  if (study == nullptr) {
    return watch.read_done(
        absl::NotFoundError(absl::StrCat("there is no study \"", watch.study, "\"")), Look());
  }
  watch.read_done(
      drained_ ? absl::UnavailableError("the server is going down; watch again") : absl::OkStatus(),
      Look());
}

void Engine::ServeWatches() {
  if (!held_.empty()) return;
  for (auto at = watches_.begin(); at != watches_.end();) {
    const Study* study = scheduler_.FindStudy(at->first);
    std::vector<Posted>& watches = at->second;
    const auto due =
        std::stable_partition(watches.begin(), watches.end(),
                              [&](const Posted& watch) { return !WatchIsDue(watch, study); });
    for (auto watch = due; watch != watches.end(); ++watch) AnswerWatch(*watch, study);
    watchers_ -= static_cast<size_t>(watches.end() - due);
    watches.erase(due, watches.end());
    at = watches.empty() ? watches_.erase(at) : std::next(at);
  }
}

absl::Time Engine::NextWake() const {
  if (!held_.empty()) return retry_at_;
  if (copying_.has_value()) return now_;
  absl::Time wake = std::min(scheduler_.NextDue(), waiting_.NextDeadline());
  const bool may_compact = compaction_ != nullptr || !scheduler_.studies().empty() ||
                           !deleted_.empty() || journal_->CompactionPending();
  if (may_compact && !drained_) wake = std::min(wake, compact_at_);
  for (const auto& [name, watches] : watches_) {
    const Study* study = scheduler_.FindStudy(name);
    for (const Posted& watch : watches) {
      if (study != nullptr && study->version() != watch.version) {
        wake = std::min(wake, watch.earliest);
      }
    }
  }
  return wake;
}

}  // namespace halving
