// Load: workers that call a server as fast as it answers, and what that took.
#ifndef HALVING_BENCH_LOAD_LOAD_H_
#define HALVING_BENCH_LOAD_LOAD_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/server_link.h"

namespace halving {

// What one worker calls, over and over; each call waits for the one before it.
enum class Calls {
  kEchoTwo,     // Bare ones, of the sizes of Suggest and of Report by turns.
  kEchoNext,    // Bare ones, of the size of Report with the next ask inside.
  kTwo,         // Suggest, then Report.
  kReportNext,  // Report with the next ask inside.
};

// Of the messages that kTwo and kReportNext send, as they stand on the wire.
struct MessageSizes {
  struct Pair {
    int64_t request_bytes = 0;
    int64_t response_bytes = 0;
  };
  Pair suggest;
  Pair report;
  Pair report_next;
};

enum class Clients {
  kBlocking,  // A thread for each worker, with blocking calls, as halving-worker makes them.
  kOneQueue,  // One thread for all of them: the least that clients can cost.
};

struct LoadPlan {
  Calls calls = Calls::kTwo;
  Clients clients = Clients::kBlocking;
  ServerLink link{""};
  int workers = 1;          // Each with a connection of its own.
  int64_t total_calls = 0;  // Of all of them, after those that warm up.
  MessageSizes sizes;       // Of bare calls.
  absl::Duration pause;     // After each call of a blocking client.
};

struct LoadResult {
  int64_t calls = 0;
  absl::Duration elapsed;
  std::vector<absl::Duration> latencies;      // Of each call, in no order.
  std::vector<absl::Duration> ask_latencies;  // Of those that brought an assignment.
  MessageSizes sizes;                         // Of calls that were not bare, the last ones.

  double PerSecond() const { return static_cast<double>(calls) / absl::ToDoubleSeconds(elapsed); }
};

// Runs it to its end. With Suggest and Report the server must have work for all
// workers; what a call fails with passes through.
absl::StatusOr<LoadResult> RunLoad(const LoadPlan& plan);

// The value below which `share` of them lie; they must not be empty.
absl::Duration Quantile(std::vector<absl::Duration> values, double share);

}  // namespace halving

#endif  // HALVING_BENCH_LOAD_LOAD_H_
