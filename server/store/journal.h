// Journal: events on disk, in order.
#ifndef HALVING_SERVER_STORE_JOURNAL_H_
#define HALVING_SERVER_STORE_JOURNAL_H_

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "server/core/events.h"

namespace halving {

// Journal keeps the durable events and gives them back in the order they came. It knows nothing of
// what they mean. Thread-compatible: the Engine's thread owns it once the server runs.
class Journal {
 public:
  virtual ~Journal() = default;

  // Appends all of `events`, or none; on OK they have reached the disk. They must be durable kinds.
  // RESOURCE_EXHAUSTED: the disk is full, nothing was written, and the same append may be tried
  // again. Any other error: what the disk holds is unknown, and only a restart can tell.
  virtual absl::Status Append(const std::vector<Event>& events) = 0;

  // Calls `apply` for each event since the beginning. DATA_LOSS when one is not what was written.
  virtual absl::Status Replay(absl::FunctionRef<void(const Event&)> apply) = 0;

  // 32 random bytes, made with the journal: the key of its lease ids.
  virtual const std::string& secret() const = 0;
};

}  // namespace halving

#endif  // HALVING_SERVER_STORE_JOURNAL_H_
