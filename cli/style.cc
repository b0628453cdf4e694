#include "cli/style.h"

#include "absl/strings/str_cat.h"

namespace halving {
namespace {

absl::string_view Code(Ink ink) {
  switch (ink) {
    case Ink::kBold:
      return "1";
    case Ink::kDim:
      return "2";
    case Ink::kRed:
      return "31";
    case Ink::kGreen:
      return "32";
    case Ink::kYellow:
      return "33";
    case Ink::kCyan:
      return "36";
    case Ink::kPlain:
      return "";
  }
  return "";
}

}  // namespace

std::string Paint(absl::string_view text, Ink ink, const RenderOptions& options) {
  if (!options.color || ink == Ink::kPlain || text.empty()) return std::string(text);
  return absl::StrCat("\x1b[", Code(ink), "m", text, "\x1b[0m");
}

}  // namespace halving
