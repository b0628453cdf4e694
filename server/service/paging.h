// How long the pages of lists are.
#ifndef HALVING_SERVER_SERVICE_PAGING_H_
#define HALVING_SERVER_SERVICE_PAGING_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace halving {

// A page ends early when its items have come to that, since clients take messages of 4 MiB.
inline constexpr size_t kMaxPageBytes = 1 << 20;

// 0 means 100. INVALID_ARGUMENT below 0 and above 1000.
inline absl::StatusOr<int> PageSize(int32_t asked) {
  constexpr int kDefault = 100;
  constexpr int kMost = 1000;
  if (asked >= 0 && asked <= kMost) return asked == 0 ? kDefault : asked;
  return absl::InvalidArgumentError(absl::StrCat(
      "page_size is ", asked, "; it must be 0 (which means ", kDefault, ") to ", kMost));
}

inline absl::Status BadPageToken() {
  return absl::InvalidArgumentError(
      "page_token is none of this list's; send back the next_page_token of the page before, with "
      "the other fields as they were");
}

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_PAGING_H_
