// Who calls over HTTP, and what decides whether they may.
#ifndef HALVING_SERVER_DASHBOARD_HTTP_ACCESS_H_
#define HALVING_SERVER_DASHBOARD_HTTP_ACCESS_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"

namespace halving {

// A call as its head tells of it; the body has not been read.
struct HttpCall {
  std::string method;         // GET, HEAD, POST, DELETE or OPTIONS.
  std::string path;           // Decoded: /api/v1/studies/NAME/status
  std::string authorization;  // The header's value, or "".
  std::string peer;           // The address of the other end.
};

// Whom a token belongs to. All are empty where none is needed.
struct HttpCaller {
  std::string name;
  std::string role;   // admin, worker or reader.
  std::string owner;  // Only this owner's studies are theirs to see; "": all are.
};

// Asked for every call but those of the page's own files and /healthz, before the body is read, and
// again now and then while a stream goes on. UNAUTHENTICATED is answered with 401,
// PERMISSION_DENIED with 403, RESOURCE_EXHAUSTED with 429. It must be thread-safe, and must not
// block.
using Authorize = std::function<absl::StatusOr<HttpCaller>(const HttpCall&)>;

}  // namespace halving

#endif  // HALVING_SERVER_DASHBOARD_HTTP_ACCESS_H_
