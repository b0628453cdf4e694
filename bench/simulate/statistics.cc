#include "bench/simulate/statistics.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"
#include "common/check.h"

namespace halving {

double Mean(const std::vector<double>& values) {
  HV_CHECK(!values.empty());
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double Median(std::vector<double> values) {
  HV_CHECK(!values.empty());
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double Quantile(std::vector<double> values, double share) {
  HV_CHECK(!values.empty());
  const auto at =
      std::min(values.size() - 1, static_cast<size_t>(share * static_cast<double>(values.size())));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

Estimate MeanOf(const std::vector<double>& values) {
  Estimate estimate{.value = Mean(values)};
  if (values.size() < 2) return estimate;
  double squares = 0;
  for (const double value : values) squares += (value - estimate.value) * (value - estimate.value);
  const auto count = static_cast<double>(values.size());
  estimate.standard_error = std::sqrt(squares / (count - 1) / count);
  return estimate;
}

Estimate RatioOfMeans(const std::vector<double>& a, const std::vector<double>& b) {
  HV_CHECK(a.size() == b.size()) << a.size() << " and " << b.size() << " values are no pairs";
  const double ratio = Mean(a) / Mean(b);
  std::vector<double> rest;
  for (size_t i = 0; i < a.size(); ++i) rest.push_back(a[i] - ratio * b[i]);
  return {ratio, MeanOf(rest).standard_error / std::fabs(Mean(b))};
}

std::string Format(const Estimate& estimate, int digits) {
  return absl::StrFormat("%.*f ± %.*f", digits, estimate.value, digits, estimate.standard_error);
}

}  // namespace halving
