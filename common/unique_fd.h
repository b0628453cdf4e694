// UniqueFd: an owned file descriptor.
#ifndef HALVING_COMMON_UNIQUE_FD_H_
#define HALVING_COMMON_UNIQUE_FD_H_

#include <unistd.h>

#include <utility>

namespace halving {

// Closes its descriptor when it goes. Thread-compatible.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) Reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~UniqueFd() { Reset(); }

  // -1 when there is none; poll() passes over that one.
  int get() const { return fd_; }

  void Reset(int fd = -1) {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace halving

#endif  // HALVING_COMMON_UNIQUE_FD_H_
