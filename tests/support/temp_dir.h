// A folder of a test's own, removed with what is in it.
#ifndef HALVING_TESTS_SUPPORT_TEMP_DIR_H_
#define HALVING_TESTS_SUPPORT_TEMP_DIR_H_

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include "common/check.h"
#include "gtest/gtest.h"

namespace halving {

// TempDir makes a folder and removes it at the end. Thread-compatible.
class TempDir {
 public:
  TempDir() : path_(testing::TempDir() + "/halving-XXXXXX") {
    HV_CHECK(mkdtemp(path_.data()) != nullptr) << path_;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline void WriteTestFile(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary);
  file << content;
  HV_CHECK(file.good()) << path;
}

inline std::string ReadTestFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  HV_CHECK(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace halving

#endif  // HALVING_TESTS_SUPPORT_TEMP_DIR_H_
