#include "worker/agent/heartbeat.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "spdlog/spdlog.h"
#include "worker/agent/proto_time.h"

namespace halving {
namespace {

constexpr absl::Duration kDefaultLease = absl::Seconds(60);
constexpr absl::Duration kMinInterval = absl::Milliseconds(100);
constexpr absl::Duration kMaxTimeout = absl::Seconds(10);
constexpr absl::Duration kFirstBackoff = absl::Milliseconds(200);
constexpr absl::Duration kMaxBackoff = absl::Seconds(5);
constexpr absl::Duration kStopGrace = absl::Seconds(2);
constexpr absl::Duration kFlushTimeout = absl::Seconds(3);
// A first point or a checkpoint comes early, but never sooner than this after another report.
constexpr absl::Duration kMinSpacing = absl::Seconds(1);
// Far below the 4 MiB that a message may have.
constexpr size_t kMaxPointsPerReport = 10'000;

absl::Time Now() { return Clock::Real()->Now(); }

absl::Duration Interval(const v1::Assignment& assignment) {
  const absl::Duration lease =
      assignment.has_lease() ? FromProto(assignment.lease()) : kDefaultLease;
  return std::max(lease / 3, kMinInterval);
}

}  // namespace

Heartbeat::Heartbeat(ServerClient* client, const v1::Assignment& assignment)
    : client_(client),
      lease_id_(assignment.lease_id()),
      name_(absl::StrCat("study ", assignment.study(), " trial ", assignment.trial_id())),
      interval_(Interval(assignment)),
      last_sent_(absl::InfinitePast()),
      due_(Now() + interval_),
      backoff_(kFirstBackoff, std::min(kMaxBackoff, interval_)),
      thread_([this] { Loop(); }) {}

Heartbeat::~Heartbeat() { Stop(); }

void Heartbeat::AddPoint(int64_t epoch, double error) {
  MutexLock lock(&mu_);
  v1::CurvePoint point;
  point.set_epoch(epoch);
  point.set_error(error);
  points_.push_back(std::move(point));
  const bool first = last_point_ == 0;
  last_point_ = epoch;
  if (first || checkpoint_.id != acknowledged_checkpoint_) ReportSoon();
}

void Heartbeat::ReportSoon() {
  due_ = std::min(due_, std::max(Now(), last_sent_ + kMinSpacing));
  changed_.NotifyAll();
}

void Heartbeat::SetCheckpoint(const std::string& id, int64_t epoch) {
  MutexLock lock(&mu_);
  checkpoint_ = {id, epoch};
  ReportSoon();
}

void Heartbeat::AddLine(absl::string_view line) {
  if (!log_.Add(line)) return;
  MutexLock lock(&mu_);
  ReportSoon();
}

std::string Heartbeat::lost_why() const {
  MutexLock lock(&mu_);
  return lost_why_;
}

void Heartbeat::Stop() {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  quit_.Set();
  thread_.join();
}

void Heartbeat::Flush() {
  {
    MutexLock lock(&mu_);
    if (points_.empty() && checkpoint_.id == acknowledged_checkpoint_) return;
  }
  const v1::ReportRequest request = MakeProgress();
  Settle(request, client_->ReportOnce(request, kFlushTimeout, Patience()));
}

std::vector<v1::CurvePoint> Heartbeat::unacknowledged() const {
  MutexLock lock(&mu_);
  return points_;
}

void Heartbeat::Loop() {
  const absl::Duration timeout = std::clamp(interval_, kMinSpacing, kMaxTimeout);
  while (!lost_.IsSet() && AwaitDue()) {
    const v1::ReportRequest request = MakeProgress();
    Settle(request, client_->ReportOnce(request, timeout, Patience{&quit_, kStopGrace}));
  }
}

bool Heartbeat::AwaitDue() {
  MutexLock lock(&mu_);
  while (!stopping_ && Now() < due_) changed_.WaitFor(&mu_, due_ - Now());
  return !stopping_;
}

v1::ReportRequest Heartbeat::MakeProgress() {
  MutexLock lock(&mu_);
  last_sent_ = Now();
  v1::ReportRequest request;
  request.set_lease_id(lease_id_);
  v1::Progress& progress = *request.mutable_progress();
  const size_t count = std::min(points_.size(), kMaxPointsPerReport);
  for (size_t i = 0; i < count; ++i) *progress.add_points() = points_[i];
  // Who goes on from a checkpoint sends no points of before it: they come with it, or were there.
  const bool all_sent = count == points_.size() || points_[count].epoch() > checkpoint_.epoch;
  const bool whole = all_sent && (last_point_ == 0 || last_point_ >= checkpoint_.epoch);
  if (checkpoint_.id != acknowledged_checkpoint_ && whole) {
    progress.set_checkpoint_id(checkpoint_.id);
    progress.set_checkpoint_epoch(checkpoint_.epoch);
  }
  if (std::optional<v1::TrainerLog> log = log_.Unacknowledged()) {
    *request.mutable_log() = *std::move(log);
  }
  return request;
}

void Heartbeat::Settle(const v1::ReportRequest& sent,
                       const absl::StatusOr<v1::ReportResponse>& result) {
  MutexLock lock(&mu_);
  if (!IsAnswerToReport(result.status())) {
    due_ = Now() + backoff_.Next();
    return;
  }
  backoff_.Reset();
  const bool refused = !result.ok() && !absl::IsInvalidArgument(result.status());
  if (refused || (result.ok() && result->directive() == v1::DIRECTIVE_STOP)) {
    lost_why_ = refused ? result.status().ToString() : "the study has ended or was stopped";
    lost_.Set();
    return;
  }
  const v1::Progress& progress = sent.progress();
  points_.erase(points_.begin(), points_.begin() + progress.points_size());
  if (result.ok()) {
    log_.Acknowledge(sent.log());
    if (!progress.checkpoint_id().empty()) acknowledged_checkpoint_ = progress.checkpoint_id();
  } else {
    // What this report says is at fault, not the lease: the next one, without it, renews that.
    spdlog::warn("{}: the server refuses a progress report, which is dropped: {}", name_,
                 result.status().ToString());
    if (checkpoint_.id == progress.checkpoint_id()) checkpoint_.id = acknowledged_checkpoint_;
  }
  const bool has_more = points_.size() >= kMaxPointsPerReport || log_.IsHalfFull() ||
                        checkpoint_.id != acknowledged_checkpoint_;
  due_ = Now() + (has_more ? kMinSpacing : interval_);
}

}  // namespace halving
