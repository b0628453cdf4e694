// Bytes as an event of the journal: DATA_LOSS, or an event that is written and read again as it is.
#include <cstddef>
#include <cstdint>
#include <string>

#include "common/check.h"
#include "server/store/event_codec.h"

namespace halving {
namespace {

void CheckBytes(absl::string_view bytes) {
  const absl::StatusOr<Event> event = DecodeEvent(bytes);
  if (!event.ok()) {
    HV_CHECK(absl::IsDataLoss(event.status())) << event.status();
    return;
  }
  HV_CHECK(IsDurable(*event)) << "kind " << event->index() << " is not durable";
  const std::string written = EncodeEvent(*event);
  const absl::StatusOr<Event> again = DecodeEvent(written);
  HV_CHECK(again.ok()) << again.status();
  HV_CHECK(again->index() == event->index()) << event->index() << " is now " << again->index();
  // Bytes, since a NaN equals nothing; and equal events have equal bytes.
  HV_CHECK(EncodeEvent(*again) == written) << "kind " << event->index() << " changed";
}

}  // namespace
}  // namespace halving

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  halving::CheckBytes({reinterpret_cast<const char*>(data), size});
  return 0;
}
