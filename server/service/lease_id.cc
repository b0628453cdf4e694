#include "server/service/lease_id.h"

#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace halving {
namespace {

constexpr size_t kMacBytes = 12;
constexpr size_t kShownBytes = 80;

std::string Mac(const HmacSha256Key& key, absl::string_view name) {
  return absl::BytesToHexString(key.Of(name).substr(0, kMacBytes));
}

}  // namespace

std::string LeaseIds::Encode(const LeaseKey& lease) const {
  const std::string name = absl::StrCat(lease.study, ".", lease.trial, ".", lease.attempt);
  return absl::StrCat(name, ".", Mac(key_, name));
}

absl::StatusOr<LeaseKey> LeaseIds::Decode(absl::string_view lease_id) const {
  const size_t dot = lease_id.rfind('.');
  const absl::string_view name = lease_id.substr(0, dot == absl::string_view::npos ? 0 : dot);
  const absl::string_view mac = dot == absl::string_view::npos ? "" : lease_id.substr(dot + 1);
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '.');
  LeaseKey lease;
  if (!EqualInConstantTime(mac, Mac(key_, name)) || parts.size() != 3 ||
      !absl::SimpleAtoi(parts[0], &lease.study) || !absl::SimpleAtoi(parts[1], &lease.trial) ||
      !absl::SimpleAtoi(parts[2], &lease.attempt)) {
    return absl::NotFoundError(absl::StrCat(
        "lease_id is \"", absl::CHexEscape(lease_id.substr(0, kShownBytes)),
        "\", which this server never gave out; send back the one from the assignment, unchanged"));
  }
  return lease;
}

}  // namespace halving
