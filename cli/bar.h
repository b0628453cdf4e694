// Bars of blocks, or of ASCII where the terminal has no blocks.
#ifndef HALVING_CLI_BAR_H_
#define HALVING_CLI_BAR_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "cli/style.h"

namespace halving {

// What a part of a bar is filled with: a glyph of its own, since not everybody has colours.
enum class Fill { kDone, kRunning, kQueued };

struct BarPart {
  int64_t count = 0;
  Fill fill = Fill::kDone;
};

// `cells` wide, brackets not counted: the parts side by side, as much of it as they are of `total`;
// what passes it is cut off. A part that is there has a cell where one is left.
std::string RenderBar(const std::vector<BarPart>& parts, int64_t total, int cells,
                      const RenderOptions& options);

// "[#####-----]  50%". `progress` is cut to 0 to 1; 100% only at 1.
std::string RenderProgress(double progress, int cells, const RenderOptions& options);

// 0 to 100; 100 only at 1.
int Percent(double progress);

// One cell of it.
std::string RenderFill(Fill fill, const RenderOptions& options);

}  // namespace halving

#endif  // HALVING_CLI_BAR_H_
