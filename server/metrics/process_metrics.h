// What Prometheus's own clients tell of their process, under the same names.
#ifndef HALVING_SERVER_METRICS_PROCESS_METRICS_H_
#define HALVING_SERVER_METRICS_PROCESS_METRICS_H_

#include "server/metrics/gauges.h"

namespace halving {

// What /proc does not tell is left out.
void AddProcessMetrics(Gauges* gauges);

}  // namespace halving

#endif  // HALVING_SERVER_METRICS_PROCESS_METRICS_H_
