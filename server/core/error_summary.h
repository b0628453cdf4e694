// ErrorSummary: count, extremes and median of errors as they come in.
#ifndef HALVING_SERVER_CORE_ERROR_SUMMARY_H_
#define HALVING_SERVER_CORE_ERROR_SUMMARY_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

namespace halving {

// Adding takes O(log n), asking O(1), so that a status costs the same whatever came before. The
// errors must be finite. Thread-compatible.
class ErrorSummary {
 public:
  void Add(double error) {
    least_ = std::min(least_, error);
    most_ = std::max(most_, error);
    if (lower_.empty() || error <= lower_.front()) {
      Push(lower_, error, std::less<>());
    } else {
      Push(upper_, error, std::greater<>());
    }
    // The lower half holds the middle one of an odd count.
    if (lower_.size() > upper_.size() + 1) {
      Push(upper_, Pop(lower_, std::less<>()), std::greater<>());
    } else if (upper_.size() > lower_.size()) {
      Push(lower_, Pop(upper_, std::greater<>()), std::less<>());
    }
  }

  void Add(const ErrorSummary& other) {
    for (const double error : other.lower_) Add(error);
    for (const double error : other.upper_) Add(error);
  }

  int64_t count() const { return static_cast<int64_t>(lower_.size() + upper_.size()); }
  bool empty() const { return lower_.empty(); }
  double least() const { return least_; }  // As most() and Median(): of one error at least.
  double most() const { return most_; }
  double Median() const {
    if (lower_.size() > upper_.size()) return lower_.front();
    return lower_.front() + (upper_.front() - lower_.front()) / 2;
  }

 private:
  using Heap = std::vector<double>;

  template <typename Less>
  static void Push(Heap& heap, double error, Less less) {
    heap.push_back(error);
    std::push_heap(heap.begin(), heap.end(), less);
  }
  template <typename Less>
  static double Pop(Heap& heap, Less less) {
    std::pop_heap(heap.begin(), heap.end(), less);
    const double error = heap.back();
    heap.pop_back();
    return error;
  }

  Heap lower_;  // The smaller half, the largest in front.
  Heap upper_;  // The larger half, the smallest in front.
  double least_ = std::numeric_limits<double>::infinity();
  double most_ = -std::numeric_limits<double>::infinity();
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_ERROR_SUMMARY_H_
