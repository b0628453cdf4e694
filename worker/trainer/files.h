// Whole files in, whole files out.
#ifndef HALVING_WORKER_TRAINER_FILES_H_
#define HALVING_WORKER_TRAINER_FILES_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace halving {

// The whole content of a file, unpacked if it is gzip. NOT_FOUND where there is none;
// FAILED_PRECONDITION when it cannot be read, is damaged gzip, or holds more than `max_bytes`
// (a small gzip file can unpack to more than the memory holds).
absl::StatusOr<std::string> ReadPlainOrGzipFile(const std::string& path, size_t max_bytes);

// The same for a file that is taken as it lies, and must be a regular one: a pipe or a device could
// be read for ever. One that is too large is not read at all.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes);

// Puts `content` under `path`, durable, in one step: whoever looks finds the old file or the new
// one whole, also after a crash. UNAVAILABLE when the disk does not take it; nothing is left then.
absl::Status WriteFileAtomically(const std::string& path, absl::string_view content);

}  // namespace halving

#endif  // HALVING_WORKER_TRAINER_FILES_H_
