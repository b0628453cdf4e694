#include "common/server_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace halving {
namespace {

constexpr char kDefaultPort[] = "7070";
constexpr int kMaxPort = 65535;

bool IsPort(absl::string_view text) {
  int port = 0;
  return absl::SimpleAtoi(text, &port) && port >= 1 && port <= kMaxPort;
}

}  // namespace

absl::StatusOr<std::string> NormalizeServer(const std::string& server) {
  // Of an IPv6 address in brackets only what follows them can be the port.
  const size_t host_end = server.find(']');
  const size_t colon = server.find(':', host_end == std::string::npos ? 0 : host_end);
  const bool has_port = colon != std::string::npos;
  if (absl::StartsWith(server, "unix:")) return server;
  if (server.empty() || absl::StrContains(server, "://") || server.front() == ':' ||
      (has_port && !IsPort(absl::string_view(server).substr(colon + 1)))) {
    return absl::InvalidArgumentError(
        absl::StrCat("--server is \"", absl::CHexEscape(server),
                     "\"; write HOST:PORT, such as 127.0.0.1:", kDefaultPort));
  }
  return has_port ? server : absl::StrCat(server, ":", kDefaultPort);
}

bool IsLoopback(const std::string& server) {
  if (absl::StartsWith(server, "unix:")) return true;
  std::string host = server;
  if (absl::StartsWith(host, "[")) {
    host = host.substr(1, host.find(']') - 1);
  } else if (std::count(host.begin(), host.end(), ':') == 1) {
    host = host.substr(0, host.find(':'));
  }
  if (absl::EqualsIgnoreCase(host, "localhost")) return true;
  in_addr v4;
  constexpr uint32_t kLoopbackNet = 127;
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == kLoopbackNet;
  in6_addr v6;
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

}  // namespace halving
