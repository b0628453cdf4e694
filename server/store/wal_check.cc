#include "server/store/wal_check.h"

#include <bit>
#include <cstdint>
#include <fstream>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace halving {
namespace {

// The layout: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
constexpr size_t kHeaderBytes = 32;
constexpr size_t kFrameHeaderBytes = 24;
constexpr uint32_t kMagic = 0x377f0682;  // The lowest bit says that checksums are big-endian.
constexpr uint32_t kDefaultPageBytes = 4096;

uint32_t BigEndian(absl::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

uint32_t LittleEndian(absl::string_view bytes, size_t at) {
  return __builtin_bswap32(BigEndian(bytes, at));
}

struct Checksum {
  uint32_t first = 0;
  uint32_t second = 0;
  friend bool operator==(const Checksum&, const Checksum&) = default;
};

Checksum StoredAt(absl::string_view bytes, size_t at) {
  return {.first = BigEndian(bytes, at), .second = BigEndian(bytes, at + 4)};
}

// What the log says of itself; where its header is damaged, what ours say.
struct Header {
  bool valid = false;
  bool big_endian = false;
  uint32_t page_bytes = kDefaultPageBytes;
  Checksum salts;
  Checksum checksum;
};

Checksum Extend(Checksum sum, absl::string_view bytes, bool big_endian) {
  for (size_t at = 0; at + 8 <= bytes.size(); at += 8) {
    sum.first += (big_endian ? BigEndian(bytes, at) : LittleEndian(bytes, at)) + sum.second;
    sum.second += (big_endian ? BigEndian(bytes, at + 4) : LittleEndian(bytes, at + 4)) + sum.first;
  }
  return sum;
}

// SQLite takes no other, and a wild one must not become a buffer of gigabytes.
bool IsPageSize(uint32_t bytes) {
  return bytes >= 512 && bytes <= 65536 && std::has_single_bit(bytes);
}

Header ReadHeader(absl::string_view bytes) {
  const uint32_t magic = BigEndian(bytes, 0);
  const uint32_t page_bytes = BigEndian(bytes, 8);
  Header header{.big_endian = magic == kMagic + 1,
                .salts = StoredAt(bytes, 16),
                .checksum = StoredAt(bytes, 24)};
  header.valid = (magic == kMagic || header.big_endian) &&
                 Extend({}, bytes.substr(0, 24), header.big_endian) == header.checksum;
  header.valid = header.valid && IsPageSize(page_bytes);
  if (header.valid) header.page_bytes = page_bytes;
  return header;
}

// Whether the frame goes on from the checksum that stands before it, and is of this log.
bool IsValid(absl::string_view frame, const Header& header, Checksum before) {
  const bool has_page = BigEndian(frame, 0) != 0;
  Checksum sum = Extend(before, frame.substr(0, 8), header.big_endian);
  sum = Extend(sum, frame.substr(kFrameHeaderBytes), header.big_endian);
  return has_page && StoredAt(frame, 8) == header.salts && StoredAt(frame, 16) == sum;
}

bool Read(std::ifstream& file, std::string& buffer) {
  return static_cast<bool>(file.read(buffer.data(), static_cast<int64_t>(buffer.size())));
}

}  // namespace

absl::Status CheckWal(const std::string& wal_path) {
  std::ifstream file(wal_path, std::ios::binary);
  std::string buffer(kHeaderBytes, '\0');
  if (!file || !Read(file, buffer)) return absl::OkStatus();
  Header header = ReadHeader(buffer);
  Checksum before = header.checksum;
  std::optional<int64_t> bad;  // The first one: 0 for the header.
  if (!header.valid) bad = 0;
  buffer.resize(kFrameHeaderBytes + header.page_bytes);
  for (int64_t number = 1; Read(file, buffer); ++number) {
    // The salts of a damaged header may be what is damaged.
    if (number == 1 && !header.valid) header.salts = StoredAt(buffer, 8);
    if (!IsValid(buffer, header, before)) {
      bad = bad.value_or(number);
    } else if (bad.has_value()) {
      return absl::DataLossError(absl::StrCat(
          wal_path, " is damaged: ", *bad == 0 ? "its header" : absl::StrCat("frame ", *bad),
          " has a wrong checksum, yet frame ", number,
          " behind it is good, so what was committed in between would be lost. Nothing was "
          "changed; restore a backup of the data directory"));
    }
    before = StoredAt(buffer, 16);
  }
  return absl::OkStatus();
}

}  // namespace halving
