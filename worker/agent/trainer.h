// Trainer: the trainer program as the worker uses it, one job after another.
#ifndef HALVING_WORKER_AGENT_TRAINER_H_
#define HALVING_WORKER_AGENT_TRAINER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "worker/agent/trainer_lines.h"
#include "worker/agent/trainer_process.h"
#include "worker/agent/wake_event.h"

namespace halving {

// TrainingObserver hears what a job says before its end, on the thread that runs it.
class TrainingObserver {
 public:
  virtual ~TrainingObserver() = default;
  virtual void OnEpoch(int64_t epoch, double error) = 0;
  // The file at checkpoint_out is whole, and holds this epoch.
  virtual void OnCheckpoint(int64_t epoch) = 0;
  // A line for people: any of stderr, and of stdout what is no event. It may hold any bytes.
  virtual void OnLine(absl::string_view) {}
};

// One job: a line for the trainer, and the epochs (from, to] that it is to train.
struct TrainingJob {
  std::string name;  // For the log.
  std::string line;
  int64_t from_epoch = 0;
  int64_t to_epoch = 0;
};

// The job failed. `crashed` when the program and not the config is to blame: it could not be
// started, died, or fell silent.
struct TrainingFailed {
  FailedLine failed;
  bool crashed = false;
};

// The work was dropped, or the worker leaves and the job did not end before it had to; the program
// is stopped.
struct TrainingInterrupted {};

using TrainingEnd = std::variant<DoneLine, TrainingFailed, TrainingInterrupted>;

// Trainer keeps one trainer program running between jobs, and starts it anew when it has ended.
//
// Thread-compatible: the worker's main thread owns it.
class Trainer {
 public:
  struct Options {
    TrainerProcess::Options process;
    absl::Duration silence_limit;  // Without any output for this long, it is given up.
    absl::Duration stop_grace = absl::Seconds(5);  // From SIGTERM to SIGKILL, of dropped work.
    // The same when the worker leaves, for the epoch it is in and a last checkpoint.
    absl::Duration leave_grace = absl::Seconds(5);
  };

  explicit Trainer(Options options) : options_(std::move(options)) {}

  // Runs one job to its end. Points that are out of order or out of range, and lines that cannot
  // be read, fail it, not retryable.
  //
  // Once `drop` is set the program is stopped, and what it still says thrown away. Once `leave` is
  // set it gets SIGTERM, and is heard until it has ended or leave_grace is over: its epochs, its
  // checkpoints and `done` count as ever, and nothing it does then is a failure.
  TrainingEnd Run(const TrainingJob& job, TrainingObserver* observer, const WakeEvent& drop,
                  const WakeEvent& leave);

  // Ends the program, if one runs: it has a second to end by itself once its input is closed.
  void Shutdown();

 private:
  // What the lines of one job have said so far.
  struct Said {
    bool anything = false;
    int64_t epoch = 0;
    int64_t checkpoint = 0;
  };

  // Sends the job to the program, whose stderr goes to the observer from then on.
  absl::Status Prepare(const TrainingJob& job, TrainingObserver* observer);
  // Hears a job that was sent to its end.
  TrainingEnd Attend(const TrainingJob& job, TrainingObserver* observer, const WakeEvent& drop,
                     const WakeEvent& leave);
  // What the line says; malformed too when it is too long, or its epoch is out of order or range.
  TrainerLine Read(const TrainingJob& job, const OutputLine& output, const Said& said) const;
  // Passes on what a job says before its end; false when the line is not of that kind.
  static bool Hear(const TrainingJob& job, const OutputLine& output, const TrainerLine& line,
                   Said* said, TrainingObserver* observer);
  std::optional<TrainingEnd> OnLine(const TrainingJob& job, const OutputLine& output, Said* said,
                                    TrainingObserver* observer);
  std::optional<TrainingEnd> OnExit(const TrainingJob& job, const TrainerExit& exit,
                                    const Said& said, TrainingObserver* observer);
  TrainingEnd OnSilence();
  TrainingEnd FinishLeaving(const TrainingJob& job, Said* said, TrainingObserver* observer,
                            const WakeEvent& drop);
  void StopProcess(absl::Duration grace);

  const Options options_;
  std::unique_ptr<TrainerProcess> process_;  // Null: none runs.
  bool reused_ = false;                      // It has done a job before this one.
};

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_TRAINER_H_
