// A server that a benchmark starts, and what memory it takes.
#ifndef HALVING_BENCH_CHILD_PROCESS_H_
#define HALVING_BENCH_CHILD_PROCESS_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/agent/wake_event.h"

namespace halving {

// Starts `arguments`, of which the first one is the path of the program, with its output at the end
// of the file `log`. INTERNAL: it cannot be started.
absl::StatusOr<pid_t> Spawn(std::vector<std::string> arguments, const std::string& log);

// All that is in a file; nothing when there is none.
std::string ContentOf(const std::string& path);

// ServerProcess is a program that says "listening on HOST:PORT," once it serves. Thread-compatible.
class ServerProcess {
 public:
  // Starts `arguments`, of which the first one is the path of the program, with its output in the
  // file `log`, and waits until it serves. INTERNAL: it cannot be started, or does not come to
  // serve; the message holds its log.
  static absl::StatusOr<std::unique_ptr<ServerProcess>> Start(std::vector<std::string> arguments,
                                                              const std::string& log);
  // Stops it by SIGTERM, and waits for its end.
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  pid_t pid() const { return pid_; }
  const std::string& address() const { return address_; }

 private:
  explicit ServerProcess(pid_t pid) : pid_(pid) {}

  absl::Status AwaitAddress(const std::string& log);

  const pid_t pid_;
  bool is_running_ = true;
  std::string address_;
};

// The resident memory of a process, in bytes; 0 once it is gone.
int64_t ResidentBytes(pid_t pid);
// The most that it ever was, as the kernel kept it.
int64_t PeakResidentBytes(pid_t pid);

// MemoryWatch looks at the resident memory of a process each 50 ms, from its construction to its
// destruction. Thread-safe.
class MemoryWatch {
 public:
  explicit MemoryWatch(pid_t pid);
  ~MemoryWatch();
  MemoryWatch(const MemoryWatch&) = delete;
  MemoryWatch& operator=(const MemoryWatch&) = delete;

  // The most that was seen so far.
  int64_t most_bytes() const { return most_bytes_; }

 private:
  WakeEvent over_;
  std::atomic<int64_t> most_bytes_{0};
  std::thread thread_;
};

}  // namespace halving

#endif  // HALVING_BENCH_CHILD_PROCESS_H_
