// IDX: the format of MNIST and its relatives. Four bytes of magic (0, 0, element type, number of
// dimensions), each dimension as a big-endian 32-bit number, then the elements.
#ifndef HALVING_WORKER_TRAINER_IDX_H_
#define HALVING_WORKER_TRAINER_IDX_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace halving {

// The most bytes of elements that an IDX file may announce.
inline constexpr size_t kMaxIdxBytes = size_t{1} << 31;

// An array of bytes. `data` points into what was parsed.
struct IdxArray {
  std::vector<int64_t> sizes;
  absl::string_view data;
};

// Reads an array of unsigned bytes with `dimensions` dimensions, none of which may be empty.
// INVALID_ARGUMENT when the bytes are not exactly that: nothing missing, nothing after the end.
absl::StatusOr<IdxArray> ParseIdx(absl::string_view bytes, size_t dimensions);

}  // namespace halving

#endif  // HALVING_WORKER_TRAINER_IDX_H_
