#include "worker/agent/trainer.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/variant.h"
#include "spdlog/spdlog.h"
#include "worker/agent/text.h"

namespace halving {
namespace {

constexpr absl::Duration kCloseGrace = absl::Seconds(1);

TrainingEnd Crash(std::string reason) {
  return TrainingFailed{.failed = {.reason = std::move(reason), .retryable = true},
                        .crashed = true};
}

std::string WithStderr(std::string what, const TrainerProcess& process) {
  const std::string tail = process.StderrTail();
  if (!tail.empty()) absl::StrAppend(&what, "; its last lines of stderr:\n", tail);
  return what;
}

bool IsLog(const TrainerLine& line) { return std::holds_alternative<LogLine>(line); }

}  // namespace

absl::Status Trainer::Prepare(const TrainingJob& job) {
  // What a kept program said since its last job: only its log, if it keeps to the protocol.
  while (process_ != nullptr) {
    const std::optional<TrainerEvent> event = process_->Poll();
    if (!event.has_value()) break;
    if (const auto* output = std::get_if<OutputLine>(&*event); output != nullptr) {
      const TrainerLine line = ParseTrainerLine(output->text);
      if (IsLog(line)) {
        spdlog::info("trainer: {}", std::get<LogLine>(line).text);
        continue;
      }
      spdlog::warn("the trainer printed {} after its job had ended; starting it anew",
                   Quoted(output->text));
      process_->Stop(options_.stop_grace);
    }
    process_.reset();
  }
  reused_ = process_ != nullptr;
  if (process_ == nullptr) {
    absl::StatusOr<std::unique_ptr<TrainerProcess>> started =
        TrainerProcess::Start(options_.process);
    if (!started.ok()) return started.status();
    process_ = *std::move(started);
  }
  process_->Send(job.line);
  return absl::OkStatus();
}

TrainingEnd Trainer::Run(const TrainingJob& job, TrainingObserver* observer,
                         absl::Span<const WakeEvent* const> wakes) {
  if (const absl::Status s = Prepare(job); !s.ok()) {
    return Crash(absl::StrCat("the trainer could not be started: ", s.message()));
  }
  Said said;
  said.epoch = said.checkpoint = job.from_epoch;
  for (;;) {
    const TrainerEvent event = process_->Next(options_.silence_limit, wakes);
    std::optional<TrainingEnd> end;
    if (const auto* output = std::get_if<OutputLine>(&event); output != nullptr) {
      end = OnLine(job, *output, &said, observer);
    } else if (const auto* exit = std::get_if<TrainerExit>(&event); exit != nullptr) {
      end = OnExit(job, *exit, said);
    } else if (std::holds_alternative<TrainerWoken>(event)) {
      process_->Stop(options_.stop_grace);
      process_.reset();
      return TrainingInterrupted();
    } else {
      process_->Stop(options_.stop_grace);
      end = Crash(WithStderr(absl::StrCat("the trainer printed nothing for ",
                                          absl::FormatDuration(options_.silence_limit),
                                          " (--trainer-timeout) and was stopped"),
                             *process_));
      process_.reset();
    }
    if (end.has_value()) return *std::move(end);
  }
}

std::optional<TrainingEnd> Trainer::OnLine(const TrainingJob& job, const OutputLine& output,
                                           Said* said, TrainingObserver* observer) {
  if (output.too_long) {
    return FailAndStop(
        absl::StrCat("the trainer printed a line of more than ", options_.process.max_line_bytes,
                     " bytes, which begins with ", Quoted(output.text)),
        /*retryable=*/false);
  }
  TrainerLine line = ParseTrainerLine(output.text);
  if (IsLog(line)) {
    spdlog::info("{}: {}", job.name, std::get<LogLine>(line).text);
    return std::nullopt;
  }
  said->anything = true;
  const auto out_of_range = [&](int64_t epoch, int64_t above) {
    return FailAndStop(absl::StrCat("the trainer printed ", Quoted(output.text), ": epoch ", epoch,
                                    " is not in (", above, ", ", job.to_epoch,
                                    "]; epochs count up from from_epoch + 1 to to_epoch"),
                       /*retryable=*/false);
  };
  if (const auto* epoch = std::get_if<EpochLine>(&line); epoch != nullptr) {
    if (epoch->epoch <= said->epoch || epoch->epoch > job.to_epoch) {
      return out_of_range(epoch->epoch, said->epoch);
    }
    said->epoch = epoch->epoch;
    observer->OnEpoch(epoch->epoch, epoch->error);
    return std::nullopt;
  }
  if (const auto* checkpoint = std::get_if<CheckpointLine>(&line); checkpoint != nullptr) {
    if (checkpoint->epoch <= said->checkpoint || checkpoint->epoch > job.to_epoch) {
      return out_of_range(checkpoint->epoch, said->checkpoint);
    }
    said->checkpoint = checkpoint->epoch;
    observer->OnCheckpoint(checkpoint->epoch);
    return std::nullopt;
  }
  if (auto* malformed = std::get_if<MalformedLine>(&line); malformed != nullptr) {
    return FailAndStop(std::move(malformed->why), /*retryable=*/false);
  }
  if (auto* failed = std::get_if<FailedLine>(&line); failed != nullptr) {
    return TrainingFailed{.failed = std::move(*failed)};
  }
  return std::get<DoneLine>(std::move(line));
}

std::optional<TrainingEnd> Trainer::OnExit(const TrainingJob& job, const TrainerExit& exit,
                                           const Said& said) {
  const std::string why = WithStderr(absl::StrCat("the trainer ", exit.Describe()), *process_);
  process_.reset();
  // A program for one job only may still be on its way out when the next one is sent to it. That
  // one it never read, and nobody is to blame.
  if (reused_ && !said.anything) {
    spdlog::debug("{}: {} before the job; starting it anew", job.name, why);
    if (const absl::Status s = Prepare(job); !s.ok()) {
      return Crash(absl::StrCat("the trainer could not be started: ", s.message()));
    }
    return std::nullopt;
  }
  return Crash(absl::StrCat(why));
}

TrainingEnd Trainer::FailAndStop(std::string reason, bool retryable) {
  process_->Stop(options_.stop_grace);
  process_.reset();
  return TrainingFailed{.failed = {.reason = std::move(reason), .retryable = retryable}};
}

void Trainer::Shutdown() {
  if (process_ != nullptr) process_->CloseAndStop(kCloseGrace, options_.stop_grace);
  process_.reset();
}

}  // namespace halving
