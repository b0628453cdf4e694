// Axes of a plot: from values to pixels, and where to put the ticks.
#ifndef HALVING_CLI_PLOT_SCALE_H_
#define HALVING_CLI_PLOT_SCALE_H_

#include <string>
#include <vector>

namespace halving {

// Maps an interval of values onto an interval of pixels, evenly or by the logarithm.
//
// Immutable.
class Scale {
 public:
  // An interval of no width is widened. A logarithmic scale needs min > 0.
  Scale(double min, double max, double pixel_at_min, double pixel_at_max, bool log);

  double operator()(double value) const;
  double min() const { return min_; }
  double max() const { return max_; }
  bool log() const { return log_; }

 private:
  double min_;
  double max_;
  double pixel_at_min_;
  double pixel_at_max_;
  bool log_;
};

// Round values (1, 2 or 5 times a power of ten) inside [min, max], about `wanted` of them.
std::vector<double> NiceTicks(double min, double max, int wanted);

// Round values inside [min, max] for a logarithmic scale; as NiceTicks within a factor of three.
std::vector<double> NiceLogTicks(double min, double max);

// The ticks as text: on an even scale all with as many digits after the point as the finest needs,
// on a logarithmic one each as short as it can be.
std::vector<std::string> TickLabels(const std::vector<double>& ticks, bool log);

}  // namespace halving

#endif  // HALVING_CLI_PLOT_SCALE_H_
