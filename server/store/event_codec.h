// Events to bytes and back.
#ifndef HALVING_SERVER_STORE_EVENT_CODEC_H_
#define HALVING_SERVER_STORE_EVENT_CODEC_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/core/events.h"

namespace halving {

// The event must be durable: the other kinds have no form on disk.
std::string EncodeEvent(const Event& event);

// DATA_LOSS when the bytes are none of ours, or an event that this version does not know.
absl::StatusOr<Event> DecodeEvent(absl::string_view bytes);

}  // namespace halving

#endif  // HALVING_SERVER_STORE_EVENT_CODEC_H_
