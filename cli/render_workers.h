// How workers look as text. Pure: messages in, text out.
#ifndef HALVING_CLI_RENDER_WORKERS_H_
#define HALVING_CLI_RENDER_WORKERS_H_

#include <string>
#include <vector>

#include "cli/style.h"
#include "halving/v1/study.pb.h"

namespace halving {

// A line for each, then one that sums up. `wide`: with hosts and objectives.
std::string RenderWorkers(const std::vector<v1::Worker>& workers, bool wide,
                          const RenderOptions& options);

// The lines without the sum.
std::string RenderWorkerTable(const std::vector<v1::Worker>& workers, bool wide,
                              const RenderOptions& options);

// "8 workers: 6 busy (1 straggling), 1 idle, 1 disconnected".
std::string DescribeWorkers(const std::vector<v1::Worker>& workers);

// Of the connected ones' time in the last 10 minutes, how much they held a trial; 0 without any.
double Utilisation(const std::vector<v1::Worker>& workers);

}  // namespace halving

#endif  // HALVING_CLI_RENDER_WORKERS_H_
