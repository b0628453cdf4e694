#include "worker/agent/agent.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/random.h"
#include "common/status.h"
#include "spdlog/spdlog.h"
#include "worker/agent/backoff.h"
#include "worker/agent/proto_time.h"

namespace halving {
namespace {

constexpr absl::Duration kAskWait = absl::Seconds(20);
constexpr absl::Duration kLastAskTimeout = absl::Seconds(2);
constexpr absl::Duration kDrainingWait = absl::Seconds(1);
constexpr absl::Duration kMaxRetryAfter = absl::Seconds(60);
// A server that does not hold a waiting ask is not asked more often than this.
constexpr absl::Duration kMinAskSpacing = absl::Seconds(1);
constexpr absl::Duration kFirstCrashPause = absl::Seconds(1);
constexpr absl::Duration kMaxCrashPause = absl::Seconds(30);
constexpr size_t kRandomIdBytes = 16;
constexpr absl::Duration kLookAtCopiesEvery = absl::Seconds(10);
constexpr absl::Duration kFindUnneededTimeout = absl::Seconds(2);

std::string StatusOf(const v1::Assignment& assignment) {
  return absl::StrCat("trial ", assignment.trial_id(), " of study ", assignment.study(),
                      ", from epoch ", assignment.from_epoch(), " to ", assignment.to_epoch());
}

}  // namespace

Agent::Agent(Options options, ServerClient* client, Trainer* trainer, CheckpointDir* checkpoints,
             CheckpointClient* transfers, const Leave* leave)
    : options_(std::move(options)),
      incarnation_(SecureRandomHex(kRandomIdBytes)),
      client_(client),
      trainer_(trainer),
      checkpoints_(checkpoints),
      transfers_(transfers),
      leave_(leave) {}

absl::Status Agent::Run() {
  MaybeAssignment next;
  while (next.has_value() || (!leave_->requested() && !LastJob() && !IdleForTooLong())) {
    RemoveUnneededCopies();
    if (!next.has_value()) {
      SayStatus(absl::StrCat("asking ", client_->address(), " for a trial, after ", jobs_));
      HV_ASSIGN_OR_RETURN(next, Ask());
      continue;
    }
    SayStatus(StatusOf(*next));
    Job job({.id = options_.worker_id,
             .client = client_,
             .trainer = trainer_,
             .checkpoints = checkpoints_,
             .transfers = transfers_,
             .leave = leave_,
             .grace = options_.grace,
             .checkpoint_interval = options_.checkpoint_interval},
            *std::exchange(next, std::nullopt));
    JobResult result = job.Run();
    ++jobs_;
    idle_since_.reset();
    crashes_in_a_row_ = result.crashed ? crashes_in_a_row_ + 1 : 0;
    if (result.report.has_value()) next = Deliver(std::move(result));
    PauseAfterCrashes();
  }
  trainer_->Shutdown();
  return absl::OkStatus();
}

void Agent::SayStatus(const std::string& status) const {
  if (options_.on_status != nullptr) options_.on_status(status);
}

bool Agent::LastJob() const { return options_.max_jobs > 0 && jobs_ >= options_.max_jobs; }

absl::Duration Agent::AskWait() const {
  if (options_.max_idle <= absl::ZeroDuration()) return kAskWait;
  // The first answer that there is no work starts the clock, so it must come at once.
  if (!idle_since_.has_value()) return absl::ZeroDuration();
  const absl::Duration left = *idle_since_ + options_.max_idle - Clock::Real()->Now();
  return std::clamp(left, absl::ZeroDuration(), kAskWait);
}

bool Agent::IdleForTooLong() const {
  if (options_.max_idle <= absl::ZeroDuration() || !idle_since_.has_value()) return false;
  if (Clock::Real()->Now() - *idle_since_ < options_.max_idle) return false;
  spdlog::info("there was no work for {}: leaving, as --max-idle says",
               absl::FormatDuration(options_.max_idle));
  return true;
}

v1::SuggestRequest Agent::NewAsk(absl::Duration wait) const {
  v1::SuggestRequest ask;
  ask.set_worker_id(options_.worker_id);
  ask.set_request_id(SecureRandomHex(kRandomIdBytes));
  for (const std::string& objective : options_.objectives) ask.add_objectives(objective);
  *ask.mutable_wait() = ToProto(wait);
  ask.set_host(options_.host);
  ask.set_device(options_.device);
  ask.set_incarnation(incarnation_);
  return ask;
}

absl::StatusOr<Agent::MaybeAssignment> Agent::Ask() {
  v1::SuggestRequest ask = NewAsk(AskWait());
  if (!open_request_id_.empty()) ask.set_request_id(std::exchange(open_request_id_, ""));
  const absl::Time start = Clock::Real()->Now();
  const absl::StatusOr<v1::SuggestResponse> response =
      client_->SuggestUntilAnswered(ask, Patience{&leave_->event(), absl::ZeroDuration()});
  if (absl::IsCancelled(response.status())) return TakeLast(std::move(ask));
  if (!response.ok()) {
    return absl::Status(response.status().code(),
                        absl::StrCat("the server at ", client_->address(), " refuses worker ",
                                     options_.worker_id, ": ", response.status().message()));
  }
  return Take(*response, Clock::Real()->Now() - start >= kMinAskSpacing);
}

// The ask was cut off, to leave. The server may have answered it just then: a trial that nobody
// gives back would count a failure when its lease ends.
Agent::MaybeAssignment Agent::TakeLast(v1::SuggestRequest ask) {
  ask.clear_wait();
  const absl::StatusOr<v1::SuggestResponse> response =
      client_->SuggestUntilAnswered(ask, Patience{&leave_->event(), kLastAskTimeout});
  if (!response.ok() || !response->has_assignment()) return std::nullopt;
  return response->assignment();
}

Agent::MaybeAssignment Agent::Take(const v1::SuggestResponse& response, bool waited) {
  if (response.has_assignment()) return response.assignment();
  if (!response.draining() && !idle_since_.has_value()) idle_since_ = Clock::Real()->Now();
  absl::Duration pause = waited ? absl::ZeroDuration() : kMinAskSpacing;
  if (response.draining()) pause = std::max(pause, kDrainingWait);
  if (response.has_retry_after()) pause = std::max(pause, FromProto(response.retry_after()));
  pause = std::min(pause, kMaxRetryAfter);
  if (pause > absl::ZeroDuration()) leave_->event().WaitFor(Jittered(pause));
  return std::nullopt;
}

Agent::MaybeAssignment Agent::Deliver(JobResult result) {
  // A worker that keeps crashing its trainer first waits, and then asks.
  if (!leave_->requested() && !LastJob() && !result.crashed) {
    *result.report->mutable_next() = NewAsk(absl::ZeroDuration());
  }
  const absl::StatusOr<v1::ReportResponse> response =
      client_->ReportUntilAnswered(*result.report, Patience{&leave_->event(), options_.grace});
  if (!response.ok()) {
    spdlog::warn("lease {}: the report is dropped: {}", result.report->lease_id(),
                 response.status().ToString());
    // An earlier try may have been counted, and its answer with the next trial lost.
    open_request_id_ = result.report->next().request_id();
    return std::nullopt;
  }
  if (!response->has_next()) return std::nullopt;
  // Asked without a wait, so that an answer without work says nothing about the server's manners.
  return Take(response->next(), /*waited=*/true);
}

void Agent::RemoveUnneededCopies() {
  const absl::Time now = Clock::Real()->Now();
  if (leave_->requested() || now - copies_looked_at_ < kLookAtCopiesEvery) return;
  copies_looked_at_ = now;
  const std::vector<std::string> copies = checkpoints_->Copies();
  if (copies.empty()) return;
  const auto unneeded = transfers_->FindUnneeded(copies, kFindUnneededTimeout);
  if (!unneeded.ok()) return;  // The next look may be luckier.
  for (const std::string& id : *unneeded) checkpoints_->RemoveCopy(id);
}

void Agent::PauseAfterCrashes() {
  if (crashes_in_a_row_ < 2) return;
  const int doublings = static_cast<int>(std::min<int64_t>(crashes_in_a_row_ - 2, 10));
  const absl::Duration pause = std::min(kFirstCrashPause * (1 << doublings), kMaxCrashPause);
  spdlog::warn("{} jobs in a row failed by this machine's fault; no new trial for {}",
               crashes_in_a_row_, absl::FormatDuration(pause));
  leave_->event().WaitFor(Jittered(pause));
}

}  // namespace halving
