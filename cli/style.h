// How rendered text may look: what the terminal can show, and the colours.
#ifndef HALVING_CLI_STYLE_H_
#define HALVING_CLI_STYLE_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace halving {

// What a rendering function may use. The defaults suit a pipe or a file: plain text of any width.
struct RenderOptions {
  bool color = false;
  bool unicode = false;                       // Else ASCII only, but for foreign strings.
  int width_columns = 0;                      // 0: unlimited.
  absl::TimeZone zone = absl::UTCTimeZone();  // Of the times shown.
  size_t max_running = 20;                    // Running trials listed before "and N more".
};

enum class Ink { kPlain, kBold, kDim, kRed, kGreen, kYellow, kCyan };

// `text` in that ink; as it is without colours. `text` must have been made Printable() before.
std::string Paint(absl::string_view text, Ink ink, const RenderOptions& options);

}  // namespace halving

#endif  // HALVING_CLI_STYLE_H_
