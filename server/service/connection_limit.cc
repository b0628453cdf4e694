#include "server/service/connection_limit.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "common/check.h"
#include "common/socket_peer.h"
#include "spdlog/spdlog.h"

namespace halving {
namespace {

constexpr absl::Duration kSweepEvery = absl::Milliseconds(100);
constexpr absl::Duration kSayEvery = absl::Minutes(1);
constexpr int kMostUsual = 32'768;

// The inode of an open file, 0 of none: a socket's is never that of another one before it.
ino_t InodeOf(int fd) {
  struct stat found = {};
  return fstat(fd, &found) == 0 ? found.st_ino : 0;
}

// Whom a connection counts for; empty: its peer has gone already.
std::string CountedFor(int fd) {
  const std::optional<SocketPeer> peer = PeerOf(fd);
  if (!peer.has_value()) return "";
  return peer->host.empty() ? "local" : peer->network;
}

}  // namespace

ConnectionLimit::ConnectionLimit(int most, Clock* clock) : most_(most), clock_(clock) {
  HV_CHECK(most >= 2) << most;
}

int ConnectionLimit::Usual() {
  rlimit files = {};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return kMostUsual;
  // A quarter is for the journal, checkpoints, pages, and those that are refused.
  const rlim_t room = files.rlim_cur / 4 * 3;
  return static_cast<int>(std::clamp<rlim_t>(room, 2, kMostUsual));
}

bool ConnectionLimit::Admit(int fd) {
  std::string from = CountedFor(fd);
  if (from.empty()) return false;
  if (IsFull(from)) Sweep();
  if (IsFull(from)) {
    SayRefused(from);
    return false;
  }
  Add(fd, {InodeOf(fd), std::move(from)});
  return true;
}

bool ConnectionLimit::IsFull(const std::string& from) const {
  if (static_cast<int>(connections_.size()) >= most_) return true;
  const auto found = by_address_.find(from);
  return found != by_address_.end() && found->second >= most_ / 2;
}

void ConnectionLimit::Add(int fd, Connection connection) {
  ++by_address_[connection.from];
  const auto [at, is_new] = connections_.try_emplace(fd);
  if (!is_new) CountOff(at->second.from);  // That connection has ended, then.
  at->second = std::move(connection);
}

void ConnectionLimit::CountOff(const std::string& from) {
  const auto found = by_address_.find(from);
  if (--found->second == 0) by_address_.erase(found);
}

void ConnectionLimit::Sweep() {
  const absl::Time now = clock_->Now();
  if (now - swept_ < kSweepEvery) return;
  swept_ = now;
  absl::erase_if(connections_, [this](const auto& entry) {
    const auto& [fd, connection] = entry;
    if (InodeOf(fd) == connection.inode) return false;
    CountOff(connection.from);
    return true;
  });
}

void ConnectionLimit::SayRefused(const std::string& from) {
  ++unsaid_;
  const absl::Time now = clock_->Now();
  if (now - said_ < kSayEvery) return;
  spdlog::warn(
      "{} refused, the last one from {}: there are {} connections, of at most {} and {} from one "
      "address; find out who opens them, or raise --max-connections",
      unsaid_ == 1 ? "a connection was" : std::to_string(unsaid_) + " connections were", from,
      connections_.size(), most_, most_ / 2);
  said_ = now;
  unsaid_ = 0;
}

}  // namespace halving
