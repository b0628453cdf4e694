// CallMetrics: how often one call of the contract was answered, with what, and how fast.
#ifndef HALVING_SERVER_METRICS_CALL_METRICS_H_
#define HALVING_SERVER_METRICS_CALL_METRICS_H_

#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "prometheus/counter.h"
#include "prometheus/family.h"
#include "prometheus/histogram.h"

namespace halving {

// Thread-safe. ServerMetrics owns one for each call.
class CallMetrics {
 public:
  // The families are not owned and must outlive it.
  CallMetrics(std::string method, prometheus::Family<prometheus::Counter>* answers,
              prometheus::Family<prometheus::Histogram>* durations);

  void Count(absl::StatusCode code);
  // How long the answer took; not for calls that wait or stream, whose time says nothing.
  void Time(absl::Duration took);

 private:
  const std::string method_;
  prometheus::Family<prometheus::Counter>* const answers_;
  prometheus::Family<prometheus::Histogram>* const durations_;
  prometheus::Counter* const ok_;  // Spares the common answer a look-up.
  std::once_flag first_time_;
  prometheus::Histogram* duration_ = nullptr;  // Since the first time.
};

// From 0.1 ms, a call whose batch was waiting for the disk already, to 10 s.
prometheus::Histogram::BucketBoundaries DurationBuckets();

// As grpc/grpc.io has it: "OK", "NOT_FOUND".
std::string CodeName(absl::StatusCode code);

}  // namespace halving

#endif  // HALVING_SERVER_METRICS_CALL_METRICS_H_
