// The other end of a connection.
#ifndef HALVING_COMMON_SOCKET_PEER_H_
#define HALVING_COMMON_SOCKET_PEER_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

namespace halving {

struct SocketPeer {
  bool is_ipv6 = false;
  bool is_link_local = false;  // Of IPv6: the host alone does not say where it is.
  std::string host;  // Empty: no address of IP. An IPv4 one in IPv6's clothes is as itself.
  uint16_t port = 0;
  // Whom a connection counts for. Of IPv6 it is the network, since one machine has as many
  // addresses of it as it likes.
  std::string network;
};

// nullopt: it has gone already.
inline std::optional<SocketPeer> PeerOf(int fd) {
  sockaddr_storage storage = {};
  socklen_t size = sizeof(storage);
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return std::nullopt;
  std::array<char, INET6_ADDRSTRLEN> text = {};
  SocketPeer peer;
  if (storage.ss_family == AF_INET) {
    const auto& from = reinterpret_cast<sockaddr_in&>(storage);
    peer.host = inet_ntop(AF_INET, &from.sin_addr, text.data(), text.size());
    peer.port = ntohs(from.sin_port);
    peer.network = peer.host;
  }
  if (storage.ss_family != AF_INET6) return peer;
  auto& from = reinterpret_cast<sockaddr_in6&>(storage);
  in6_addr& host = from.sin6_addr;
  peer.port = ntohs(from.sin6_port);
  if (IN6_IS_ADDR_V4MAPPED(&host)) {
    peer.host = inet_ntop(AF_INET, &host.s6_addr[12], text.data(), text.size());
    peer.network = peer.host;
    return peer;
  }
  peer.is_ipv6 = true;
  peer.is_link_local = IN6_IS_ADDR_LINKLOCAL(&host);
  peer.host = inet_ntop(AF_INET6, &host, text.data(), text.size());
  peer.network = peer.host;
  if (IN6_IS_ADDR_LOOPBACK(&host)) return peer;
  constexpr size_t kNetworkBytes = 8;
  std::memset(&host.s6_addr[kNetworkBytes], 0, sizeof(host.s6_addr) - kNetworkBytes);
  peer.network = std::string(inet_ntop(AF_INET6, &host, text.data(), text.size())) + "/64";
  return peer;
}

}  // namespace halving

#endif  // HALVING_COMMON_SOCKET_PEER_H_
