// Problem: something to optimise whose best config is known.
#ifndef HALVING_BENCH_SIMULATE_PROBLEM_H_
#define HALVING_BENCH_SIMULATE_PROBLEM_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "server/core/ladder.h"
#include "server/core/search_space.h"

namespace halving {

// What is fixed about a problem.
struct ProblemFacts {
  std::string name;
  std::vector<Parameter> parameters;
  LadderOptions ladder;
  Config best;  // A config with the lowest final error.
};

// Problem gives the error of a config after some epochs. Its scale is how far a usual config is
// off: the median final error of random configs, less the optimum. Implementations are immutable
// once Finish() was called.
class Problem {
 public:
  virtual ~Problem() = default;
  Problem(const Problem&) = delete;
  Problem& operator=(const Problem&) = delete;

  const std::string& name() const { return facts_.name; }
  const std::vector<Parameter>& parameters() const { return facts_.parameters; }
  const LadderOptions& ladder() const { return facts_.ladder; }
  const SearchSpace& space() const { return space_; }
  const Config& best() const { return facts_.best; }
  double optimum() const { return optimum_; }
  double scale() const { return scale_; }

  // 1 <= epochs <= max_epochs, where it is FinalError(). `seed`: of the trial's training; noise
  // below the top depends on it. NaN: diverged.
  virtual double Error(const Config& config, int64_t epochs, uint64_t seed) const = 0;
  double FinalError(const Config& config) const {
    return Error(config, facts_.ladder.max_epochs, 0);
  }

  // How far above the optimum, in units of the scale; 1 where the training diverged or is worse.
  double Regret(const Config& config) const;

 protected:
  explicit Problem(ProblemFacts facts);
  // To be called once Error() can be.
  void Finish();

  // The share of max_epochs, in (0, 1].
  double Fidelity(int64_t epochs) const {
    return static_cast<double>(epochs) / static_cast<double>(facts_.ladder.max_epochs);
  }

 private:
  ProblemFacts facts_;
  SearchSpace space_;
  double optimum_ = 0;
  double scale_ = 1;
};

// Config i, from 1, of a random sequence that the seed fixes.
Config RandomConfig(const Problem& problem, uint64_t seed, int64_t i);

// The final errors of `count` random configs; those that diverged are infinite.
std::vector<double> RandomFinalErrors(const Problem& problem, size_t count);

}  // namespace halving

#endif  // HALVING_BENCH_SIMULATE_PROBLEM_H_
