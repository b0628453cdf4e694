#include "worker/agent/trainer.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/variant.h"
#include "common/clock.h"
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

absl::Status Trainer::Prepare(const TrainingJob& job, TrainingObserver* observer) {
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
  process_->set_on_stderr([observer](const std::string& line) { observer->OnLine(line); });
  process_->Send(job.line);
  return absl::OkStatus();
}

TrainingEnd Trainer::Run(const TrainingJob& job, TrainingObserver* observer, const WakeEvent& drop,
                         const WakeEvent& leave) {
  if (drop.IsSet() || leave.IsSet()) return TrainingInterrupted();
  if (const absl::Status s = Prepare(job, observer); !s.ok()) {
    return Crash(absl::StrCat("the trainer could not be started: ", s.message()));
  }
  TrainingEnd end = Attend(job, observer, drop, leave);
  if (process_ != nullptr) process_->set_on_stderr(nullptr);
  return end;
}

TrainingEnd Trainer::Attend(const TrainingJob& job, TrainingObserver* observer,
                            const WakeEvent& drop, const WakeEvent& leave) {
  Said said;
  said.epoch = said.checkpoint = job.from_epoch;
  const WakeEvent* const wakes[] = {&drop, &leave};
  for (;;) {
    const TrainerEvent event = process_->Next(options_.silence_limit, wakes);
    std::optional<TrainingEnd> end;
    if (const auto* output = std::get_if<OutputLine>(&event); output != nullptr) {
      end = OnLine(job, *output, &said, observer);
    } else if (const auto* exit = std::get_if<TrainerExit>(&event); exit != nullptr) {
      end = OnExit(job, *exit, said, observer);
    } else if (std::holds_alternative<TrainerSilent>(event)) {
      end = OnSilence();
    } else if (drop.IsSet()) {
      StopProcess(options_.stop_grace);
      return TrainingInterrupted();
    } else {
      end = FinishLeaving(job, &said, observer, drop);
    }
    if (end.has_value()) return *std::move(end);
  }
}

TrainerLine Trainer::Read(const TrainingJob& job, const OutputLine& output,
                          const Said& said) const {
  if (output.too_long) {
    return MalformedLine{absl::StrCat("the trainer printed a line of more than ",
                                      options_.process.max_line_bytes, " bytes, which begins with ",
                                      Quoted(output.text))};
  }
  TrainerLine line = ParseTrainerLine(output.text);
  int64_t epoch = 0;
  int64_t above = 0;
  if (const auto* point = std::get_if<EpochLine>(&line); point != nullptr) {
    epoch = point->epoch;
    above = said.epoch;
  } else if (const auto* checkpoint = std::get_if<CheckpointLine>(&line); checkpoint != nullptr) {
    epoch = checkpoint->epoch;
    above = said.checkpoint;
  } else {
    return line;
  }
  if (epoch > above && epoch <= job.to_epoch) return line;
  return MalformedLine{absl::StrCat("the trainer printed ", Quoted(output.text), ": epoch ", epoch,
                                    " is not in (", above, ", ", job.to_epoch,
                                    "]; epochs count up from from_epoch + 1 to to_epoch")};
}

bool Trainer::Hear(const TrainingJob& job, const OutputLine& output, const TrainerLine& line,
                   Said* said, TrainingObserver* observer) {
  if (const auto* log = std::get_if<LogLine>(&line); log != nullptr) {
    spdlog::info("{}: {}", job.name, log->text);
    observer->OnLine(output.text);
    return true;
  }
  said->anything = true;
  if (const auto* point = std::get_if<EpochLine>(&line); point != nullptr) {
    said->epoch = point->epoch;
    observer->OnEpoch(point->epoch, point->error);
    return true;
  }
  if (const auto* checkpoint = std::get_if<CheckpointLine>(&line); checkpoint != nullptr) {
    said->checkpoint = checkpoint->epoch;
    observer->OnCheckpoint(checkpoint->epoch);
    return true;
  }
  return false;
}

std::optional<TrainingEnd> Trainer::OnLine(const TrainingJob& job, const OutputLine& output,
                                           Said* said, TrainingObserver* observer) {
  TrainerLine line = Read(job, output, *said);
  if (Hear(job, output, line, said, observer)) return std::nullopt;
  if (auto* malformed = std::get_if<MalformedLine>(&line); malformed != nullptr) {
    StopProcess(options_.stop_grace);
    return TrainingFailed{.failed = {.reason = std::move(malformed->why)}};
  }
  if (auto* failed = std::get_if<FailedLine>(&line); failed != nullptr) {
    return TrainingFailed{.failed = std::move(*failed)};
  }
  return std::get<DoneLine>(std::move(line));
}

std::optional<TrainingEnd> Trainer::OnExit(const TrainingJob& job, const TrainerExit& exit,
                                           const Said& said, TrainingObserver* observer) {
  const std::string why = WithStderr(absl::StrCat("the trainer ", exit.Describe()), *process_);
  const bool out_of_memory = SaysOutOfMemory(process_->StderrTail());
  process_.reset();
  // A program for one job only may still be on its way out when the next one is sent to it. That
  // one it never read, and nobody is to blame.
  if (reused_ && !said.anything) {
    spdlog::debug("{}: {} before the job; starting it anew", job.name, why);
    if (const absl::Status s = Prepare(job, observer); !s.ok()) {
      return Crash(absl::StrCat("the trainer could not be started: ", s.message()));
    }
    return std::nullopt;
  }
  return TrainingFailed{
      .failed = {.reason = why, .retryable = true, .out_of_memory = out_of_memory},
      .crashed = true};
}

TrainingEnd Trainer::OnSilence() {
  process_->Stop(options_.stop_grace);
  TrainingEnd end = Crash(WithStderr(
      absl::StrCat("the trainer printed nothing for ", absl::FormatDuration(options_.silence_limit),
                   " (--trainer-timeout) and was stopped"),
      *process_));
  process_.reset();
  return end;
}

void Trainer::StopProcess(absl::Duration grace) {
  process_->Stop(grace);
  process_.reset();
}

TrainingEnd Trainer::FinishLeaving(const TrainingJob& job, Said* said, TrainingObserver* observer,
                                   const WakeEvent& drop) {
  process_->Terminate();
  const absl::Time deadline = Clock::Real()->Now() + options_.leave_grace;
  const WakeEvent* const wakes[] = {&drop};
  for (;;) {
    const std::optional<TrainerEvent> event = process_->NextUntil(deadline, wakes);
    if (!event.has_value()) {
      spdlog::warn("{}: the trainer did not end within {} of SIGTERM (half of --grace); killing it",
                   job.name, absl::FormatDuration(options_.leave_grace));
      process_->Stop(absl::ZeroDuration());  // What stands in its pipes comes next, then its exit.
      continue;
    }
    const auto* output = std::get_if<OutputLine>(&*event);
    if (output == nullptr) {  // It has ended, or the work is dropped as well.
      StopProcess(absl::ZeroDuration());
      return TrainingInterrupted();
    }
    TrainerLine line = Read(job, *output, *said);
    if (Hear(job, *output, line, said, observer)) continue;
    if (auto* done = std::get_if<DoneLine>(&line); done != nullptr) return std::move(*done);
    spdlog::warn("{}: the trainer printed {} after SIGTERM, which is no failure", job.name,
                 Quoted(output->text));
  }
}

void Trainer::Shutdown() {
  if (process_ != nullptr) process_->CloseAndStop(kCloseGrace, options_.stop_grace);
  process_.reset();
}

}  // namespace halving
