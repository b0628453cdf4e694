#include "worker/trainer/idx.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace halving {
namespace {

constexpr size_t kMagicBytes = 4;
constexpr size_t kSizeBytes = 4;
constexpr uint8_t kUnsignedByte = 0x08;

uint8_t ByteAt(absl::string_view bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }

uint32_t BigEndian32(absl::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < kSizeBytes; ++i) value = (value << 8) | ByteAt(bytes, at + i);
  return value;
}

absl::Status CheckMagic(absl::string_view bytes, size_t dimensions) {
  if (ByteAt(bytes, 0) != 0 || ByteAt(bytes, 1) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("not an IDX file: it starts with bytes ",
                                                   ByteAt(bytes, 0), " and ", ByteAt(bytes, 1),
                                                   " where 0 and 0 are expected"));
  }
  if (ByteAt(bytes, 2) != kUnsignedByte) {
    return absl::InvalidArgumentError(absl::StrCat("its elements are of IDX type ",
                                                   ByteAt(bytes, 2), "; only type ", kUnsignedByte,
                                                   ", unsigned bytes, is read"));
  }
  if (ByteAt(bytes, 3) != dimensions) {
    return absl::InvalidArgumentError(
        absl::StrCat("it has ", ByteAt(bytes, 3), " dimensions; expected ", dimensions,
                     ", so it may be the labels where images belong, or the reverse"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<IdxArray> ParseIdx(absl::string_view bytes, size_t dimensions) {
  const size_t header_bytes = kMagicBytes + dimensions * kSizeBytes;
  if (bytes.size() < header_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "it holds ", bytes.size(), " bytes, less than the ", header_bytes, " of an IDX header"));
  }
  if (const absl::Status magic = CheckMagic(bytes, dimensions); !magic.ok()) return magic;

  IdxArray array;
  uint64_t data_bytes = 1;
  for (size_t i = 0; i < dimensions; ++i) {
    const uint32_t size = BigEndian32(bytes, kMagicBytes + i * kSizeBytes);
    if (size == 0) return absl::InvalidArgumentError(absl::StrCat("its dimension ", i, " is 0"));
    // Below 2^31 before and at most 2^32 times as much after, so the product cannot wrap.
    data_bytes *= size;
    if (data_bytes > kMaxIdxBytes) {
      return absl::InvalidArgumentError(absl::StrCat(
          "its header announces more than ", kMaxIdxBytes, " bytes, the most that is read"));
    }
    array.sizes.push_back(size);
  }
  array.data = bytes.substr(header_bytes);
  if (array.data.size() != data_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "its header announces ", data_bytes, " bytes of elements, but ", array.data.size(),
        " follow; the file is ", array.data.size() < data_bytes ? "cut short" : "too long"));
  }
  return array;
}

}  // namespace halving
