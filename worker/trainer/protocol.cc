#include "worker/trainer/protocol.h"

#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "worker/trainer/field_reader.h"

namespace halving {
namespace {

using nlohmann::json;

// As much of a line as an error message quotes.
constexpr size_t kQuotedBytes = 300;

// Values are copied by recursion, which must not be led to overflow the stack.
constexpr int kMaxDepth = 64;

constexpr int64_t kMaxEpochs = std::numeric_limits<int32_t>::max();

std::string Quote(absl::string_view line) {
  const bool cut = line.size() > kQuotedBytes;
  return absl::StrCat(line.substr(0, kQuotedBytes), cut ? "..." : "");
}

json FiniteOrName(double number) {
  if (std::isfinite(number)) return number;
  if (std::isnan(number)) return "NaN";
  return number > 0 ? "Infinity" : "-Infinity";
}

std::string Dump(const json& event) {
  return event.dump(-1, ' ', false, json::error_handler_t::replace);
}

absl::Status NotAJob(absl::string_view line, absl::string_view problem) {
  return absl::InvalidArgumentError(
      absl::StrCat("this line is no job: ", problem, ". The line was: ", Quote(line)));
}

// A trial either starts from scratch or goes on from a file; anything else is a mistake that must
// not end in silently starting over.
void CheckEpochs(const Job& job, FieldReader* fields) {
  if (job.to_epoch <= job.from_epoch) {
    fields->Refuse("to_epoch", absl::StrCat("is ", job.to_epoch, "; it must be above from_epoch, ",
                                            "which is ", job.from_epoch));
  }
  if (job.max_epochs.value_or(job.to_epoch) < job.to_epoch) {
    fields->Refuse("max_epochs", absl::StrCat("is ", *job.max_epochs, "; it must be at least ",
                                              "to_epoch, which is ", job.to_epoch));
  }
  if (job.from_epoch > 0 && job.checkpoint_in.empty()) {
    fields->Refuse("checkpoint_in", absl::StrCat("is missing; it must be a file, since from_epoch ",
                                                 "is ", job.from_epoch));
  }
  if (job.from_epoch == 0 && !job.checkpoint_in.empty()) {
    fields->Refuse("checkpoint_in", absl::StrCat("is \"", Quote(job.checkpoint_in),
                                                 "\", but from_epoch is 0, which starts afresh"));
  }
}

}  // namespace

absl::StatusOr<Job> ParseJob(absl::string_view line) {
  bool too_deep = false;
  const auto watch_depth = [&too_deep](int depth, json::parse_event_t, const json&) {
    too_deep = too_deep || depth > kMaxDepth;
    return !too_deep;
  };
  json message = json::parse(line.begin(), line.end(), watch_depth, /*allow_exceptions=*/false);
  if (too_deep) return NotAJob(line, absl::StrCat("it is nested deeper than ", kMaxDepth));
  if (!message.is_object()) return NotAJob(line, "it must be one JSON object");
  if (!message.contains("job")) return NotAJob(line, "it must have the form {\"job\": {...}}");

  FieldReader fields("job", message["job"]);
  Job job;
  job.study = fields.OptionalString("study");
  job.trial_id = fields.Integer("trial_id", 0, kMaxJsonInteger, 0);
  job.objective = fields.String("objective");
  job.options = fields.Object("options");
  job.config = fields.Object("config");
  job.from_epoch = fields.Integer("from_epoch", 0, kMaxEpochs, 0);
  job.to_epoch = fields.Integer("to_epoch", 1, kMaxEpochs);
  job.seed = fields.Integer("seed", 0, kMaxJsonInteger, 0);
  job.max_epochs = fields.OptionalInteger("max_epochs", 1, kMaxEpochs);
  job.checkpoint_in = fields.OptionalString("checkpoint_in");
  job.checkpoint_out = fields.OptionalString("checkpoint_out");
  job.checkpoint_interval = absl::Seconds(fields.Number(
      "checkpoint_interval", "a finite number of seconds, 0 or above",
      [](double seconds) { return seconds >= 0; }, 0.0));
  if (fields.status().ok()) CheckEpochs(job, &fields);
  if (!fields.status().ok()) return NotAJob(line, fields.status().message());
  return job;
}

Failure FailureOf(const absl::Status& status) {
  return {.reason = std::string(status.message()),
          .retryable = !absl::IsInvalidArgument(status),
          .unusable_checkpoint = absl::IsDataLoss(status),
          .out_of_memory = absl::IsResourceExhausted(status)};
}

std::string EpochLine(int64_t epoch, double error) {
  return Dump({{"epoch", epoch}, {"error", FiniteOrName(error)}});
}

std::string CheckpointLine(int64_t epoch) { return Dump({{"checkpoint", {{"epoch", epoch}}}}); }

std::string DoneLine(double error, const std::map<std::string, double>& metrics) {
  json written = json::object();
  for (const auto& [name, value] : metrics) written[name] = FiniteOrName(value);
  return Dump({{"done", {{"error", FiniteOrName(error)}, {"metrics", std::move(written)}}}});
}

std::string FailedLine(const Failure& failure) {
  json written = {{"reason", failure.reason}, {"retryable", failure.retryable}};
  if (failure.unusable_checkpoint) written["unusable_checkpoint"] = true;
  if (failure.out_of_memory) written["out_of_memory"] = true;
  return Dump({{"failed", std::move(written)}});
}

}  // namespace halving
