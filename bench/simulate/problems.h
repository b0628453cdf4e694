// All problems that are simulated.
#ifndef HALVING_BENCH_SIMULATE_PROBLEMS_H_
#define HALVING_BENCH_SIMULATE_PROBLEMS_H_

#include <memory>
#include <vector>

#include "bench/simulate/problem.h"

namespace halving {

// hartmann3-* and hartmann6-* (good, moderate, bad, terrible), branin, borehole.
std::vector<std::unique_ptr<const Problem>> AnalyticProblems();

// Learning curves over a mixed space of floats, ints and a choice: power-law, crossing (what ends
// well begins badly) and late-takeoff (at chance for some time).
std::vector<std::unique_ptr<const Problem>> CurveProblems();

// The first of them alone.
std::unique_ptr<const Problem> PowerLawProblem();

}  // namespace halving

#endif  // HALVING_BENCH_SIMULATE_PROBLEMS_H_
