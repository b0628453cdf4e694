// CheckWal on logs that are whole, torn, damaged in one place, or anything.
#include <fuzzer/FuzzedDataProvider.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/check.h"
#include "server/store/wal_check.h"

namespace halving {
namespace {

constexpr size_t kHeaderBytes = 32;
constexpr size_t kFrameHeaderBytes = 24;
constexpr uint32_t kPageBytes = 512;
constexpr size_t kFrameBytes = kFrameHeaderBytes + kPageBytes;

// What CheckWal says of a file that holds these bytes.
absl::Status Check(absl::string_view bytes) {
  static const int file = memfd_create("wal", 0);
  HV_CHECK(file >= 0 && ftruncate(file, 0) == 0);
  HV_CHECK(pwrite(file, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  const absl::Status status = CheckWal(absl::StrCat("/proc/self/fd/", file));
  HV_CHECK(status.ok() || absl::IsDataLoss(status)) << status;
  return status;
}

// A log as SQLite would write it.
class Log {
 public:
  Log(FuzzedDataProvider& data, uint32_t page_bytes) : big_endian_(data.ConsumeBool()) {
    Append(0x377f0682 + (big_endian_ ? 1 : 0));
    Append(3007000);  // The format's version.
    Append(page_bytes);
    Append(data.ConsumeIntegral<uint32_t>());  // Checkpoints so far.
    Append(data.ConsumeIntegral<uint32_t>());  // Two salts.
    Append(data.ConsumeIntegral<uint32_t>());
    Sum(absl::string_view(bytes_).substr(0, 24));
    Append(first_);
    Append(second_);
  }

  void AddFrame(FuzzedDataProvider& data) {
    const size_t start = bytes_.size();
    Append(data.ConsumeIntegralInRange<uint32_t>(1, 1000));  // The page.
    Append(data.ConsumeIntegral<uint32_t>());                // Pages after a commit.
    bytes_.append(bytes_, 16, 8);                            // The salts.
    std::string page = data.ConsumeRandomLengthString(40);
    page.resize(kPageBytes);
    Sum(absl::string_view(bytes_).substr(start, 8));
    Sum(page);
    Append(first_);
    Append(second_);
    bytes_ += page;
  }

  const std::string& bytes() const { return bytes_; }

 private:
  void Append(uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8)
      bytes_.push_back(static_cast<char>(value >> shift));
  }
  uint32_t WordAt(absl::string_view bytes, size_t at) const {
    uint32_t word = 0;
    for (size_t i = 0; i < 4; ++i) {
      word = word << 8 | static_cast<uint8_t>(bytes[at + (big_endian_ ? i : 3 - i)]);
    }
    return word;
  }
  void Sum(absl::string_view bytes) {
    for (size_t at = 0; at < bytes.size(); at += 8) {
      first_ += WordAt(bytes, at) + second_;
      second_ += WordAt(bytes, at + 4) + first_;
    }
  }

  const bool big_endian_;
  uint32_t first_ = 0;
  uint32_t second_ = 0;
  std::string bytes_;
};

void CheckBuilt(FuzzedDataProvider& data) {
  Log log(data, kPageBytes);
  const size_t frames = data.ConsumeIntegralInRange<size_t>(0, 5);
  for (size_t i = 0; i < frames; ++i) log.AddFrame(data);
  std::string bytes = log.bytes();
  HV_CHECK(Check(bytes).ok()) << "a whole log: " << Check(bytes);
  const size_t torn = data.ConsumeIntegralInRange<size_t>(0, bytes.size());
  HV_CHECK(Check(bytes.substr(0, torn)).ok()) << "torn at " << torn;
  if (frames == 0) return;

  // One bit of a frame: noticed when a frame follows; the last one may as well be torn.
  const size_t at = data.ConsumeIntegralInRange<size_t>(kHeaderBytes, bytes.size() - 1);
  bytes[at] = static_cast<char>(bytes[at] ^ 1 << data.ConsumeIntegralInRange(0, 7));
  const size_t damaged = (at - kHeaderBytes) / kFrameBytes + 1;
  // Sums go on from what is stored, so damage of it spoils the next frame too.
  const size_t within = (at - kHeaderBytes) % kFrameBytes;
  const size_t spoilt = damaged + (within >= 16 && within < kFrameHeaderBytes ? 1 : 0);
  HV_CHECK(Check(bytes).ok() == (spoilt >= frames))
      << "byte " << at << " of frame " << damaged << " of " << frames << ": " << Check(bytes);
}

// Anything, behind a header with the right checksum or none.
void CheckAny(FuzzedDataProvider& data) {
  std::string bytes;
  if (data.ConsumeBool()) bytes = Log(data, data.ConsumeIntegral<uint32_t>()).bytes();
  (void)Check(bytes + data.ConsumeRemainingBytesAsString());
}

}  // namespace
}  // namespace halving

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider provider(data, size);
  provider.ConsumeBool() ? halving::CheckBuilt(provider) : halving::CheckAny(provider);
  return 0;
}
