#include "worker/agent/text.h"

#include <cstdint>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace halving {
namespace {

constexpr size_t kQuotedBytes = 200;
constexpr char kReplacement[] = "\xEF\xBF\xBD";  // U+FFFD.

bool IsContinuation(char c) { return (static_cast<uint8_t>(c) & 0xC0) == 0x80; }

// Bytes of the character that `text` begins with; 0 when it is not valid UTF-8. `text` is not
// empty.
size_t CharacterSize(absl::string_view text) {
  const auto lead = static_cast<uint8_t>(text[0]);
  if (lead < 0x80) return 1;
  const size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < size) return 0;
  uint32_t code = lead & (0x7F >> size);
  for (size_t i = 1; i < size; ++i) {
    if (!IsContinuation(text[i])) return 0;
    code = (code << 6) | (static_cast<uint8_t>(text[i]) & 0x3F);
  }
  if (size == 3 && (code < 0x800 || (code >= 0xD800 && code <= 0xDFFF))) return 0;
  if (size == 4 && (code < 0x10000 || code > 0x10FFFF)) return 0;
  return size;
}

}  // namespace

std::string ValidUtf8(absl::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    const size_t size = CharacterSize(text);
    if (size > 0) {
      absl::StrAppend(&valid, text.substr(0, size));
    } else {
      valid += kReplacement;
    }
    text.remove_prefix(size > 0 ? size : 1);
  }
  return valid;
}

std::string FirstOf(absl::string_view text, size_t max_bytes) {
  std::string valid = ValidUtf8(text.substr(0, max_bytes + 4));
  if (valid.size() <= max_bytes) return valid;
  size_t end = max_bytes;
  while (end > 0 && IsContinuation(valid[end])) --end;
  return valid.substr(0, end) + "...";
}

std::string LastOf(absl::string_view text, size_t max_bytes) {
  if (text.size() > max_bytes + 4) text.remove_prefix(text.size() - max_bytes - 4);
  std::string valid = ValidUtf8(text);
  if (valid.size() <= max_bytes) return valid;
  size_t start = valid.size() - max_bytes;
  while (start < valid.size() && IsContinuation(valid[start])) ++start;
  return "..." + valid.substr(start);
}

std::string Quoted(absl::string_view text) {
  return absl::StrCat("`", absl::Utf8SafeCEscape(FirstOf(text, kQuotedBytes)), "`");
}

}  // namespace halving
