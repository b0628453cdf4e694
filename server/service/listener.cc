#include "server/service/listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/host_port.h"
#include "common/status.h"
#include "spdlog/spdlog.h"

namespace halving {
namespace {

constexpr int kRetryAfterMs = 100;
constexpr int kMostAtOnce = 64;

void SetFlag(int fd, int level, int name, int value) {
  setsockopt(fd, level, name, &value, sizeof(value));
}

// An errno, or 0 with the listening socket in `fd`.
int Listen(const addrinfo& address, int* fd) {
  *fd = socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (*fd < 0) return errno;
  // A restart need not wait for the connections of the one before to be forgotten.
  SetFlag(*fd, SOL_SOCKET, SO_REUSEADDR, 1);
  SetFlag(*fd, IPPROTO_TCP, TCP_NODELAY, 1);  // Inherited by what is accepted.
  if (address.ai_family == AF_INET6) SetFlag(*fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (bind(*fd, address.ai_addr, address.ai_addrlen) == 0 && listen(*fd, SOMAXCONN) == 0) return 0;
  const int error = errno;
  close(*fd);
  return error;
}

int PortOf(int fd) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  HV_CHECK(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0) << errno;
  const bool is_ipv6 = address.ss_family == AF_INET6;
  return ntohs(is_ipv6 ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                       : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

// A name may stand for one address twice.
bool IsRepeated(const addrinfo& first, const addrinfo& one) {
  for (const addrinfo* before = &first; before != &one; before = before->ai_next) {
    // Past the port, which is ours to set.
    constexpr size_t kPortEnd = offsetof(sockaddr_in, sin_addr);
    if (before->ai_addrlen == one.ai_addrlen && before->ai_family == one.ai_family &&
        std::memcmp(reinterpret_cast<const char*>(before->ai_addr) + kPortEnd,
                    reinterpret_cast<const char*>(one.ai_addr) + kPortEnd,
                    one.ai_addrlen - kPortEnd) == 0) {
      return true;
    }
  }
  return false;
}

// Of a name with several addresses one may be of no use here, such as ::1 without IPv6.
bool IsNotOfThisMachine(int error) { return error == EADDRNOTAVAIL || error == EAFNOSUPPORT; }

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> Listener::Bind(const std::string& address) {
  const std::optional<HostPort> at = ParseHostPort(address);
  if (!at.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--listen is \"", address,
                     "\"; it must be HOST:PORT, such as 127.0.0.1:7070 or [::]:7070"));
  }
  auto listener = std::unique_ptr<Listener>(new Listener());
  listener->stop_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  HV_CHECK(listener->stop_fd_ >= 0) << "eventfd: " << std::strerror(errno);
  const absl::Status bound = listener->BindAll(at->host, absl::StrCat(at->port));
  if (!bound.ok()) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", address, ": ", bound.message(),
                     ". Stop what listens there, or choose another --listen"));
  }
  listener->address_ = absl::StrCat(at->shown, ":", PortOf(listener->fds_.front()));
  return listener;
}

absl::Status Listener::BindAll(const std::string& host, const std::string& port) {
  const auto failed = [](absl::string_view why) { return absl::UnavailableError(why); };
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int unresolved = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (unresolved != 0) return failed(gai_strerror(unresolved));
  const absl::Cleanup free_found = [found] { freeaddrinfo(found); };
  int unusable = 0;
  for (addrinfo* one = found; one != nullptr; one = one->ai_next) {
    if (IsRepeated(*found, *one)) continue;
    // With port 0 they shall all have the one that the first was given.
    if (!fds_.empty()) {
      auto* address = reinterpret_cast<sockaddr_in*>(one->ai_addr);  // The port's place is shared.
      address->sin_port = htons(static_cast<uint16_t>(PortOf(fds_.front())));
    }
    int fd = -1;
    const int error = Listen(*one, &fd);
    if (error == 0) {
      fds_.push_back(fd);
    } else if (IsNotOfThisMachine(error)) {
      unusable = error;
    } else {
      return failed(std::strerror(error));
    }
  }
  return fds_.empty() ? failed(std::strerror(unusable)) : absl::OkStatus();
}

Listener::~Listener() {
  Stop();
  close(stop_fd_);
}

void Listener::Start(OnConnection on_connection) {
  thread_ = std::thread([this, on_connection = std::move(on_connection)] { Loop(on_connection); });
}

void Listener::Stop() {
  const uint64_t one = 1;
  HV_CHECK(write(stop_fd_, &one, sizeof(one)) == sizeof(one)) << std::strerror(errno);
  if (thread_.joinable()) thread_.join();
  for (const int fd : fds_) close(fd);
  fds_.clear();
}

bool Listener::IsStopping() {
  pollfd stop = {stop_fd_, POLLIN, 0};
  return poll(&stop, 1, 0) > 0;
}

void Listener::Wait(bool for_connections, int timeout_ms) {
  std::vector<pollfd> fds = {{stop_fd_, POLLIN, 0}};
  if (for_connections) {
    for (const int fd : fds_) fds.push_back({fd, POLLIN, 0});
  }
  poll(fds.data(), fds.size(), timeout_ms);
}

void Listener::Loop(const OnConnection& on_connection) {
  while (!IsStopping()) {
    bool starved = false;
    for (const int fd : fds_) starved = !Accept(fd, on_connection) || starved;
    if (starved) {
      Wait(/*for_connections=*/false, kRetryAfterMs);  // They are there, but cannot be taken.
    } else {
      Wait(/*for_connections=*/true, -1);
    }
  }
}

bool Listener::Accept(int listening_fd, const OnConnection& on_connection) {
  // Not for ever, so that a flood on one socket holds up neither the others nor Stop().
  for (int i = 0; i < kMostAtOnce; ++i) {
    const int fd = accept4(listening_fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      if (starving_) spdlog::info("connections can be taken again");
      starving_ = false;
      on_connection(listening_fd, fd);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return true;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      if (!starving_) {
        spdlog::error("no new connection can be taken for now: {}{}", std::strerror(errno),
                      errno == EMFILE ? "; raise the limit of open files" : "");
      }
      starving_ = true;
      return false;
    }  // Else it was lost before it was taken; the next one.
  }
  return true;
}

}  // namespace halving
