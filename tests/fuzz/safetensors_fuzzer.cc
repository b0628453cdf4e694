// Checkpoint files from anywhere: refused with a reason, or read and written again to equal
// content.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/check.h"
#include "worker/trainer/safetensors.h"

namespace halving {
namespace {

void CheckEqual(const Safetensors& a, const Safetensors& b) {
  HV_CHECK(a.metadata == b.metadata) << "the metadata changed";
  HV_CHECK(a.tensors.size() == b.tensors.size()) << a.tensors.size() << ", " << b.tensors.size();
  for (const auto& [name, tensor] : a.tensors) {
    const auto other = b.tensors.find(name);
    HV_CHECK(other != b.tensors.end()) << "tensor " << name << " is gone";
    HV_CHECK(tensor.dtype == other->second.dtype && tensor.shape == other->second.shape &&
             tensor.data == other->second.data)
        << "tensor " << name << " changed";
  }
}

void CheckFile(absl::string_view bytes) {
  const absl::StatusOr<Safetensors> file = ParseSafetensors(bytes);
  if (!file.ok()) {
    HV_CHECK(absl::IsInvalidArgument(file.status())) << file.status();
    return;
  }
  size_t data_bytes = 0;
  for (const auto& [name, tensor] : file->tensors) data_bytes += tensor.data.size();
  HV_CHECK(data_bytes < bytes.size()) << data_bytes << " bytes of data in " << bytes.size();
  const std::string written = SerializeSafetensors(*file);
  const absl::StatusOr<Safetensors> again = ParseSafetensors(written);
  HV_CHECK(again.ok()) << again.status();
  CheckEqual(*file, *again);
  HV_CHECK(SerializeSafetensors(*again) == written) << "equal content gives other bytes";
}

// The same bytes with the first line as the header and the rest as the data: that the length at the
// front of a file fits is easily said, and hardly ever guessed.
std::string WithLength(absl::string_view bytes) {
  const size_t header_bytes = std::min(bytes.find('\n'), bytes.size());
  std::string file(8, '\0');
  for (size_t i = 0; i < file.size(); ++i) {
    file[i] = static_cast<char>(uint64_t{header_bytes} >> (8 * i));
  }
  absl::StrAppend(&file, bytes.substr(0, header_bytes));
  if (header_bytes < bytes.size()) absl::StrAppend(&file, bytes.substr(header_bytes + 1));
  return file;
}

}  // namespace
}  // namespace halving

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  halving::CheckFile(bytes);
  halving::CheckFile(halving::WithLength(bytes));
  return 0;
}
