// Simulates studies under faults, seed after seed: halving-seeds FIRST COUNT. For long runs; the
// tests do the same briefly. Prints each seed that breaks a rule, which then runs alone with
// COUNT 1.
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "common/status.h"
#include "tests/support/history_checker.h"
#include "tests/support/random_studies.h"
#include "tests/support/simulator.h"

namespace halving {
namespace {

constexpr int64_t kInvariantsEvery = 100;

absl::Status RunSeed(uint64_t seed, int64_t* commands) {
  SimOptions options = RandomOptions(seed);
  // The rules at every event; the scheduler's own invariants, which take most of the time, after
  // one command of many. The tests look at them after every event.
  HistoryChecker checker(HistoryChecker::Depth::kEventsOnly);
  int64_t calls = 0;
  options.observer = [&](const Scheduler& scheduler, const std::vector<Event>& fresh) {
    HV_RETURN_IF_ERROR(checker.CheckAll(fresh));
    return ++calls % kInvariantsEvery == 0 ? scheduler.CheckInvariants() : absl::OkStatus();
  };
  const SimResult run = Simulate(options);
  *commands = run.commands;
  if (!run.status.ok()) return run.status;
  if (checker.DebugString() != run.final_state) {
    return absl::InternalError("the events give another state than the commands gave");
  }
  return absl::OkStatus();
}

// Thread-safe.
class Seeds {
 public:
  Seeds(uint64_t first, uint64_t count) : next_(first), end_(first + count) {}

  void Run() {
    for (uint64_t seed = next_++; seed < end_; seed = next_++) {
      int64_t commands = 0;
      const absl::Status status = RunSeed(seed, &commands);
      commands_ += commands;
      if (status.ok()) continue;
      ++failed_;
      MutexLock lock(&mu_);
      std::cout << "seed " << seed << ": " << status << std::endl;
    }
  }

  int64_t commands() const { return commands_; }
  int64_t failed() const { return failed_; }

 private:
  std::atomic<uint64_t> next_;
  const uint64_t end_;
  std::atomic<int64_t> commands_ = 0;
  std::atomic<int64_t> failed_ = 0;
  Mutex mu_;  // Of the output.
};

int Main(int argc, char** argv) {
  uint64_t first = 0;
  uint64_t count = 0;
  if (argc != 3 || !absl::SimpleAtoi(argv[1], &first) || !absl::SimpleAtoi(argv[2], &count)) {
    std::cerr << "usage: halving-seeds FIRST COUNT\n";
    return 2;
  }
  const absl::Time start = Clock::Real()->Now();
  Seeds seeds(first, count);
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i) {
    threads.emplace_back([&seeds] { seeds.Run(); });
  }
  for (std::thread& thread : threads) thread.join();
  std::cout << count << " seeds from " << first << ", " << seeds.commands() << " commands, "
            << seeds.failed() << " failed, "
            << absl::FormatDuration(absl::Trunc(Clock::Real()->Now() - start, absl::Seconds(1)))
            << std::endl;
  return seeds.failed() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace halving

int main(int argc, char** argv) { return halving::Main(argc, argv); }
