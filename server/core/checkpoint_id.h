// Ids of the checkpoints whose bytes lie on the server.
#ifndef HALVING_SERVER_CORE_CHECKPOINT_ID_H_
#define HALVING_SERVER_CORE_CHECKPOINT_ID_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "server/core/commands.h"

namespace halving {

// A function of what it names, so that an upload that is tried again gets the same one:
// "<study uid>.<trial>.<attempt>.<epoch>.<the first 32 hexadecimal digits of its SHA-256>". Such an
// id is a file name too. `sha256` has 32 bytes.
std::string StoredCheckpointId(const LeaseKey& lease, int64_t epoch, absl::string_view sha256);

struct StoredCheckpointName {
  LeaseKey lease;
  int64_t epoch = 0;
};

// None when it is not one that StoredCheckpointId() made.
std::optional<StoredCheckpointName> ParseStoredCheckpointId(absl::string_view id);

inline bool IsStoredCheckpointId(absl::string_view id) {
  return ParseStoredCheckpointId(id).has_value();
}

}  // namespace halving

#endif  // HALVING_SERVER_CORE_CHECKPOINT_ID_H_
