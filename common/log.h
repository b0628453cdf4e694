// Set-up of the log that every program of ours writes: spdlog to stderr.
#ifndef HALVING_COMMON_LOG_H_
#define HALVING_COMMON_LOG_H_

#include <string>

#include "absl/status/status.h"

namespace halving {

// `level` is one of trace, debug, info, warn, error, off. INVALID_ARGUMENT for another one.
absl::Status InitLog(const std::string& level);

}  // namespace halving

#endif  // HALVING_COMMON_LOG_H_
