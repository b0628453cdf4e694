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
  const Fingerprint ask = FingerprintOf(worker, incarnation, request_id);
  if (asks_[ShardOf(ask)].insert_or_assign(ask, lease).second) ++size_;
}

void AskLog::Retire(absl::string_view worker, absl::string_view incarnation,
                    absl::string_view request_id, absl::Time now) {
  retired_.emplace_back(now, FingerprintOf(worker, incarnation, request_id));
  ForgetOld(now);
}

void AskLog::ForgetOld(absl::Time now) {
  while (!retired_.empty() && retired_.front().first + kKeep < now) {
    const Fingerprint& ask = retired_.front().second;
    size_ -= asks_[ShardOf(ask)].erase(ask);
    retired_.pop_front();
  }
}

const LeaseKey* AskLog::Find(absl::string_view worker, absl::string_view incarnation,
                             absl::string_view request_id) const {
  const Fingerprint ask = FingerprintOf(worker, incarnation, request_id);
  const Asks& shard = asks_[ShardOf(ask)];
  const auto at = shard.find(ask);
  return at == shard.end() ? nullptr : &at->second;
}

}  // namespace halving
