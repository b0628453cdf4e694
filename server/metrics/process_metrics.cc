#include "server/metrics/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace halving {
namespace {

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// When this machine started, in seconds since 1970; 0 when /proc does not tell.
double BootTime() {
  for (const absl::string_view line : absl::StrSplit(ReadAll("/proc/stat"), '\n')) {
    double seconds = 0;
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    if (words.size() == 2 && words[0] == "btime" && absl::SimpleAtod(words[1], &seconds)) {
      return seconds;
    }
  }
  return 0;
}

int64_t CountOpenFiles() {
  std::error_code error;
  int64_t count = 0;
  std::filesystem::directory_iterator at("/proc/self/fd", error);
  for (; !error && at != std::filesystem::directory_iterator(); at.increment(error)) ++count;
  return count;
}

}  // namespace

void AddProcessMetrics(Gauges* gauges) {
  // proc(5): the name in parentheses may hold anything; after it field 3 is the state.
  const std::string stat = ReadAll("/proc/self/stat");
  const size_t after_name = stat.rfind(") ");
  if (after_name == std::string::npos) return;
  const std::vector<std::string> fields = absl::StrSplit(stat.substr(after_name + 2), ' ');
  const auto field = [&fields](size_t number) {
    double value = 0;
    const bool ok = number - 3 < fields.size() && absl::SimpleAtod(fields[number - 3], &value);
    return ok ? value : 0;
  };
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  gauges->Add("process_cpu_seconds_total", "Processor time, in user and in system mode.",
              (field(14) + field(15)) / ticks, {}, prometheus::MetricType::Counter);
  gauges->Add("process_start_time_seconds", "When the process started, since 1970.",
              BootTime() + field(22) / ticks);
  gauges->Add("process_virtual_memory_bytes", "Virtual memory.", field(23));
  gauges->Add("process_resident_memory_bytes", "Resident memory.",
              field(24) * static_cast<double>(sysconf(_SC_PAGESIZE)));
  gauges->Add("process_open_fds", "Open file descriptors.", static_cast<double>(CountOpenFiles()));
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    gauges->Add("process_max_fds", "How many file descriptors may be open.",
                static_cast<double>(limit.rlim_cur));
  }
}

}  // namespace halving
