// What a trainer says: one line of its standard output, read without any effect.
#ifndef HALVING_WORKER_AGENT_TRAINER_LINES_H_
#define HALVING_WORKER_AGENT_TRAINER_LINES_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <variant>

#include "absl/strings/string_view.h"

namespace halving {

// A result keeps this many metrics, the first by name.
inline constexpr size_t kMaxMetrics = 64;
inline constexpr size_t kMaxMetricNameBytes = 128;

// {"epoch":3,"error":0.31}
struct EpochLine {
  int64_t epoch = 0;
  double error = 0;  // NaN or infinite: diverged.
};

// {"checkpoint":{"epoch":3}}
struct CheckpointLine {
  int64_t epoch = 0;
};

// {"done":{"error":0.27,"metrics":{"test_error":0.28}}}
struct DoneLine {
  double error = 0;
  std::map<std::string, double> metrics;
  int64_t dropped_metrics = 0;  // Beyond kMaxMetrics, or with too long a name.
};

// {"failed":{"reason":"...","retryable":false,"unusable_checkpoint":false,"out_of_memory":false}}
struct FailedLine {
  std::string reason;
  bool retryable = false;
  bool unusable_checkpoint = false;  // checkpoint_in cannot be read; the config is not at fault.
  bool out_of_memory = false;        // Of the device or the host; another one may have more.
};

// Not for us: goes to the log.
struct LogLine {
  std::string text;
};

// Meant for us, but it cannot be read.
struct MalformedLine {
  std::string why;
};

using TrainerLine =
    std::variant<EpochLine, CheckpointLine, DoneLine, FailedLine, LogLine, MalformedLine>;

// Reads one line, without its newline. An error may be a number, null, or NaN, Infinity and
// -Infinity, bare (as Python prints them) or quoted. All strings that come out are valid UTF-8.
TrainerLine ParseTrainerLine(absl::string_view line);

// Whether what a program wrote to stderr before it died says that memory was exhausted, as CUDA,
// PyTorch, JAX, Python, C++ and the C library put it.
bool SaysOutOfMemory(absl::string_view stderr_text);

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_TRAINER_LINES_H_
