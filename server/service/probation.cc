#include "server/service/probation.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "grpcpp/server_context.h"
#include "spdlog/spdlog.h"

namespace halving {
namespace {

// A handshake with certificates, settings, and the headers of a call have some 10 kB.
constexpr uint64_t kMostBytes = 128 << 10;
// A first call may send its message before the server has looked at its headers.
constexpr absl::Duration kPatience = absl::Milliseconds(100);
constexpr absl::Duration kLookEvery = absl::Milliseconds(50);
constexpr int kTcpEstablished = 1;  // <linux/tcp.h> leaves it to headers that exclude it.

// As gRPC writes it; empty: it is not known how, so it cannot be told when its calls come.
std::string PeerOf(int fd) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "";
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    const auto& from = reinterpret_cast<sockaddr_in&>(address);
    inet_ntop(AF_INET, &from.sin_addr, text, sizeof(text));
    return absl::StrCat("ipv4:", text, ":", ntohs(from.sin_port));
  }
  if (address.ss_family != AF_INET6) return "";
  const auto& from = reinterpret_cast<sockaddr_in6&>(address);
  if (IN6_IS_ADDR_V4MAPPED(&from.sin6_addr)) {
    inet_ntop(AF_INET, &from.sin6_addr.s6_addr[12], text, sizeof(text));
    return absl::StrCat("ipv4:", text, ":", ntohs(from.sin6_port));
  }
  if (IN6_IS_ADDR_LINKLOCAL(&from.sin6_addr)) return "";  // Has the name of a device in it.
  inet_ntop(AF_INET6, &from.sin6_addr, text, sizeof(text));
  return absl::StrCat("ipv6:%5B", text, "%5D:", ntohs(from.sin6_port));
}

class Watcher : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit Watcher(Probation* probation) : probation_(probation) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override {
    if (probation_->count() > 0) probation_->End(info->server_context()->peer());
    return nullptr;
  }

 private:
  Probation* const probation_;
};

}  // namespace

Probation::Probation() : thread_([this] { Loop(); }) {}

Probation::~Probation() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  thread_.join();
}

void Probation::Begin(int fd) {
  std::string peer = PeerOf(fd);
  if (peer.empty()) return;
  Newcomer newcomer = {.fd = UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 0))};
  if (newcomer.fd.get() < 0) return;
  MutexLock lock(&mu_);
  newcomers_.insert_or_assign(std::move(peer), std::move(newcomer));
  count_ = static_cast<int>(newcomers_.size());
  changed_.NotifyAll();
}

void Probation::End(const std::string& peer) {
  MutexLock lock(&mu_);
  newcomers_.erase(peer);
  count_ = static_cast<int>(newcomers_.size());
}

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> Probation::EndAtCalls() {
  return std::make_unique<Watcher>(this);
}

void Probation::Loop() {
  MutexLock lock(&mu_);
  while (!stopping_) {
    if (newcomers_.empty()) {
      changed_.Wait(&mu_);
      continue;
    }
    Look();
    // Not woken by others that come: it is to be this often, whatever they do.
    const absl::Time next = Clock::Real()->Now() + kLookEvery;
    while (!stopping_ && Clock::Real()->Now() < next) {
      changed_.WaitFor(&mu_, next - Clock::Real()->Now());
    }
  }
}

void Probation::Look() {
  const absl::Time now = Clock::Real()->Now();
  absl::erase_if(newcomers_, [now](auto& entry) {
    auto& [peer, newcomer] = entry;
    tcp_info info = {};
    socklen_t size = sizeof(info);
    if (getsockopt(newcomer.fd.get(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
        info.tcpi_state != kTcpEstablished) {
      return true;
    }
    if (info.tcpi_bytes_received <= kMostBytes) return false;
    newcomer.over_since = std::min(newcomer.over_since, now);
    if (now - newcomer.over_since < kPatience) return false;
    spdlog::debug("cut off {}: it sent {} bytes, and no call that was let in", peer,
                  info.tcpi_bytes_received);
    shutdown(newcomer.fd.get(), SHUT_RDWR);
    return true;
  });
  count_ = static_cast<int>(newcomers_.size());
}

}  // namespace halving
