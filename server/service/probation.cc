#include "server/service/probation.h"

#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/socket_peer.h"
#include "grpcpp/server_context.h"
#include "server/service/grpc_limits.h"
#include "spdlog/spdlog.h"

namespace halving {
namespace {

// A handshake with certificates, settings, and the headers of a call have some 10 kB; and gRPC says
// that a call was let in only once its first message is here, which may take long on a slow link.
constexpr uint64_t kMostBytes = kMaxReceivedBytes + (128 << 10);
// A stream's first message may be followed by others before the server has looked at its headers.
constexpr absl::Duration kPatience = absl::Milliseconds(100);
constexpr absl::Duration kLookEvery = absl::Milliseconds(50);
constexpr int kTcpEstablished = 1;  // <linux/tcp.h> leaves it to headers that exclude it.

// As gRPC writes it; empty: it is not known how, so it cannot be told when its calls come.
std::string GrpcNameOf(int fd) {
  const std::optional<SocketPeer> peer = PeerOf(fd);
  // One of a link has the name of a device in it.
  if (!peer.has_value() || peer->host.empty() || peer->is_link_local) return "";
  return peer->is_ipv6 ? absl::StrCat("ipv6:%5B", peer->host, "%5D:", peer->port)
                       : absl::StrCat("ipv4:", peer->host, ":", peer->port);
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
  std::string peer = GrpcNameOf(fd);
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
