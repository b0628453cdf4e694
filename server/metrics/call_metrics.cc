#include "server/metrics/call_metrics.h"

#include <utility>

namespace halving {

CallMetrics::CallMetrics(std::string method, prometheus::Family<prometheus::Counter>* answers,
                         prometheus::Family<prometheus::Histogram>* durations)
    : method_(std::move(method)),
      answers_(answers),
      durations_(durations),
      ok_(&answers->Add({{"method", method_}, {"code", "OK"}})) {}

void CallMetrics::Count(absl::StatusCode code) {
  if (code == absl::StatusCode::kOk) return ok_->Increment();
  answers_->Add({{"method", method_}, {"code", CodeName(code)}}).Increment();
}

void CallMetrics::Time(absl::Duration took) {
  std::call_once(first_time_, [this] {
    duration_ = &durations_->Add({{"method", method_}}, DurationBuckets());
  });
  duration_->Observe(absl::ToDoubleSeconds(took));
}

prometheus::Histogram::BucketBoundaries DurationBuckets() {
  return {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
          0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};
}

std::string CodeName(absl::StatusCode code) {
  // A number that is no code comes from a later gRPC at most.
  const std::string name = absl::StatusCodeToString(code);
  return name.empty() ? "UNKNOWN" : name;
}

}  // namespace halving
