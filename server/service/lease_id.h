// Lease ids: opaque names of attempts that nobody can guess.
#ifndef HALVING_SERVER_SERVICE_LEASE_ID_H_
#define HALVING_SERVER_SERVICE_LEASE_ID_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/crypto.h"
#include "server/core/commands.h"

namespace halving {

// Makes and reads lease ids: study uid, trial and attempt with a truncated HMAC-SHA256, so that the
// server needs no table of all leases that ever were. Immutable, hence thread-safe.
class LeaseIds {
 public:
  explicit LeaseIds(absl::string_view secret) : key_(secret) {}

  std::string Encode(const LeaseKey& lease) const;

  // NOT_FOUND when it is none that Encode() made with this secret.
  absl::StatusOr<LeaseKey> Decode(absl::string_view lease_id) const;

 private:
  const HmacSha256Key key_;
};

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_LEASE_ID_H_
