// Workers that wait, in processes of their own.
#ifndef HALVING_BENCH_LOAD_WAITING_H_
#define HALVING_BENCH_LOAD_WAITING_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/load/server_under_load.h"

namespace halving {

// What a process of workers does.
struct WaitersPlan {
  int workers = 0;  // Each with a connection of its own.
  int first = 0;    // The number of the first one.
  std::string address;
  bool bare = false;  // Calls that are never answered, of a bare server.
};

// Asks for a trial for each worker, and asks again whenever an ask comes back without one. Says
// "N asked" on stdout once all asks are on their way, and "N hold a trial" once all have one; then
// waits for a line on stdin, reports all of them at once, says "N reported", and ends. With bare
// calls it says only the first, and waits until it is killed.
absl::Status BeWaiters(const WaitersPlan& plan);

struct HeldCalls {
  int64_t memory_bytes = 0;    // What the server takes more with them than without.
  double processor_share = 0;  // Of one core, in the server, while nothing happens.
};

// Has `program` be waiters, in four processes, and looks at the server for half a minute.
absl::StatusOr<HeldCalls> HoldCalls(const std::string& program, const std::string& address,
                                    pid_t server, int calls, bool bare, const std::string& log);

struct Burst {
  absl::Duration handed_out;  // From the study's creation until each worker had its trial.
  absl::Duration reported;    // From the first report until the last answer.
};

// With `workers` waiting, creates a study that has a trial for each; then all report at once.
absl::StatusOr<Burst> RunBurst(const std::string& program, ServerUnderLoad* server, int workers,
                               const std::string& log);

}  // namespace halving

#endif  // HALVING_BENCH_LOAD_WAITING_H_
