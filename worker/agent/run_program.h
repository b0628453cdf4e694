// RunProgram: a small program, for what it prints.
#ifndef HALVING_WORKER_AGENT_RUN_PROGRAM_H_
#define HALVING_WORKER_AGENT_RUN_PROGRAM_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace halving {

// Runs arguments[0], looked up on PATH, and returns its standard output, of at most 1 MiB; its
// standard error goes nowhere. NOT_FOUND when there is no such program. UNAVAILABLE when it fails
// (with the beginning of what it printed) or is still at it after `time_limit`, upon which it is
// killed.
//
// Thread-safe. SIGCHLD must not be ignored in the process.
absl::StatusOr<std::string> RunProgram(std::vector<std::string> arguments,
                                       absl::Duration time_limit);

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_RUN_PROGRAM_H_
