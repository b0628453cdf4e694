// Certificates and tokens, as the options say.
#ifndef HALVING_SERVER_DAEMON_SECURITY_H_
#define HALVING_SERVER_DAEMON_SECURITY_H_

#include <memory>

#include "absl/status/statusor.h"
#include "common/tls_files.h"
#include "server/access/access.h"
#include "server/daemon/options.h"
#include "server/dashboard/http_access.h"
#include "server/dashboard/http_tls.h"

namespace halving {

// Null: plaintext. INVALID_ARGUMENT: a file is not what it should be, or one is missing.
absl::StatusOr<std::unique_ptr<TlsWatcher>> WatchCertificates(const ServerOptions& options);

// Warns of what is open. The errors of Access::Open().
absl::StatusOr<std::unique_ptr<Access>> OpenAccess(const ServerOptions& options);

// For HttpServer; none when there is nothing to check, or to show. Neither is owned.
Authorize HttpAuthorize(Access* access);
TlsSource HttpCertificates(const ServerOptions& options, const TlsWatcher* tls);

}  // namespace halving

#endif  // HALVING_SERVER_DAEMON_SECURITY_H_
