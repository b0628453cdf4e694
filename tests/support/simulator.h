// The simulator: a Scheduler, its workers, the network between them and the people around them, in
// virtual time and from one seed.
#ifndef HALVING_TESTS_SUPPORT_SIMULATOR_H_
#define HALVING_TESTS_SUPPORT_SIMULATOR_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/core/commands.h"
#include "server/core/events.h"
#include "server/core/scheduler.h"
#include "server/core/spec.h"

namespace halving {

// How often what goes wrong: each a probability.
struct SimFaults {
  // Of a message between worker and server.
  double lose_request = 0;  // The worker sends it again a second later.
  double lose_answer = 0;   // As before, but the server has carried it out.
  double repeat = 0;        // A copy comes in again, up to three leases later.
  double restart = 0;       // The server dies after it, and starts again from its journal.
  double lose_commit = 0;   // The server dies before what it decided was on disk.
  double freeze = 0;        // The server stands still after it, for up to three leases.
  double fill_disk = 0;     // What it decided is on disk only after up to three leases; until then
                            // nothing is answered or decided.

  // Of an epoch.
  double stall = 0;          // The worker is silent for up to three leases, then goes on.
  double crash = 0;          // It dies, and starts anew up to two leases later.
  double leave = 0;          // It gives its trial back and starts anew.
  double fail = 0;           // The training fails, retryable...
  double fail_for_good = 0;  // ...or not.

  // Of a result, of a checkpoint that is due, and of one that is to be read.
  double diverge = 0;
  double no_checkpoint = 0;
  double unusable_checkpoint = 0;

  // Of each minute: a study is paused, for up to ten of them.
  double pause = 0;

  // Everything, often.
  static SimFaults Rough();
};

struct SimOptions {
  uint64_t seed = 1;
  std::vector<StudySpec> studies;  // Created at the start.
  int workers = 3;
  absl::Duration epoch = absl::Seconds(10);  // A worker takes half of it to twice as long.
  SimFaults faults;
  // How often a COMPLETED study is extended: by 7 evaluations, 1 round, 20 epochs, 10 minutes, half
  // its target, or twice its trials without improvement, whichever limits it has.
  int extensions = 0;
  absl::Duration time_limit = absl::Hours(24 * 30);  // Virtual. A study that lasts longer hangs.
  // The journal of an earlier run, whose workers are all gone. Its studies go on.
  std::vector<Event> history;
  // The error of a trial after so many epochs; by default a curve that depends on the trial.
  std::function<double(const Assignment& assignment, int64_t epochs)> error;
  // Called after each command with the events that are new. An error ends the run.
  std::function<absl::Status(const Scheduler& scheduler, const std::vector<Event>& fresh)> observer;
};

struct SimResult {
  absl::Status status;          // OK: every study ended. Else what went wrong first.
  std::vector<Event> events;    // All, durable or not, the history first.
  std::vector<size_t> ends;     // How many events there were after each command.
  std::string final_state;      // Scheduler::DebugString().
  absl::Duration virtual_time;  // From the start to the end.
  int64_t commands = 0;
  int64_t restarts = 0;      // Of the server.
  int64_t freezes = 0;       // Of the server or its disk.
  int64_t acknowledged = 0;  // Results that their workers know to be counted; all are in `events`.
};

// Runs until every study has ended and been extended. Equal options give equal results.
SimResult Simulate(const SimOptions& options);

}  // namespace halving

#endif  // HALVING_TESTS_SUPPORT_SIMULATOR_H_
