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

// Power laws alone, by how much a low rung tells of the end: power-law as above, where good configs
// lie together; independent-power-law, where floor, scale and exponent are drawn for themselves;
// and noisy-power-law, the same with a noise of 0.05 on each error below the top.
std::vector<std::unique_ptr<const Problem>> PowerLawProblems();

}  // namespace halving

#endif  // HALVING_BENCH_SIMULATE_PROBLEMS_H_
