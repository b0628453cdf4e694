// A problem whose curves were recorded: bench/record_curves.py.
#ifndef HALVING_BENCH_SIMULATE_TABLE_PROBLEM_H_
#define HALVING_BENCH_SIMULATE_TABLE_PROBLEM_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bench/simulate/problem.h"

namespace halving {

// `csv`: a line of names, first those of parameters, then the epochs 1, 2, ... to max_epochs; then
// one line for each config of a whole grid, with the place of each value in its list, from 0, and
// the error after each epoch ("nan": diverged). Each parameter becomes a range of these places.
// INVALID_ARGUMENT names the line (`where`:3) and what is wrong in it: a missing or bad field, a
// config that is there twice, or a grid that has holes.
absl::StatusOr<std::unique_ptr<const Problem>> ParseTableProblem(const std::string& name,
                                                                 absl::string_view csv,
                                                                 const std::string& where);

// Of a file. NOT_FOUND when it cannot be read.
absl::StatusOr<std::unique_ptr<const Problem>> ReadTableProblem(const std::string& name,
                                                                const std::string& path);

}  // namespace halving

#endif  // HALVING_BENCH_SIMULATE_TABLE_PROBLEM_H_
