#include "worker/agent/job.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/struct_json.h"
#include "nlohmann/json.hpp"
#include "spdlog/spdlog.h"
#include "worker/agent/fetch_checkpoint.h"
#include "worker/agent/proto_time.h"
#include "worker/agent/text.h"

namespace halving {
namespace {

constexpr size_t kMaxReasonBytes = 16'384;
// The server takes no more in one message.
constexpr size_t kMaxPointsInReport = 10'000;
// Of the grace, what stays for the last reports.
constexpr absl::Duration kReportReserve = absl::Seconds(8);

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
                        const std::string& checkpoint_out, absl::Duration checkpoint_interval) {
  nlohmann::json job = {{"study", assignment.study()},
                        {"trial_id", assignment.trial_id()},
                        {"objective", assignment.objective()},
                        {"options", StructToJson(assignment.objective_options())},
                        {"config", StructToJson(assignment.config())},
                        {"from_epoch", assignment.from_epoch()},
                        {"to_epoch", assignment.to_epoch()},
                        {"seed", assignment.seed()},
                        {"checkpoint_out", checkpoint_out},
                        {"checkpoint_interval", absl::ToDoubleSeconds(checkpoint_interval)}};
  if (assignment.max_epochs() > 0) job["max_epochs"] = assignment.max_epochs();
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
    return Fail({.reason = std::string(s.message()), .retryable = true});
  }
  heartbeat_.emplace(worker_.client, assignment_);
  if (assignment_.from_epoch() == 0) return Train("");
  absl::StatusOr<FetchedCheckpoint> fetched =
      FetchCheckpoint({.lease_id = assignment_.lease_id(),
                       .checkpoint_id = assignment_.checkpoint_id(),
                       .client = worker_.transfers,
                       .folder = worker_.checkpoints},
                      heartbeat_->lost(), worker_.leave->event());
  if (fetched.ok()) return Train(fetched->path());
  heartbeat_->Stop();
  if (worker_.leave->requested()) return Return(worker_.leave->reason(), "");
  if (heartbeat_->lost().IsSet()) return Drop();
  // The lease ended, or the disk is full: no fault of the checkpoint.
  const bool unusable = absl::IsNotFound(fetched.status()) || absl::IsDataLoss(fetched.status()) ||
                        absl::IsInvalidArgument(fetched.status());
  JobResult result = Return(absl::StrCat(fetched.status().message(), " (worker ", worker_.id, ")"),
                            unusable ? assignment_.checkpoint_id() : "");
  result.crashed = !unusable;  // The same trial would come right back.
  return result;
}

JobResult Job::Train(const std::string& checkpoint_in) {
  TrainingEnd end = worker_.trainer->Run(
      {.name = name_,
       .line = MakeJobLine(assignment_, checkpoint_in, temporary_, worker_.checkpoint_interval),
       .from_epoch = assignment_.from_epoch(),
       .to_epoch = assignment_.to_epoch()},
      this, heartbeat_->lost(), worker_.leave->event());
  worker_.checkpoints->RemoveAllOf(temporary_);
  if (const auto* done = std::get_if<DoneLine>(&end); done != nullptr) {
    spdlog::info("{}: done, error {} after {:.1f} s", name_, done->error, Seconds());
  }
  if (uploader_.has_value()) AwaitUploads();
  heartbeat_->Stop();  // No report of progress may race the final one.
  return End(std::move(end));
}

void Job::StartUploader() {
  uploader_.emplace(worker_.transfers, worker_.checkpoints, assignment_.lease_id(), name_,
                    [this](const std::string& id, int64_t epoch) {
                      // One of the last epoch leaves nothing to go on from; it goes with the
                      // result.
                      if (epoch < assignment_.to_epoch()) heartbeat_->SetCheckpoint(id, epoch);
                    });
}

void Job::AwaitUploads() {
  uploader_->Close();
  const absl::Duration to_upload = std::max(worker_.grace - kReportReserve, worker_.grace / 2);
  const Patience patience{&worker_.leave->event(), to_upload};
  while (!patience.Over()) {
    const bool may_leave = !worker_.leave->requested();
    pollfd fds[] = {{uploader_->done().fd(), POLLIN, 0},
                    {heartbeat_->lost().fd(), POLLIN, 0},
                    {may_leave ? worker_.leave->event().fd() : -1, POLLIN, 0}};
    PollFor(absl::MakeSpan(fds), patience.Left());
    if (fds[0].revents != 0 || fds[1].revents != 0) return;
  }
}

JobResult Job::End(TrainingEnd end) {
  if (const auto* done = std::get_if<DoneLine>(&end); done != nullptr) return Complete(*done);
  if (const auto* failed = std::get_if<TrainingFailed>(&end); failed != nullptr) {
    heartbeat_->Flush();
    if (failed->failed.unusable_checkpoint && !assignment_.checkpoint_id().empty()) {
      worker_.checkpoints->RemoveCopy(assignment_.checkpoint_id());
      return Return(absl::StrCat("worker ", worker_.id, " cannot use checkpoint ",
                                 assignment_.checkpoint_id(), ": ", failed->failed.reason),
                    assignment_.checkpoint_id());
    }
    JobResult result = Fail(failed->failed);
    result.crashed = failed->crashed;
    return result;
  }
  if (heartbeat_->lost().IsSet()) return Drop();
  heartbeat_->Flush();  // The next attempt goes on from the newest checkpoint.
  return Return(worker_.leave->reason(), "");
}

void Job::OnEpoch(int64_t epoch, double error) {
  spdlog::debug("{}: epoch {} error {}", name_, epoch, error);
  heartbeat_->AddPoint(epoch, error);
}

void Job::OnCheckpoint(int64_t epoch) {
  absl::StatusOr<std::string> taken = worker_.checkpoints->TakeAway(temporary_);
  if (taken.ok()) {
    if (!uploader_.has_value()) StartUploader();
    return uploader_->Add(*std::move(taken), epoch);
  }
  // A trainer of fast epochs wrote this file before we came to take the one before, so that is
  // where it went.
  if (absl::IsNotFound(taken.status()) && uploader_.has_value() && uploader_->Relabel(epoch)) {
    spdlog::warn("{}: there is no file of epoch {}, so the one before is taken for it", name_,
                 epoch);
    return;
  }
  spdlog::warn("{}: the checkpoint of epoch {} is lost: {}", name_, epoch,
               taken.status().ToString());
}

void Job::OnLine(absl::string_view line) { heartbeat_->AddLine(line); }

v1::ReportRequest Job::NewReport() const {
  v1::ReportRequest report;
  report.set_lease_id(assignment_.lease_id());
  if (!heartbeat_.has_value()) return report;
  if (std::optional<v1::TrainerLog> log = heartbeat_->unacknowledged_log()) {
    *report.mutable_log() = *std::move(log);
  }
  return report;
}

JobResult Job::Complete(const DoneLine& done) {
  const std::string checkpoint =
      uploader_.has_value() ? uploader_->StoredAt(assignment_.to_epoch()) : "";
  if (checkpoint.empty()) heartbeat_->Flush();  // The next rung then goes on from one before.
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
  completed.set_checkpoint_id(checkpoint);
  return result;
}

JobResult Job::Fail(const FailedLine& failed) const {
  spdlog::warn("{}: failed after {:.1f} s ({}): {}", name_, Seconds(),
               failed.out_of_memory ? "out of memory"
               : failed.retryable   ? "may be tried again"
                                    : "for good",
               failed.reason);
  JobResult result;
  result.report = NewReport();
  v1::Failed& report = *result.report->mutable_failed();
  report.set_reason(FirstOf(failed.reason, kMaxReasonBytes));
  report.set_retryable(failed.retryable);
  report.set_out_of_memory(failed.out_of_memory);
  return result;
}

JobResult Job::Drop() const {
  spdlog::warn("{}: dropped after {:.1f} s: {}", name_, Seconds(), heartbeat_->lost_why());
  return {};
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
