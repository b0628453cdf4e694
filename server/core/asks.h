// AskLog: which assignment each ask got, so that a retried ask gets the same one.
#ifndef HALVING_SERVER_CORE_ASKS_H_
#define HALVING_SERVER_CORE_ASKS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/core/commands.h"

namespace halving {

// Keeps a fingerprint of (worker, incarnation, request id) until a day after its assignment was
// made or last over. The hash maps are only looked up, never walked; there are many, since one of
// millions of asks would take a tenth of a second to grow. Thread-compatible.
class AskLog {
 public:
  void Record(absl::string_view worker, absl::string_view incarnation, absl::string_view request_id,
              const LeaseKey& lease);
  // The attempt is over: its ask may be forgotten a day later.
  void Retire(absl::string_view worker, absl::string_view incarnation, absl::string_view request_id,
              absl::Time now);
  void ForgetOld(absl::Time now);

  // nullptr when no such ask is known.
  const LeaseKey* Find(absl::string_view worker, absl::string_view incarnation,
                       absl::string_view request_id) const;
  size_t size() const { return size_; }

 private:
  using Fingerprint = std::pair<uint64_t, uint64_t>;
  static Fingerprint FingerprintOf(absl::string_view worker, absl::string_view incarnation,
                                   absl::string_view request_id);

  static constexpr size_t kShards = 64;
  using Asks = absl::flat_hash_map<Fingerprint, LeaseKey>;
  static size_t ShardOf(const Fingerprint& ask) { return ask.first % kShards; }

  std::array<Asks, kShards> asks_;
  size_t size_ = 0;
  std::deque<std::pair<absl::Time, Fingerprint>> retired_;
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_ASKS_H_
