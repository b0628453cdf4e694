#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/core/commands.h"
#include "server/core/digester.h"

namespace halving {
Digest DigestOf(const Outcome& outcome) {
  Digester digester;
  digester.Add(uint64_t{outcome.index()});
  if (const auto* completed = std::get_if<Completed>(&outcome)) {
    digester.Add(completed->error);
    digester.Add(uint64_t{completed->metrics.size()});
    for (const auto& [name, value] : completed->metrics) {
      digester.Add(absl::string_view(name));
      digester.Add(value);
    }
    digester.Add(absl::string_view(completed->checkpoint_id));
    digester.Add(static_cast<uint64_t>(absl::ToInt64Nanoseconds(completed->train_time)));
  } else if (const auto* failed = std::get_if<Failed>(&outcome)) {
    digester.Add(absl::string_view(failed->reason));
    digester.Add(uint64_t{failed->retryable});
    if (failed->out_of_memory) digester.Add(uint64_t{1});  // Reports of before had no such thing.
  } else if (const auto* returned = std::get_if<Returned>(&outcome)) {
    digester.Add(absl::string_view(returned->reason));
    digester.Add(absl::string_view(returned->unusable_checkpoint_id));
  }
  return digester.digest();
}

}  // namespace halving
