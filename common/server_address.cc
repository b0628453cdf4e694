#include "common/server_address.h"

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

}  // namespace halving
