#include "server/core/checkpoint_id.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace halving {
namespace {

constexpr size_t kHashBytes = 16;

bool IsLowerHex(char c) { return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f'); }

// As StrCat() writes a number that is not negative.
template <typename Number>
bool ReadNumber(absl::string_view text, Number* number) {
  return absl::SimpleAtoi(text, number) && *number >= 0 && absl::StrCat(*number) == text;
}

}  // namespace

std::string StoredCheckpointId(const LeaseKey& lease, int64_t epoch, absl::string_view sha256) {
  return absl::StrCat(lease.study, ".", lease.trial, ".", lease.attempt, ".", epoch, ".",
                      absl::BytesToHexString(sha256.substr(0, kHashBytes)));
}

std::optional<StoredCheckpointName> ParseStoredCheckpointId(absl::string_view id) {
  const std::vector<absl::string_view> parts = absl::StrSplit(id, '.');
  StoredCheckpointName name;
  if (parts.size() != 5 || !ReadNumber(parts[0], &name.lease.study) ||
      !ReadNumber(parts[1], &name.lease.trial) || !ReadNumber(parts[2], &name.lease.attempt) ||
      !ReadNumber(parts[3], &name.epoch) || parts[4].size() != 2 * kHashBytes ||
      !std::all_of(parts[4].begin(), parts[4].end(), IsLowerHex)) {
    return std::nullopt;
  }
  return name;
}

}  // namespace halving
