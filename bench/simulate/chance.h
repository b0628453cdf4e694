// Random numbers of the simulation: pure functions of what they are drawn for.
#ifndef HALVING_BENCH_SIMULATE_CHANCE_H_
#define HALVING_BENCH_SIMULATE_CHANCE_H_

#include <cstdint>

namespace halving {

// A standard normal number, the same for equal `bits`.
double Normal(uint64_t bits);

// When the first of random events comes that have the probability `rate` in each unit of time,
// 0 <= rate < 1. `unit` is uniform in [0, 1). Infinite when the rate is 0.
double FirstEvent(double rate, double unit);

}  // namespace halving

#endif  // HALVING_BENCH_SIMULATE_CHANCE_H_
