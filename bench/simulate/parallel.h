// Independent pieces of work on several threads.
#ifndef HALVING_BENCH_SIMULATE_PARALLEL_H_
#define HALVING_BENCH_SIMULATE_PARALLEL_H_

#include <cstddef>
#include <functional>
#include <vector>

namespace halving {

// Calls `work` with 0 to count - 1, each once, on `threads` threads, and waits until all are done.
void ParallelFor(size_t count, int threads, const std::function<void(size_t)>& work);

// What `work` gives, by index: whichever thread was faster, the result is the same.
template <typename Result, typename Work>
std::vector<Result> ParallelMap(size_t count, int threads, const Work& work) {
  std::vector<Result> results(count);
  ParallelFor(count, threads, [&](size_t i) { results[i] = work(i); });
  return results;
}

}  // namespace halving

#endif  // HALVING_BENCH_SIMULATE_PARALLEL_H_
