// Rank correlation: how well the order at one rung foretells that at the next.
#ifndef HALVING_SERVER_CORE_RANK_CORRELATION_H_
#define HALVING_SERVER_CORE_RANK_CORRELATION_H_

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

namespace halving {

// The newest pairs of errors that trials had at two rungs. NaN and infinite errors rank last,
// alike. Thread-compatible.
class RungPairs {
 public:
  static constexpr size_t kLeast = 12;  // Fewer say nothing.
  static constexpr size_t kMost = 64;

  void Add(double lower_rung, double upper_rung);

  size_t size() const { return pairs_.size(); }

  // Spearman's, from -1 to 1; ties share their mean rank. nullopt below kLeast pairs, or when all
  // are tied at either rung.
  std::optional<double> Correlation() const;

 private:
  std::deque<std::pair<double, double>> pairs_;
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_RANK_CORRELATION_H_
