// Text from programs that may print anything, made fit for messages, logs and protobuf.
#ifndef HALVING_WORKER_AGENT_TEXT_H_
#define HALVING_WORKER_AGENT_TEXT_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace halving {

// `text` with every byte that is not part of valid UTF-8 replaced by U+FFFD. A protobuf string
// field that holds anything else fails its whole call, without a message.
std::string ValidUtf8(absl::string_view text);

// Valid UTF-8 of at most `max_bytes` and three dots, cut between characters: the beginning of
// `text`, or its end.
std::string FirstOf(absl::string_view text, size_t max_bytes);
std::string LastOf(absl::string_view text, size_t max_bytes);

// The beginning of `text`, escaped to one line, for an error message.
std::string Quoted(absl::string_view text);

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_TEXT_H_
