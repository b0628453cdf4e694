// RawClient: a TCP connection that says what no proper client would.
#ifndef HALVING_TESTS_DASHBOARD_RAW_CLIENT_H_
#define HALVING_TESTS_DASHBOARD_RAW_CLIENT_H_

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/host_port.h"
#include "common/unique_fd.h"

namespace halving {

// Thread-compatible.
class RawClient {
 public:
  // `address`: 127.0.0.1:PORT, or of `from`, another address of this machine.
  explicit RawClient(const std::string& address, const std::string& from = "127.0.0.1",
                     int receive_bytes = 0)
      : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_bytes > 0) {
      setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
    }
    sockaddr_in own = {.sin_family = AF_INET};
    inet_pton(AF_INET, from.c_str(), &own.sin_addr);
    HV_CHECK(bind(fd_.get(), reinterpret_cast<sockaddr*>(&own), sizeof(own)) == 0);
    sockaddr_in there = {.sin_family = AF_INET,
                         .sin_port = htons(static_cast<uint16_t>(ParseHostPort(address)->port))};
    inet_pton(AF_INET, "127.0.0.1", &there.sin_addr);
    HV_CHECK(connect(fd_.get(), reinterpret_cast<sockaddr*>(&there), sizeof(there)) == 0)
        << std::strerror(errno);
  }

  // False: the other end is gone.
  bool Send(absl::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  // All that comes until the other end hangs up, which it must within a minute.
  std::string ReadAll() {
    std::string all;
    const absl::Time deadline = Clock::Real()->Now() + absl::Minutes(1);
    for (char bytes[4096];;) {
      HV_CHECK(Clock::Real()->Now() < deadline) << "still open, after: " << all;
      pollfd ready = {.fd = fd_.get(), .events = POLLIN};
      if (poll(&ready, 1, 1000) == 0) continue;
      const ssize_t size = recv(fd_.get(), bytes, sizeof(bytes), 0);
      if (size <= 0) return all;
      all.append(bytes, static_cast<size_t>(size));
    }
  }

 private:
  const UniqueFd fd_;
};

}  // namespace halving

#endif  // HALVING_TESTS_DASHBOARD_RAW_CLIENT_H_
