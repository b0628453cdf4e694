#include "server/engine/engine.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/status.h"

namespace halving {
namespace {

// A batch that comes that much later than it was wanted shows that the process stood still.
constexpr absl::Duration kOwnPause = absl::Seconds(5);
constexpr absl::Duration kRetryAppendAfter = absl::Seconds(1);

bool ChangesStudies(const Event& event) {
  return IsDurable(event) && !std::holds_alternative<WorkerStarted>(event);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Create(Journal* journal, Clock* clock) {
  auto engine = std::unique_ptr<Engine>(new Engine(journal, clock));
  HV_RETURN_IF_ERROR(
      journal->Replay([&engine](const Event& event) { engine->scheduler_.Apply(event); }));
  engine->now_ = clock->Now();
  engine->scheduler_.Recover(engine->now_);
  return engine;
}

Engine::~Engine() { Stop(); }

void Engine::Enqueue(Posted posted) {
  MutexLock lock(&mu_);
  posted_.push_back(std::move(posted));
  work_.NotifyOne();
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
  Enqueue(std::move(posted));
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
  Enqueue(std::move(posted));
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
  RunOnce();  // What came in the meantime; with Start() never called, everything.
}

void Engine::Loop() {
  while (true) {
    {
      MutexLock lock(&mu_);
      while (posted_.empty() && !poked_ && !stopping_) {
        const absl::Duration rest = wake_ - clock_->Now();
        if (rest <= absl::ZeroDuration()) break;
        work_.WaitFor(&mu_, rest);
      }
      if (stopping_ && posted_.empty()) return;
    }
    RunOnce();
  }
}

void Engine::RunOnce() {
  std::vector<Posted> batch;
  {
    MutexLock lock(&mu_);
    batch.swap(posted_);
    drained_ = draining_;
    poked_ = false;
  }
  RunBatch(std::move(batch));
  wake_ = NextWake();
}

void Engine::RunBatch(std::vector<Posted> batch) {
  now_ = std::max(now_, clock_->Now());
  if (!held_.empty()) {
    RetryAppend();
    if (!held_.empty()) return Refuse(std::move(batch));
  }
  Tend();
  for (Posted& posted : batch) Carry(std::move(posted));
  DropWaiting(drained_);
  ServeWaiting();
  Commit();
  AnswerReady();
  ServeWatches();
  events_.clear();
}

// What time alone brings.
void Engine::Tend() {
  const absl::Duration late = now_ - wake_;
  if (late > kOwnPause) {
    // Nobody could report while this process stood still: the leases get that time back.
    HV_CHECK(scheduler_.Execute(Tick{.paused_for = late}, now_, &events_).ok());
  } else if (scheduler_.NextDue() <= now_) {
    HV_CHECK(scheduler_.Execute(Tick{}, now_, &events_).ok());
  }
}

void Engine::Carry(Posted posted) {
  if (posted.IsGone() && posted.kind != Posted::Kind::kReport) {
    const absl::Status gone = absl::CancelledError("the caller went away");
    if (posted.read_done) return posted.read_done(gone, Look());
    return posted.done(gone, Look());
  }
  switch (posted.kind) {
    case Posted::Kind::kRead:
      reads_.push_back(std::move(posted));
      return;
    case Posted::Kind::kWatch:
      watches_.push_back(std::move(posted));
      return;
    case Posted::Kind::kAsk:
      return CarryAsk(*std::move(posted.ask), {}, posted.wait, posted.gone, std::move(posted.done));
    case Posted::Kind::kCommand:
    case Posted::Kind::kReport:
      break;
  }
  absl::StatusOr<Answer> answer = scheduler_.Execute(posted.command, now_, &events_);
  if (!answer.ok()) {
    ready_.push_back({std::move(posted.done), std::move(answer).status()});
    return;
  }
  Reply reply{.answer = *std::move(answer)};
  if (!posted.ask.has_value()) {
    ready_.push_back({std::move(posted.done), std::move(reply)});
    return;
  }
  CarryAsk(*std::move(posted.ask), std::move(reply), posted.wait, posted.gone,
           std::move(posted.done));
}

void Engine::CarryAsk(Ask ask, Reply reply, absl::Duration wait, Gone gone, Done done) {
  if (gone != nullptr && gone->load()) {
    return RefuseAsk(absl::CancelledError("the caller went away"), std::move(reply),
                     std::move(done));
  }
  if (drained_) {
    reply.draining = true;
    reply.asked = true;
    ready_.push_back({std::move(done), std::move(reply)});
    return;
  }
  absl::StatusOr<Answer> answer = scheduler_.Execute(ask, now_, &events_);
  if (!answer.ok()) {
    return RefuseAsk(std::move(answer).status(), std::move(reply), std::move(done));
  }
  reply.asked = true;
  reply.assignment = std::move(answer->assignment);
  if (reply.assignment.has_value() || wait <= absl::ZeroDuration()) {
    ready_.push_back({std::move(done), std::move(reply)});
    return;
  }
  waiting_.push_back({.ask = std::move(ask),
                      .reply = std::move(reply),
                      .deadline = now_ + wait,
                      .gone = std::move(gone),
                      .done = std::move(done)});
}

// A report before the ask counted all the same; its answer then says nothing of the ask.
void Engine::RefuseAsk(absl::Status status, Reply reply, Done done) {
  const bool after_report = reply.answer.study != 0;
  reply.asked = false;
  ready_.push_back({std::move(done),
                    after_report ? absl::StatusOr<Reply>(std::move(reply)) : std::move(status)});
}

// Answers those whose time is over or who left, and with `all` everybody.
void Engine::DropWaiting(bool all) {
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    if (!all && !at->IsGone() && at->deadline > now_) {
      ++at;
      continue;
    }
    if (at->IsGone()) {
      ready_.push_back({std::move(at->done), absl::CancelledError("the caller went away")});
    } else {
      at->reply.draining = all;
      ready_.push_back({std::move(at->done), std::move(at->reply)});
    }
    at = waiting_.erase(at);
  }
}

void Engine::ServeWaiting() {
  if (std::none_of(events_.begin(), events_.end(), ChangesStudies)) return;
  // Who asks for the same objectives gets the same answer: once none, none for all of them.
  std::set<std::vector<std::string>> in_vain;
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    if (in_vain.contains(at->ask.objectives)) {
      ++at;
      continue;
    }
    absl::StatusOr<Answer> answer = scheduler_.Execute(at->ask, now_, &events_);
    if (answer.ok() && !answer->assignment.has_value()) {
      in_vain.insert(at->ask.objectives);
      ++at;
      continue;
    }
    if (answer.ok()) {
      at->reply.assignment = std::move(answer->assignment);
      ready_.push_back({std::move(at->done), std::move(at->reply)});
    } else {
      RefuseAsk(std::move(answer).status(), std::move(at->reply), std::move(at->done));
    }
    at = waiting_.erase(at);
  }
}

void Engine::Commit() {
  std::vector<Event> durable;
  for (Event& event : events_) {
    if (IsDurable(event)) durable.push_back(std::move(event));
  }
  if (durable.empty()) return;
  const absl::Status status = journal_->Append(durable);
  if (status.ok()) return;
  // Anything but a full disk leaves it unknown what was written: end, and let a restart find out.
  HV_CHECK(absl::IsResourceExhausted(status)) << "the journal cannot be written: " << status;
  held_ = std::move(durable);
  held_status_ = absl::UnavailableError(absl::StrCat(
      "the server cannot write its journal until there is room on its disk; it retries "
      "each second. Send the same request again later. ",
      status.message()));
  retry_at_ = now_ + kRetryAppendAfter;
  if (on_health_) on_health_(false);
}

void Engine::RetryAppend() {
  if (now_ < retry_at_) return;
  const absl::Status status = journal_->Append(held_);
  HV_CHECK(status.ok() || absl::IsResourceExhausted(status))
      << "the journal cannot be written: " << status;
  retry_at_ = now_ + kRetryAppendAfter;
  if (!status.ok()) return;
  held_.clear();
  retry_at_ = absl::InfiniteFuture();
  if (on_health_) on_health_(true);
}

// While events are held, memory is ahead of the disk: nothing may be decided on it, nor shown.
void Engine::Refuse(std::vector<Posted> batch) {
  for (Posted& posted : batch) {
    if (posted.read_done) {
      posted.read_done(held_status_, Look());
    } else {
      posted.done(held_status_, Look());
    }
  }
  for (Posted& watch : watches_) watch.read_done(held_status_, Look());
  for (WaitingAsk& waiting : waiting_) waiting.done(held_status_, Look());
  watches_.clear();
  waiting_.clear();
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

bool Engine::WatchIsDue(const Posted& watch) const {
  if (watch.IsGone() || drained_) return true;
  const Study* study = scheduler_.FindStudy(watch.study);
  return study == nullptr || (study->version() != watch.version && watch.earliest <= now_);
}

void Engine::AnswerWatch(Posted& watch) {
  if (watch.IsGone()) return watch.read_done(absl::CancelledError("the caller left"), Look());
  if (scheduler_.FindStudy(watch.study) == nullptr) {
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
    if (!WatchIsDue(*at)) {
      ++at;
      continue;
    }
    AnswerWatch(*at);
    at = watches_.erase(at);
  }
}

absl::Time Engine::NextWake() const {
  if (!held_.empty()) return retry_at_;
  absl::Time wake = scheduler_.NextDue();
  for (const WaitingAsk& waiting : waiting_) wake = std::min(wake, waiting.deadline);
  for (const Posted& watch : watches_) {
    const Study* study = scheduler_.FindStudy(watch.study);
    if (study != nullptr && study->version() != watch.version)
      wake = std::min(wake, watch.earliest);
  }
  return wake;
}

}  // namespace halving
