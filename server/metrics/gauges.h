// Gauges: what a scrape finds as it stands, without series that outlive what they tell of.
#ifndef HALVING_SERVER_METRICS_GAUGES_H_
#define HALVING_SERVER_METRICS_GAUGES_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "prometheus/metric_family.h"

namespace halving {

// Collects values into families, in the order in which their names first come. Thread-compatible.
class Gauges {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;

  void Add(const std::string& name, const std::string& help, double value,
           const Labels& labels = {}, prometheus::MetricType type = prometheus::MetricType::Gauge);

  std::vector<prometheus::MetricFamily> Take() { return std::move(families_); }

 private:
  std::vector<prometheus::MetricFamily> families_;
  std::map<std::string, size_t> by_name_;
};

}  // namespace halving

#endif  // HALVING_SERVER_METRICS_GAUGES_H_
