// HV_CHECK(condition) << detail: ends the process when what a bug would break is broken.
//
// For what the world may break (input, disks, networks), return an absl::Status instead.
#ifndef HALVING_COMMON_CHECK_H_
#define HALVING_COMMON_CHECK_H_

#include <cstdlib>
#include <iostream>
#include <sstream>

namespace halving::internal {

// Collects the message and aborts when it goes out of scope.
class CheckFailure {
 public:
  CheckFailure(const char* file, int line, const char* condition) {
    stream_ << file << ":" << line << ": check failed: " << condition << " ";
  }
  [[noreturn]] ~CheckFailure() {
    std::cerr << stream_.str() << std::endl;
    std::abort();
  }
  std::ostream& stream() { return stream_; }

 private:
  std::ostringstream stream_;
};

// Turns the stream expression into void, so that both arms of the macro's ?: agree.
struct CheckVoidify {
  void operator&(const std::ostream&) const {}
};

}  // namespace halving::internal

#define HV_CHECK(condition)                           \
  (condition) ? (void)0                               \
              : ::halving::internal::CheckVoidify{} & \
                    ::halving::internal::CheckFailure(__FILE__, __LINE__, #condition).stream()

#endif  // HALVING_COMMON_CHECK_H_
