#include "worker/agent/check_trainer.h"

#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/clock.h"
#include "common/status.h"
#include "nlohmann/json.hpp"
#include "worker/agent/text.h"
#include "worker/agent/trainer_lines.h"
#include "worker/agent/trainer_process.h"

namespace halving {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// An interval that has always passed.
constexpr double kTinyIntervalSeconds = 1e-6;
// More than a trainer gets through before its first epoch has been heard, one would think.
constexpr int64_t kLongJobEpochs = 1000;
// Lines this far apart were not written at once.
constexpr absl::Duration kTogether = absl::Milliseconds(10);
// Less than this between two starts of a program may be the machine's mood.
constexpr absl::Duration kStartNoise = absl::Milliseconds(250);
constexpr double kStartNoiseShare = 0.3;

absl::Time Now() { return Clock::Real()->Now(); }

absl::StatusOr<json> ParseObject(const std::string& flag, const std::string& text) {
  json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (object.is_object()) return object;
  return absl::InvalidArgumentError(absl::StrCat(
      flag, " is ", Quoted(text), "; give a JSON object such as '{\"learning_rate\":0.1}'"));
}

// A folder that goes with the check.
class Folder {
 public:
  static absl::StatusOr<Folder> Make() {
    std::error_code error;
    std::string path = (fs::temp_directory_path(error) / "halving-check-XXXXXX").string();
    if (!error && mkdtemp(path.data()) != nullptr) return Folder(path);
    return absl::FailedPreconditionError(absl::StrCat(
        path, ": ", error ? error.message() : std::strerror(errno), "; is TMPDIR writable?"));
  }
  Folder(Folder&& other) noexcept : path_(std::exchange(other.path_, "")) {}
  Folder& operator=(Folder&&) = delete;
  ~Folder() {
    std::error_code error;
    if (!path_.empty()) fs::remove_all(path_, error);
  }

  std::string File(const std::string& name) const { return absl::StrCat(path_, "/", name); }

 private:
  explicit Folder(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

struct Point {
  int64_t epoch;
  double error;
  absl::Time heard;
};

struct Checkpoint {
  int64_t epoch;
  std::string path;  // Where it was put; empty: there was no file when its line was read.
};

// Hears a job as a worker does, and takes each checkpoint away as a worker does.
class Recorder : public TrainingObserver {
 public:
  explicit Recorder(std::string checkpoint_out) : checkpoint_out_(std::move(checkpoint_out)) {}

  void OnEpoch(int64_t epoch, double error) override {
    points.push_back({epoch, error, Now()});
    if (points.size() == 1 && leave != nullptr) leave->Set();
  }
  void OnCheckpoint(int64_t epoch) override {
    const std::string path = absl::StrCat(checkpoint_out_, ".", epoch);
    std::error_code error;
    fs::rename(checkpoint_out_, path, error);
    checkpoints.push_back({epoch, error ? "" : path});
  }

  WakeEvent* leave = nullptr;  // Set at the first epoch.
  std::vector<Point> points;
  std::vector<Checkpoint> checkpoints;

 private:
  const std::string checkpoint_out_;
};

struct Job {
  std::string name;  // For its files.
  int64_t from = 0;
  int64_t to = 0;
  std::string checkpoint_in;
  double checkpoint_interval = 0;  // Seconds.
};

struct Outcome {
  TrainingEnd end;
  std::vector<Point> points;
  std::vector<Checkpoint> checkpoints;
  absl::Time start;
  absl::Time finish;

  const DoneLine* done() const { return std::get_if<DoneLine>(&end); }
  const TrainingFailed* failed() const { return std::get_if<TrainingFailed>(&end); }
  // The file of an epoch; empty when there is none.
  std::string CheckpointOf(int64_t epoch) const {
    for (const Checkpoint& checkpoint : checkpoints) {
      if (checkpoint.epoch == epoch) return checkpoint.path;
    }
    return "";
  }
  // From the job's start to its first point, and from there to the last.
  absl::Duration Before() const { return points.front().heard - start; }
  absl::Duration Spread() const { return points.back().heard - points.front().heard; }
};

std::string EpochsOf(const std::vector<Point>& points) {
  std::string text;
  for (const Point& point : points) absl::StrAppend(&text, text.empty() ? "" : ", ", point.epoch);
  return text.empty() ? "none" : FirstOf(text, 100);
}

class Checker {
 public:
  Checker(const CheckTrainerOptions& options, json config, json objective_options, Folder folder,
          const WakeEvent& quit, std::ostream& out)
      : options_(options),
        config_(std::move(config)),
        objective_options_(std::move(objective_options)),
        folder_(std::move(folder)),
        quit_(quit),
        out_(out),
        trainer_(options.trainer) {}

  absl::StatusOr<int> Run();

 private:
  void Ok(const std::string& text) { out_ << "ok     " << text << std::endl; }
  void Note(const std::string& text) { out_ << "note   " << text << std::endl; }
  void Wrong(const std::string& text) {
    out_ << "WRONG  " << absl::StrReplaceAll(text, {{"\n", "\n         "}}) << std::endl;
    ++wrong_;
  }

  std::string LineOf(const Job& job) const;
  Outcome Do(Trainer* trainer, const Job& job, WakeEvent* leave);

  // False when the job did not come to `done`, which is said.
  bool Completed(const std::string& title, const Outcome& outcome);
  bool EpochsAreWhole(const std::string& title, const Job& job, const Outcome& outcome);
  void CheckErrors(const Outcome& outcome);
  void CheckLastCheckpoint(const Job& job, const Outcome& outcome);
  bool CheckFirst();
  void CheckResume();
  void CheckStraight();
  void CompareWithResumed();
  void CheckFlush();
  void CheckBrokenCheckpoint();
  void CheckSigterm();
  void CheckEndOfInput();

  const CheckTrainerOptions& options_;
  const json config_;
  const json objective_options_;
  const Folder folder_;
  const WakeEvent& quit_;
  std::ostream& out_;
  Trainer trainer_;
  int wrong_ = 0;
  bool flushes_ = true;  // As far as we know.
  Outcome first_;        // 0 -> N.
  Outcome resumed_;      // N -> 2N; no points when that could not be tried or went wrong.
  Outcome straight_;     // 0 -> 2N; the same.
};

std::string Checker::LineOf(const Job& job) const {
  json line = {{"study", "check-trainer"},
               {"trial_id", 1},
               {"objective", options_.objective},
               {"options", objective_options_},
               {"config", config_},
               {"from_epoch", job.from},
               {"to_epoch", job.to},
               {"max_epochs", std::max(job.to, 2 * options_.epochs)},
               {"seed", 1},
               {"checkpoint_interval", job.checkpoint_interval},
               {"checkpoint_out", folder_.File(job.name)}};
  if (!job.checkpoint_in.empty()) line["checkpoint_in"] = job.checkpoint_in;
  return json{{"job", std::move(line)}}.dump(-1, ' ', false, json::error_handler_t::replace);
}

Outcome Checker::Do(Trainer* trainer, const Job& job, WakeEvent* leave) {
  const WakeEvent never;
  Recorder recorder(folder_.File(job.name));
  recorder.leave = leave;
  Outcome outcome;
  outcome.start = Now();
  outcome.end = trainer->Run(
      {.name = job.name, .line = LineOf(job), .from_epoch = job.from, .to_epoch = job.to},
      &recorder, quit_, leave == nullptr ? never : *leave);
  outcome.finish = Now();
  outcome.points = std::move(recorder.points);
  outcome.checkpoints = std::move(recorder.checkpoints);
  return outcome;
}

bool Checker::Completed(const std::string& title, const Outcome& outcome) {
  if (outcome.done() != nullptr) return true;
  if (outcome.failed() != nullptr) {
    const bool fell_silent = outcome.failed()->crashed && outcome.points.empty() &&
                             outcome.finish - outcome.start >= options_.trainer.silence_limit;
    Wrong(absl::StrCat(title, " failed: ", outcome.failed()->failed.reason,
                       fell_silent ? "; does it read jobs from standard input, and flush standard "
                                     "output after each line?"
                                   : ""));
  }
  return false;  // Otherwise we were told to quit.
}

bool Checker::EpochsAreWhole(const std::string& title, const Job& job, const Outcome& outcome) {
  // Their order was seen to when they were heard.
  if (static_cast<int64_t>(outcome.points.size()) == job.to - job.from) return true;
  Wrong(absl::StrCat(title, " went from epoch ", job.from, " to ", job.to,
                     ", but the epochs reported were: ", EpochsOf(outcome.points),
                     "; print {\"epoch\":N,\"error\":...} after each"));
  return false;
}

void Checker::CheckErrors(const Outcome& outcome) {
  const auto is_finite = [](const Point& point) { return std::isfinite(point.error); };
  if (!std::all_of(outcome.points.begin(), outcome.points.end(), is_finite)) {
    return Wrong(
        "an error is NaN or infinite, which says that the training diverged; if this config "
        "really does, try another with --config");
  }
  Ok("every error is a finite number");
  const double last = outcome.points.back().error;
  const double done = outcome.done()->error;
  if (done == last) return Ok(absl::StrCat("done repeats the last epoch's error, ", done));
  if (!std::isfinite(done)) {
    return Wrong(absl::StrCat("done has the error ", done, ", the last epoch has ", last,
                              "; a trial whose error is not finite is never promoted"));
  }
  Note(absl::StrCat("done has the error ", done, ", the last epoch has ", last,
                    "; trials are compared by the former"));
}

void Checker::CheckLastCheckpoint(const Job& job, const Outcome& outcome) {
  if (!outcome.CheckpointOf(job.to).empty()) {
    return Ok(
        absl::StrCat("the checkpoint of epoch ", job.to, " was there when its line was printed"));
  }
  const bool announced =
      std::any_of(outcome.checkpoints.begin(), outcome.checkpoints.end(),
                  [&](const Checkpoint& checkpoint) { return checkpoint.epoch == job.to; });
  if (announced) {
    return Wrong(absl::StrCat("the checkpoint of epoch ", job.to,
                              " was announced, but checkpoint_out was not there; write another "
                              "name, rename it to checkpoint_out, and then print the line"));
  }
  Wrong(absl::StrCat("no checkpoint of epoch ", job.to,
                     " was announced: every promotion would "
                     "train from scratch; write checkpoint_out and print {\"checkpoint\":"
                     "{\"epoch\":",
                     job.to, "}} before done"));
}

bool Checker::CheckFirst() {
  const Job job = {.name = "first", .from = 0, .to = options_.epochs};
  first_ = Do(&trainer_, job, nullptr);
  const std::string title = "a job from scratch";
  if (!Completed(title, first_) || !EpochsAreWhole(title, job, first_)) return false;
  Ok(absl::StrCat(title, ": epochs 1 to ", job.to, " came one by one, then done"));
  CheckErrors(first_);
  CheckLastCheckpoint(job, first_);
  return true;
}

void Checker::CheckResume() {
  const std::string checkpoint = first_.CheckpointOf(options_.epochs);
  if (checkpoint.empty()) return Note("resuming was not tried, for want of a checkpoint");
  const Job job = {.name = "resumed",
                   .from = options_.epochs,
                   .to = 2 * options_.epochs,
                   .checkpoint_in = checkpoint};
  Outcome outcome = Do(&trainer_, job, nullptr);
  const std::string title = absl::StrCat("a job from the checkpoint of epoch ", job.from);
  if (!Completed(title, outcome) || !EpochsAreWhole(title, job, outcome)) return;
  if (!fs::exists(checkpoint)) {
    return Wrong(
        "checkpoint_in was gone after the job; it is not the trainer's to remove, since "
        "another attempt may start from it");
  }
  Ok(absl::StrCat(title, " goes on at epoch ", job.from + 1));
  resumed_ = std::move(outcome);
}

void Checker::CheckStraight() {
  const Job job = {.name = "straight",
                   .from = 0,
                   .to = 2 * options_.epochs,
                   .checkpoint_interval = kTinyIntervalSeconds};
  Outcome outcome = Do(&trainer_, job, nullptr);
  const std::string title = absl::StrCat("a job from scratch to epoch ", job.to);
  if (!Completed(title, outcome) || !EpochsAreWhole(title, job, outcome)) return;
  const auto is_lost = [](const Checkpoint& checkpoint) { return checkpoint.path.empty(); };
  if (std::any_of(outcome.checkpoints.begin(), outcome.checkpoints.end(), is_lost)) {
    // Epochs may be shorter than it takes to fetch a file, which then is the next one's.
    Note(
        "a checkpoint inside the job was written before the one before was taken; this is no "
        "harm when epochs are this short");
  }
  const auto is_inside = [&](const Checkpoint& checkpoint) { return checkpoint.epoch < job.to; };
  if (std::any_of(outcome.checkpoints.begin(), outcome.checkpoints.end(), is_inside)) {
    Ok("checkpoints are written inside a job when checkpoint_interval asks for them");
  } else {
    Note(
        "no checkpoint was written inside the job, though checkpoint_interval asks for one after "
        "each epoch: a worker that dies loses all epochs of its job");
  }
  straight_ = std::move(outcome);
}

void Checker::CompareWithResumed() {
  if (resumed_.points.empty() || straight_.points.empty()) return;
  const double resumed = resumed_.points.front().error;
  const double after_resuming = straight_.points[static_cast<size_t>(options_.epochs)].error;
  if (resumed != after_resuming && resumed == straight_.points.front().error) {
    return Wrong(absl::StrCat("resumed from epoch ", options_.epochs, ", its first error is ",
                              resumed,
                              ", the very one of epoch 1 from scratch: it does not seem "
                              "to load checkpoint_in"));
  }
  const double last = resumed_.done()->error;
  const double straight = straight_.done()->error;
  if (last == straight) return Ok("resumed or in one go, the last error is the same to the bit");
  Note(absl::StrCat("resumed, the last error is ", last, ", in one go ", straight,
                    "; keep the state of the optimiser and of random numbers in the checkpoint if "
                    "they are to be the same"));
}

void Checker::CheckFlush() {
  if (straight_.points.empty()) return;
  const absl::Duration spread = std::max(first_.Spread(), straight_.Spread());
  if (spread > kTogether) return Ok("lines come as they are printed");
  // Twice the epochs took longer, and yet no line came before all were there.
  const absl::Duration longer = straight_.Before() - first_.Before();
  if (longer > kStartNoise && longer > kStartNoiseShare * first_.Before()) {
    flushes_ = false;
    return Wrong(absl::StrCat(
        "all lines of a job came together, after ", absl::FormatDuration(straight_.Before()),
        "; flush standard output after each, as print(..., flush=True) does"));
  }
  Note("epochs are too short here to see whether lines come as they are printed; flush after each");
}

void Checker::CheckBrokenCheckpoint() {
  const std::string whole = first_.CheckpointOf(options_.epochs);
  std::error_code error;
  const uintmax_t size = whole.empty() ? 0 : fs::file_size(whole, error);
  if (error || size == 0) {
    return Note("a broken checkpoint was not tried, for want of a whole one");
  }
  const std::string broken = folder_.File("broken");
  fs::copy_file(whole, broken, error);
  if (!error) fs::resize_file(broken, size / 2, error);
  if (error) return Wrong(absl::StrCat(broken, ": ", error.message()));
  const Outcome outcome = Do(&trainer_,
                             {.name = "from_broken",
                              .from = options_.epochs,
                              .to = 2 * options_.epochs,
                              .checkpoint_in = broken},
                             nullptr);
  const std::string title =
      absl::StrCat("given half a checkpoint (", size / 2, " of ", size, " bytes), the trainer ");
  const char* const advice =
      "; answer {\"failed\":{\"reason\":...,\"unusable_checkpoint\":true}}, and the trial goes on "
      "from an older one";
  if (outcome.done() != nullptr) {
    return Wrong(absl::StrCat(title, "trained on as if nothing were amiss", advice));
  }
  if (outcome.failed() == nullptr) return;  // We were told to quit.
  const FailedLine& failed = outcome.failed()->failed;
  if (failed.unusable_checkpoint) return Ok(absl::StrCat(title, "says that it is unusable"));
  if (failed.retryable) {
    return Note(absl::StrCat(title, outcome.failed()->crashed ? "dies" : "fails",
                             ", which costs attempts of the trial", advice));
  }
  Wrong(absl::StrCat(title, "fails for good (", failed.reason, ")", advice));
}

void Checker::CheckSigterm() {
  Trainer trainer(options_.trainer);
  WakeEvent leave;
  const Job job = {.name = "long", .from = 0, .to = kLongJobEpochs * options_.epochs};
  const Outcome outcome = Do(&trainer, job, &leave);
  if (quit_.IsSet()) return;
  const bool is_lost = std::any_of(outcome.checkpoints.begin(), outcome.checkpoints.end(),
                                   [](const Checkpoint& it) { return it.path.empty(); });
  if (outcome.done() != nullptr) {
    Note(absl::StrCat("SIGTERM was not tried: ", job.to, " epochs were over before it"));
  } else if (outcome.failed() != nullptr) {
    Wrong(absl::StrCat("a long job failed: ", outcome.failed()->failed.reason));
  } else if (outcome.finish >= leave.set_time() + options_.trainer.leave_grace) {
    Wrong(absl::StrCat("SIGTERM: it was still there after ",
                       absl::FormatDuration(options_.trainer.leave_grace),
                       " and had to be killed; end after the running epoch"));
  } else if (is_lost) {
    Wrong("SIGTERM: it announced a checkpoint, but checkpoint_out was not there");
  } else if (outcome.checkpoints.empty()) {
    Note(
        "SIGTERM: it ends, but without a checkpoint; what it did since the last one is lost "
        "whenever a worker leaves");
  } else {
    Ok(absl::StrCat("SIGTERM: it leaves a checkpoint of epoch ", outcome.checkpoints.back().epoch,
                    " and ends"));
  }
}

void Checker::CheckEndOfInput() {
  absl::StatusOr<std::unique_ptr<TrainerProcess>> process =
      TrainerProcess::Start(options_.trainer.process);
  if (!process.ok()) return Wrong(std::string(process.status().message()));
  (*process)->Send(LineOf({.name = "last", .from = 0, .to = options_.epochs}));
  const WakeEvent* const wakes[] = {&quit_};
  TrainerEvent event = (*process)->Next(options_.trainer.silence_limit, wakes);
  const auto is_done = [&] {
    const auto* output = std::get_if<OutputLine>(&event);
    return output == nullptr || std::holds_alternative<DoneLine>(ParseTrainerLine(output->text));
  };
  while (!is_done()) event = (*process)->Next(options_.trainer.silence_limit, wakes);
  if (!std::holds_alternative<OutputLine>(event)) {
    if (!quit_.IsSet()) Wrong("the first job once more: this time it did not come to done");
    return;
  }
  (*process)->CloseInput();
  const absl::Time deadline = Now() + options_.close_grace;
  std::optional<TrainerEvent> last;
  do {
    last = (*process)->NextUntil(deadline, wakes);
  } while (last.has_value() && std::holds_alternative<OutputLine>(*last));
  if (quit_.IsSet()) return;
  if (last.has_value()) return Ok("it ends when its input does");
  Note(absl::StrCat("its standard input was closed, and it still ran ",
                    absl::FormatDuration(options_.close_grace),
                    " later; leave the loop at the end of input, or every worker that leaves "
                    "waits for it"));
}

absl::StatusOr<int> Checker::Run() {
  const std::function<void()> checks[] = {
      [&] { CheckResume(); },    [&] { CheckStraight(); },         [&] { CompareWithResumed(); },
      [&] { CheckFlush(); },     [&] { CheckBrokenCheckpoint(); }, [&] { CheckSigterm(); },
      [&] { CheckEndOfInput(); }};
  bool can_go_on = CheckFirst();
  for (const std::function<void()>& check : checks) {
    if (can_go_on && !quit_.IsSet()) check();
    can_go_on = can_go_on && flushes_;  // Or each answer would be waited for in vain.
  }
  if (quit_.IsSet()) return absl::CancelledError("stopped by a signal before all was checked");
  if (!can_go_on) Note("the other checks need this one first");
  trainer_.Shutdown();
  return wrong_;
}

}  // namespace

absl::StatusOr<int> CheckTrainer(const CheckTrainerOptions& options, const WakeEvent& quit,
                                 std::ostream& out) {
  HV_ASSIGN_OR_RETURN(json config, ParseObject("--config", options.config));
  HV_ASSIGN_OR_RETURN(json objective_options, ParseObject("--options", options.objective_options));
  HV_ASSIGN_OR_RETURN(Folder folder, Folder::Make());
  return Checker(options, std::move(config), std::move(objective_options), std::move(folder), quit,
                 out)
      .Run();
}

}  // namespace halving
