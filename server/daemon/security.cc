#include "server/daemon/security.h"

#include <filesystem>
#include <string>
#include <utility>

#include "common/clock.h"
#include "common/server_address.h"
#include "common/status.h"
#include "spdlog/spdlog.h"

namespace halving {

absl::StatusOr<std::unique_ptr<TlsWatcher>> WatchCertificates(const ServerOptions& options) {
  if (options.tls.cert.empty() && options.tls.key.empty() && options.tls.ca.empty()) return nullptr;
  if (options.tls.cert.empty()) {
    return absl::InvalidArgumentError(
        "--tls-ca or --tls-key without --tls-cert; a server that speaks TLS needs a certificate");
  }
  return TlsWatcher::Start(options.tls,
                           {.inform = [](const std::string& what) { spdlog::info("{}", what); },
                            .warn = [](const std::string& what) { spdlog::warn("{}", what); }});
}

absl::StatusOr<std::unique_ptr<Access>> OpenAccess(const ServerOptions& options) {
  const bool needs_tokens = NeedsTokens(options);
  if (!needs_tokens && IsExposed(options)) {
    spdlog::warn(
        "other machines can reach this server, and whoever does may do everything: --auth "
        "is off");
  }
  if (options.insecure && IsExposed(options) && options.tls.cert.empty()) {
    spdlog::warn("calls from other machines come in clear text, tokens included: --insecure");
  }
  absl::StatusOr<std::unique_ptr<Access>> access = Access::Open(
      options.data_dir, Clock::Real(),
      {.needs_tokens = needs_tokens, .max_calls_per_second = options.max_calls_per_second});
  const std::string admin = Access::AdminTokenFile(options.data_dir);
  if (access.ok() && needs_tokens && std::filesystem::exists(admin)) {
    spdlog::info("each call needs a token; an admin's is in {}", admin);
  }
  return access;
}

// Which role a call that changes something needs is checked by the service that it ends at.
Authorize HttpAuthorize(Access* access) {
  if (!access->needs_tokens()) return nullptr;
  return [access](const HttpCall& call) -> absl::StatusOr<HttpCaller> {
    const absl::string_view rule = call.path == "/metrics" ? "/http/metrics" : "/http/page";
    HV_ASSIGN_OR_RETURN(Caller caller, access->Admit(call.authorization, rule));
    return HttpCaller{
        .name = caller.token, .role = RoleName(caller.role), .owner = std::move(caller.owner)};
  };
}

// On loopback there are none: the name that it is reached by there is not the certificate's.
TlsSource HttpCertificates(const ServerOptions& options, const TlsWatcher* tls) {
  if (tls == nullptr || IsLoopback(options.http)) return nullptr;
  return [tls] { return tls->current(); };
}

}  // namespace halving
