// CutText: shortens what people wrote, and leaves it readable.
#ifndef HALVING_SERVER_SERVICE_CUT_TEXT_H_
#define HALVING_SERVER_SERVICE_CUT_TEXT_H_

#include <string>

#include "absl/strings/str_cat.h"

namespace halving {

// At most `max_bytes` of the text, up to the end of a character of UTF-8, and a note of what is
// missing.
inline std::string CutText(std::string text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return absl::StrCat(text.substr(0, end), " [", text.size() - end, " more bytes]");
}

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_CUT_TEXT_H_
