#include "worker/agent/job.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/struct_json.h"
#include "nlohmann/json.hpp"
#include "spdlog/spdlog.h"
#include "worker/agent/proto_time.h"
#include "worker/agent/text.h"

namespace halving {
namespace {

constexpr size_t kMaxReasonBytes = 16'384;
// The server takes no more in one message.
constexpr size_t kMaxPointsInReport = 10'000;

absl::Status CheckAssignment(const v1::Assignment& assignment) {
  if (assignment.from_epoch() < 0 || assignment.to_epoch() <= assignment.from_epoch()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the assignment goes from epoch ", assignment.from_epoch(), " to ",
                     assignment.to_epoch(), "; a worker needs 0 <= from_epoch < to_epoch"));
  }
  if (assignment.from_epoch() > 0 && assignment.checkpoint_id().empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the assignment starts from epoch ", assignment.from_epoch(),
                     " without a checkpoint_id; a worker needs a checkpoint for all but 0"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string MakeJobLine(const v1::Assignment& assignment, const std::string& checkpoint_in,
                        const std::string& checkpoint_out) {
  nlohmann::json job = {{"study", assignment.study()},
                        {"trial_id", assignment.trial_id()},
                        {"objective", assignment.objective()},
                        {"options", StructToJson(assignment.objective_options())},
                        {"config", StructToJson(assignment.config())},
                        {"from_epoch", assignment.from_epoch()},
                        {"to_epoch", assignment.to_epoch()},
                        {"seed", assignment.seed()},
                        {"checkpoint_out", checkpoint_out}};
  if (!checkpoint_in.empty()) job["checkpoint_in"] = checkpoint_in;
  return nlohmann::json{{"job", std::move(job)}}.dump(-1, ' ', false,
                                                      nlohmann::json::error_handler_t::replace);
}

Job::Job(const Worker& worker, v1::Assignment assignment)
    : worker_(worker),
      assignment_(std::move(assignment)),
      name_(absl::StrCat("study ", assignment_.study(), " trial ", assignment_.trial_id(),
                         " attempt ", assignment_.attempt(), " epochs ", assignment_.from_epoch(),
                         " -> ", assignment_.to_epoch())),
      start_(Clock::Real()->Now()),
      temporary_(worker_.checkpoints->NewTemporary()) {}

JobResult Job::Run() {
  if (worker_.leave->requested()) return Return(worker_.leave->reason(), "");
  spdlog::info("{}: begins", name_);
  if (const absl::Status s = CheckAssignment(assignment_); !s.ok()) {
    return Fail(std::string(s.message()), /*retryable=*/true);
  }
  std::string checkpoint_in;
  if (assignment_.from_epoch() > 0) {
    absl::StatusOr<std::string> found = worker_.checkpoints->Find(assignment_.checkpoint_id());
    if (!found.ok()) {
      return Return(absl::StrCat(found.status().message(), " (worker ", worker_.id, ")"),
                    assignment_.checkpoint_id());
    }
    checkpoint_in = *std::move(found);
  }
  return Train(checkpoint_in);
}

JobResult Job::Train(const std::string& checkpoint_in) {
  heartbeat_.emplace(worker_.client, assignment_);
  TrainingEnd end =
      worker_.trainer->Run({.name = name_,
                            .line = MakeJobLine(assignment_, checkpoint_in, temporary_),
                            .from_epoch = assignment_.from_epoch(),
                            .to_epoch = assignment_.to_epoch()},
                           this, heartbeat_->lost(), worker_.leave->event());
  heartbeat_->Stop();  // No report of progress may race the final one.
  worker_.checkpoints->RemoveTemporary(temporary_);
  JobResult result = End(std::move(end));
  RemoveUnknownCheckpoints(result);
  return result;
}

JobResult Job::End(TrainingEnd end) {
  if (const auto* done = std::get_if<DoneLine>(&end); done != nullptr) return Complete(*done);
  if (const auto* failed = std::get_if<TrainingFailed>(&end); failed != nullptr) {
    heartbeat_->Flush();
    if (failed->failed.unusable_checkpoint && !assignment_.checkpoint_id().empty()) {
      return Return(absl::StrCat("worker ", worker_.id, " cannot use checkpoint ",
                                 assignment_.checkpoint_id(), ": ", failed->failed.reason),
                    assignment_.checkpoint_id());
    }
    JobResult result = Fail(failed->failed.reason, failed->failed.retryable);
    result.crashed = failed->crashed;
    return result;
  }
  if (heartbeat_->lost().IsSet()) {
    spdlog::warn("{}: dropped after {:.1f} s: {}", name_, Seconds(), heartbeat_->lost_why());
    return {};
  }
  heartbeat_->Flush();  // The next attempt goes on from the newest checkpoint.
  return Return(worker_.leave->reason(), "");
}

void Job::OnEpoch(int64_t epoch, double error) {
  spdlog::debug("{}: epoch {} error {}", name_, epoch, error);
  heartbeat_->AddPoint(epoch, error);
}

void Job::OnCheckpoint(int64_t epoch) {
  absl::StatusOr<std::string> id =
      worker_.checkpoints->Publish(temporary_, assignment_.study(), assignment_.trial_id(), epoch);
  if (absl::IsNotFound(id.status()) && !published_.empty()) {
    // A trainer of fast epochs wrote this file before we came to take the one before, so that is
    // where it went.
    id = worker_.checkpoints->Relabel(published_.back().id, assignment_.study(),
                                      assignment_.trial_id(), epoch);
    if (id.ok()) published_.pop_back();
  }
  if (!id.ok()) {
    spdlog::warn("{}: the checkpoint of epoch {} is lost: {}", name_, epoch,
                 id.status().ToString());
    return;
  }
  published_.push_back({*id, epoch});
  // One of the last epoch leaves nothing to go on from; it goes with the result.
  if (epoch < assignment_.to_epoch()) heartbeat_->SetCheckpoint(*id, epoch);
  RemoveOldCheckpoints();
}

void Job::RemoveOldCheckpoints() {
  // The newest stays, the newest that an attempt can go on from, and what the server may hand out
  // until it has acknowledged a newer one.
  const std::string acknowledged = heartbeat_->acknowledged_checkpoint();
  std::vector<Checkpoint> kept;
  bool newer_is_known = false;
  bool newer_resumes = false;
  for (auto it = published_.rbegin(); it != published_.rend(); ++it) {
    const bool resumes = it->epoch < assignment_.to_epoch();
    const bool keep = it == published_.rbegin() || (resumes && !newer_resumes) ||
                      (!newer_is_known && heartbeat_->MayBeKnown(it->id));
    newer_is_known = newer_is_known || it->id == acknowledged;
    newer_resumes = newer_resumes || resumes;
    if (keep) {
      kept.insert(kept.begin(), *it);
    } else {
      worker_.checkpoints->Remove(it->id);
    }
  }
  published_ = std::move(kept);
}

void Job::RemoveUnknownCheckpoints(const JobResult& result) {
  for (const Checkpoint& checkpoint : published_) {
    const bool is_named =
        result.report.has_value() && result.report->completed().checkpoint_id() == checkpoint.id;
    if (!is_named && !heartbeat_->MayBeKnown(checkpoint.id)) {
      worker_.checkpoints->Remove(checkpoint.id);
    }
  }
}

v1::ReportRequest Job::NewReport() const {
  v1::ReportRequest report;
  report.set_lease_id(assignment_.lease_id());
  return report;
}

JobResult Job::Complete(const DoneLine& done) {
  const bool whole = !published_.empty() && published_.back().epoch == assignment_.to_epoch();
  if (!whole) heartbeat_->Flush();  // The next rung then goes on from the newest one before.
  JobResult result;
  result.report = NewReport();
  v1::Completed& completed = *result.report->mutable_completed();
  completed.set_error(done.error);
  const std::vector<v1::CurvePoint> points = heartbeat_->unacknowledged();
  const size_t first = points.size() > kMaxPointsInReport ? points.size() - kMaxPointsInReport : 0;
  for (size_t i = first; i < points.size(); ++i) *completed.add_points() = points[i];
  for (const auto& [name, value] : done.metrics) (*completed.mutable_metrics())[name] = value;
  if (done.dropped_metrics > 0) {
    spdlog::warn("{}: {} metrics are dropped; a result keeps {} of at most {} bytes", name_,
                 done.dropped_metrics, kMaxMetrics, kMaxMetricNameBytes);
  }
  *completed.mutable_train_time() = ToProto(Clock::Real()->Now() - start_);
  if (whole) {
    completed.set_checkpoint_id(published_.back().id);
    for (size_t i = 0; i + 1 < published_.size(); ++i) {
      result.superseded.push_back(published_[i].id);
    }
    if (!assignment_.checkpoint_id().empty()) {
      result.superseded.push_back(assignment_.checkpoint_id());
    }
  }
  spdlog::info("{}: done, error {} after {:.1f} s", name_, done.error, Seconds());
  return result;
}

JobResult Job::Fail(const std::string& reason, bool retryable) const {
  spdlog::warn("{}: failed after {:.1f} s ({}): {}", name_, Seconds(),
               retryable ? "may be tried again" : "for good", reason);
  JobResult result;
  result.report = NewReport();
  result.report->mutable_failed()->set_reason(FirstOf(reason, kMaxReasonBytes));
  result.report->mutable_failed()->set_retryable(retryable);
  return result;
}

JobResult Job::Return(const std::string& reason, const std::string& unusable_checkpoint_id) const {
  spdlog::warn("{}: given back after {:.1f} s: {}", name_, Seconds(), reason);
  JobResult result;
  result.report = NewReport();
  result.report->mutable_returned()->set_reason(FirstOf(reason, kMaxReasonBytes));
  result.report->mutable_returned()->set_unusable_checkpoint_id(unusable_checkpoint_id);
  return result;
}

double Job::Seconds() const { return absl::ToDoubleSeconds(Clock::Real()->Now() - start_); }

}  // namespace halving
