#include "server/service/translate.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/status.h"
#include "server/service/cut_text.h"

namespace halving {
namespace {

constexpr size_t kMaxWorkerIdBytes = 128;
constexpr size_t kMaxRequestIdBytes = 64;
constexpr size_t kMaxTextBytes = 256;
constexpr int kMaxObjectives = 100;
constexpr int kMaxPoints = 10'000;
constexpr size_t kMaxMetrics = 64;
constexpr size_t kMaxReasonBytes = 4096;
constexpr size_t kMaxCheckpointIdBytes = 256;
constexpr absl::Duration kMaxWait = absl::Seconds(30);
constexpr absl::Duration kMaxJournaled = absl::Hours(24 * 366 * 100);
constexpr int64_t kMaxDurationSeconds = 315'576'000'000;  // As google.protobuf.Duration has it.

template <typename... Parts>
absl::Status Invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

absl::Status CheckSize(const std::string& field, absl::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return absl::OkStatus();
  return Invalid(field, " has ", text.size(), " bytes; at most ", max_bytes);
}

bool IsWorkerIdCharacter(char c) {
  return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == ':' || c == '-';
}

}  // namespace

// Overloads of what the header declares: inside a namespace of their own they would hide those.

static absl::StatusOr<std::vector<CurvePoint>> FromProto(
    const google::protobuf::RepeatedPtrField<v1::CurvePoint>& from) {
  if (from.size() > kMaxPoints) {
    return Invalid("points has ", from.size(), " entries; at most ", kMaxPoints, " in one report");
  }
  std::vector<CurvePoint> points;
  for (int i = 0; i < from.size(); ++i) {
    if (!from[i].has_error()) {
      return Invalid("points[", i, "].error is not set; it must be the error at epoch ",
                     from[i].epoch(), " (NaN if the training diverged)");
    }
    points.push_back({.epoch = from[i].epoch(), .error = from[i].error()});
  }
  return points;
}

static absl::StatusOr<Outcome> FromProto(const v1::Progress& from) {
  HV_RETURN_IF_ERROR(
      CheckSize("progress.checkpoint_id", from.checkpoint_id(), kMaxCheckpointIdBytes));
  HV_ASSIGN_OR_RETURN(std::vector<CurvePoint> points, FromProto(from.points()));
  return Progress{.points = std::move(points),
                  .checkpoint_id = from.checkpoint_id(),
                  .checkpoint_epoch = from.checkpoint_epoch()};
}

static absl::StatusOr<Outcome> FromProto(const v1::Completed& from) {
  if (!from.has_error()) {
    return Invalid(
        "completed.error is not set; it must be the error after the last epoch (lower is better, "
        "NaN if the training diverged)");
  }
  HV_RETURN_IF_ERROR(
      CheckSize("completed.checkpoint_id", from.checkpoint_id(), kMaxCheckpointIdBytes));
  if (from.metrics().size() > kMaxMetrics) {
    return Invalid("completed.metrics has ", from.metrics().size(), " entries; at most ",
                   kMaxMetrics);
  }
  HV_ASSIGN_OR_RETURN(std::vector<CurvePoint> points, FromProto(from.points()));
  HV_ASSIGN_OR_RETURN(const absl::Duration train_time,
                      JournaledDuration(from.train_time(), "completed.train_time"));
  Completed to{.error = from.error(),
               .points = std::move(points),
               .checkpoint_id = from.checkpoint_id(),
               .train_time = train_time};
  for (const auto& [name, value] : from.metrics()) {
    HV_RETURN_IF_ERROR(CheckSize("a name in completed.metrics", name, kMaxTextBytes));
    to.metrics.emplace_back(name, value);
  }
  std::sort(to.metrics.begin(), to.metrics.end());
  return to;
}

// A long reason is cut, not refused: a worker in trouble must be able to say so.
static std::string Reason(const std::string& reason) { return CutText(reason, kMaxReasonBytes); }

static absl::StatusOr<Outcome> FromProto(const v1::Returned& from) {
  HV_RETURN_IF_ERROR(CheckSize("returned.unusable_checkpoint_id", from.unusable_checkpoint_id(),
                               kMaxCheckpointIdBytes));
  return Returned{.reason = Reason(from.reason()),
                  .unusable_checkpoint_id = from.unusable_checkpoint_id()};
}

absl::StatusOr<absl::Duration> FromProto(const google::protobuf::Duration& from,
                                         const std::string& field) {
  if (from.seconds() < 0 || from.seconds() > kMaxDurationSeconds || from.nanos() < 0 ||
      from.nanos() > 999'999'999) {
    return Invalid(field, " is ", from.seconds(), " s and ", from.nanos(),
                   " ns; it must be a duration of 0 s or more");
  }
  return absl::Seconds(from.seconds()) + absl::Nanoseconds(from.nanos());
}

absl::StatusOr<absl::Duration> JournaledDuration(const google::protobuf::Duration& from,
                                                 const std::string& field) {
  HV_ASSIGN_OR_RETURN(const absl::Duration duration, FromProto(from, field));
  if (duration <= kMaxJournaled) return duration;
  return Invalid(field, " is ", absl::FormatDuration(duration), "; at most a hundred years");
}

absl::StatusOr<Ask> FromProto(const v1::SuggestRequest& from) {
  const std::string& worker = from.worker_id();
  if (worker.empty() || worker.size() > kMaxWorkerIdBytes ||
      !std::all_of(worker.begin(), worker.end(), IsWorkerIdCharacter)) {
    return Invalid("worker_id is \"", absl::CHexEscape(worker.substr(0, kMaxWorkerIdBytes)),
                   "\"; it must be 1 to ", kMaxWorkerIdBytes, " of [A-Za-z0-9_.:-]");
  }
  if (from.request_id().empty() || from.request_id().size() > kMaxRequestIdBytes) {
    return Invalid("request_id has ", from.request_id().size(), " bytes; it must have 1 to ",
                   kMaxRequestIdBytes, ", random for each ask and kept for its retries");
  }
  if (from.objectives_size() > kMaxObjectives) {
    return Invalid("objectives has ", from.objectives_size(), " entries; at most ", kMaxObjectives);
  }
  for (const std::string& objective : from.objectives()) {
    HV_RETURN_IF_ERROR(CheckSize("an entry of objectives", objective, kMaxTextBytes));
  }
  HV_RETURN_IF_ERROR(CheckSize("host", from.host(), kMaxTextBytes));
  HV_RETURN_IF_ERROR(CheckSize("device", from.device(), kMaxTextBytes));
  HV_RETURN_IF_ERROR(CheckSize("incarnation", from.incarnation(), kMaxRequestIdBytes));
  return Ask{.worker = worker,
             .request_id = from.request_id(),
             .incarnation = from.incarnation(),
             .objectives = {from.objectives().begin(), from.objectives().end()},
             .host = from.host(),
             .device = from.device()};
}

absl::StatusOr<absl::Duration> WaitOf(const v1::SuggestRequest& request) {
  HV_ASSIGN_OR_RETURN(const absl::Duration wait, FromProto(request.wait(), "wait"));
  return std::min(wait, kMaxWait);
}

absl::StatusOr<Outcome> OutcomeFromProto(const v1::ReportRequest& from) {
  switch (from.outcome_case()) {
    case v1::ReportRequest::kProgress:
      if (from.has_next()) {
        return Invalid("next is set beside progress; it goes with completed, failed or returned");
      }
      return FromProto(from.progress());
    case v1::ReportRequest::kCompleted:
      return FromProto(from.completed());
    case v1::ReportRequest::kFailed:
      return Failed{.reason = Reason(from.failed().reason()),
                    .retryable = from.failed().retryable(),
                    .out_of_memory = from.failed().out_of_memory()};
    case v1::ReportRequest::kReturned:
      return FromProto(from.returned());
    case v1::ReportRequest::OUTCOME_NOT_SET:
      break;
  }
  return Invalid("outcome is not set; one of progress, completed, failed, returned must be");
}

void ToProto(absl::Duration from, google::protobuf::Duration* to) {
  const absl::Duration most = absl::Seconds(kMaxDurationSeconds);
  from = std::min(std::max(from, -most), most);
  to->set_seconds(absl::IDivDuration(from, absl::Seconds(1), &from));
  to->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(from)));
}

void ToProto(absl::Time from, google::protobuf::Timestamp* to) {
  const int64_t seconds = absl::ToUnixSeconds(from);  // Rounds down, also before 1970.
  to->set_seconds(seconds);
  const absl::Duration rest = from - absl::FromUnixSeconds(seconds);
  to->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
}

}  // namespace halving
