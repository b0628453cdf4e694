// Where a server is to listen, as flags say it.
#ifndef HALVING_COMMON_HOST_PORT_H_
#define HALVING_COMMON_HOST_PORT_H_

#include <optional>
#include <string>

#include "absl/strings/numbers.h"

namespace halving {

struct HostPort {
  std::string host;   // An IPv6 address without its brackets.
  std::string shown;  // With them.
  int port = 0;       // 0: any.
};

// Of "HOST:PORT", an IPv6 address in brackets; nullopt for anything else.
inline std::optional<HostPort> ParseHostPort(const std::string& text) {
  constexpr int kMaxPort = 65535;
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  HostPort parsed{.host = text.substr(0, colon), .shown = text.substr(0, colon)};
  const std::string& shown = parsed.shown;
  const bool bracketed = shown.size() > 2 && shown.front() == '[' && shown.back() == ']';
  if (!absl::SimpleAtoi(text.substr(colon + 1), &parsed.port) || parsed.port < 0 ||
      parsed.port > kMaxPort || shown.empty() ||
      (!bracketed && shown.find(':') != std::string::npos)) {
    return std::nullopt;
  }
  if (bracketed) parsed.host = shown.substr(1, shown.size() - 2);
  return parsed;
}

}  // namespace halving

#endif  // HALVING_COMMON_HOST_PORT_H_
