// What stands in the rows of a journal, beyond single events.
#ifndef HALVING_SERVER_STORE_JOURNAL_ROWS_H_
#define HALVING_SERVER_STORE_JOURNAL_ROWS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/core/events.h"

namespace halving {

enum class RowKind {
  kEvent,
  kStudyExtended,  // An event, too, as the next one.
  kStudyDeleted,
  kPack,  // Many events of one study.
  kGap,   // Rows that are gone.
};

struct RowHead {
  RowKind kind = RowKind::kEvent;
  StudyUid study = 0;  // 0: it is of no study.
};

// Looks no further than it must. DATA_LOSS when the bytes are none of ours.
absl::StatusOr<RowHead> ReadRowHead(absl::string_view row);

// Events of one study, as EncodeEvent() gives them, in one row.
struct Pack {
  StudyUid study = 0;
  int64_t upto = 0;  // The last row whose events it may hold.
  std::vector<std::string> events;
};

// Gathers the events of a pack. Thread-compatible.
class Packer {
 public:
  void Add(absl::string_view event);
  size_t bytes() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  // The row; forgets the events, and gives their memory back.
  std::string Take(StudyUid study, int64_t upto);

 private:
  std::string bytes_;
};
// DATA_LOSS when it cannot be read.
absl::StatusOr<Pack> DecodePack(absl::string_view row);
// Without the events, and in a fraction of the time.
absl::StatusOr<int64_t> DecodePackUpto(absl::string_view row);

// A row that says that those from `first` on, up to its own, are gone.
std::string EncodeGap(int64_t first);
absl::StatusOr<int64_t> DecodeGap(absl::string_view row);

}  // namespace halving

#endif  // HALVING_SERVER_STORE_JOURNAL_ROWS_H_
