#include "bench/simulate/parallel.h"

#include <algorithm>
#include <atomic>
#include <thread>

namespace halving {

void ParallelFor(size_t count, int threads, const std::function<void(size_t)>& work) {
  std::atomic<size_t> next = 0;
  const auto loop = [&] {
    for (size_t i = next++; i < count; i = next++) work(i);
  };
  std::vector<std::thread> others;
  for (size_t i = 1; i < std::min(count, static_cast<size_t>(std::max(threads, 1))); ++i) {
    others.emplace_back(loop);
  }
  loop();
  for (std::thread& other : others) other.join();
}

}  // namespace halving
