// Means of runs, and how far to trust them.
#ifndef HALVING_BENCH_SIMULATE_STATISTICS_H_
#define HALVING_BENCH_SIMULATE_STATISTICS_H_

#include <string>
#include <vector>

namespace halving {

// A figure and its standard error; 0 when one run alone gives none.
struct Estimate {
  double value = 0;
  double standard_error = 0;
};

// Of at least one value each.
double Mean(const std::vector<double>& values);
double Median(std::vector<double> values);
// The value below which this share of them lies.
double Quantile(std::vector<double> values, double share);
Estimate MeanOf(const std::vector<double>& values);

// Mean(a) / Mean(b), where a[i] and b[i] are of the same seed: its error is that of the mean of
// a[i] - ratio * b[i], over Mean(b) (the delta method).
Estimate RatioOfMeans(const std::vector<double>& a, const std::vector<double>& b);

// "12.3 ± 0.4", with so many digits behind the point.
std::string Format(const Estimate& estimate, int digits);

}  // namespace halving

#endif  // HALVING_BENCH_SIMULATE_STATISTICS_H_
