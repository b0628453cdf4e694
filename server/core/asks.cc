#include "server/core/asks.h"

#include "server/core/digester.h"

namespace halving {
namespace {

constexpr absl::Duration kKeep = absl::Hours(24);

}  // namespace

AskLog::Fingerprint AskLog::FingerprintOf(absl::string_view worker, absl::string_view incarnation,
                                          absl::string_view request_id) {
  Digester digester;
  digester.Add(worker);
  digester.Add(incarnation);
  digester.Add(request_id);
  return {digester.digest().high, digester.digest().low};
}

void AskLog::Record(absl::string_view worker, absl::string_view incarnation,
                    absl::string_view request_id, const LeaseKey& lease) {
  asks_[FingerprintOf(worker, incarnation, request_id)] = lease;
}

void AskLog::Retire(absl::string_view worker, absl::string_view incarnation,
                    absl::string_view request_id, absl::Time now) {
  retired_.emplace_back(now, FingerprintOf(worker, incarnation, request_id));
  ForgetOld(now);
}

void AskLog::ForgetOld(absl::Time now) {
  while (!retired_.empty() && retired_.front().first + kKeep < now) {
    asks_.erase(retired_.front().second);
    retired_.pop_front();
  }
}

const LeaseKey* AskLog::Find(absl::string_view worker, absl::string_view incarnation,
                             absl::string_view request_id) const {
  const auto at = asks_.find(FingerprintOf(worker, incarnation, request_id));
  return at == asks_.end() ? nullptr : &at->second;
}

}  // namespace halving
