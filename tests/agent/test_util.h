// What the worker's tests share: temporary folders, files, waiting for other processes.
#ifndef HALVING_TESTS_AGENT_TEST_UTIL_H_
#define HALVING_TESTS_AGENT_TEST_UTIL_H_

#include <stdlib.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/clock.h"

namespace halving {

// Real processes are waited for this long before a test fails.
inline constexpr absl::Duration kTestTimeout = absl::Seconds(20);

// A folder that goes with the test.
class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "halving_XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TempDir() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return absl::StrCat(path_, "/", name); }

 private:
  std::string path_;
};

// Empty when it cannot be read, as what /proc says of a process that ends just then.
inline std::string ReadFile(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();  // Iterators would throw.
  return content.str();
}

inline void WriteFile(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

// Polls until `done`; false when it takes too long.
inline bool Eventually(const std::function<bool()>& done, absl::Duration timeout = kTestTimeout) {
  const absl::Time deadline = Clock::Real()->Now() + timeout;
  while (!done()) {
    if (Clock::Real()->Now() > deadline) return false;
    halving::SleepFor(absl::Milliseconds(5));
  }
  return true;
}

// The process number that a script has left in a file; 0 while there is none.
inline pid_t ReadPid(const std::string& path) {
  const std::string text = ReadFile(path);
  return text.empty() || text.back() != '\n' ? 0 : std::stoi(text);
}

// Ended, whether or not anybody has collected it.
inline bool IsGone(pid_t pid) {
  if (kill(pid, 0) != 0) return true;
  const std::string stat = ReadFile(absl::StrCat("/proc/", pid, "/stat"));
  const size_t state = stat.rfind(") ");
  return state == std::string::npos || stat[state + 2] == 'Z' || stat[state + 2] == 'X';
}

// SIGKILL needs a moment.
inline bool IsGoneSoon(pid_t pid) {
  return Eventually([pid] { return IsGone(pid); });
}

}  // namespace halving

#endif  // HALVING_TESTS_AGENT_TEST_UTIL_H_
