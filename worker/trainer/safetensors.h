// Safetensors: the format of checkpoints. Eight bytes of little-endian header length, a JSON header
// that gives each tensor's dtype, shape and place, then the tensors' bytes.
//
// Reading one cannot execute anything, whoever wrote it; Python reads it by the package of the same
// name. Pure functions on bytes, for fuzzers.
#ifndef HALVING_WORKER_TRAINER_SAFETENSORS_H_
#define HALVING_WORKER_TRAINER_SAFETENSORS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace halving {

// The longest header that is read, in bytes. Parsed JSON takes many times its size in memory, and a
// hundred tensors need some 10 kB; the reference implementation reads up to 100 MB.
inline constexpr uint64_t kMaxSafetensorsHeaderBytes = uint64_t{1} << 20;

// One tensor: row-major elements, little-endian.
struct RawTensor {
  std::string dtype;  // As the format calls it: "F32", "I64", "U8", ...
  std::vector<int64_t> shape;
  std::string data;
};

// A file's content. Names and keys are UTF-8; no tensor is called "__metadata__".
struct Safetensors {
  std::map<std::string, std::string> metadata;
  std::map<std::string, RawTensor> tensors;
};

// INVALID_ARGUMENT unless the bytes are a whole file: known dtypes, sizes that fit their shapes,
// tensors that cover the data without gap or overlap, nothing twice, nothing else.
absl::StatusOr<Safetensors> ParseSafetensors(absl::string_view bytes);

// The file's bytes; equal content gives equal bytes. Each tensor's `data` must have the size that
// its dtype and shape ask for.
std::string SerializeSafetensors(const Safetensors& file);

}  // namespace halving

#endif  // HALVING_WORKER_TRAINER_SAFETENSORS_H_
