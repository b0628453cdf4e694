#include "server/metrics/gauges.h"

namespace halving {

void Gauges::Add(const std::string& name, const std::string& help, double value,
                 const Labels& labels, prometheus::MetricType type) {
  const auto [at, fresh] = by_name_.insert({name, families_.size()});
  if (fresh) families_.push_back({.name = name, .help = help, .type = type, .metric = {}});
  prometheus::ClientMetric metric;
  for (const auto& [label, text] : labels) metric.label.push_back({label, text});
  if (type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  families_[at->second].metric.push_back(std::move(metric));
}

}  // namespace halving
