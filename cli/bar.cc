#include "cli/bar.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace halving {
namespace {

struct Look {
  absl::string_view unicode;
  absl::string_view ascii;
  Ink ink;
};

constexpr Look kLooks[] = {
    {"█", "#", Ink::kGreen}, {"▓", "=", Ink::kCyan}, {"▒", "+", Ink::kYellow}};
constexpr Look kRest = {"░", "-", Ink::kDim};

std::string Cells(int64_t count, const Look& look, const RenderOptions& options) {
  std::string text;
  for (int64_t i = 0; i < count; ++i) {
    absl::StrAppend(&text, options.unicode ? look.unicode : look.ascii);
  }
  return Paint(text, look.ink, options);
}

std::string Framed(const std::string& bar, const RenderOptions& options) {
  return options.unicode ? bar : absl::StrCat("[", bar, "]");
}

}  // namespace

std::string RenderBar(const std::vector<BarPart>& parts, int64_t total, int cells,
                      const RenderOptions& options) {
  std::string bar;
  int64_t counted = 0;
  int64_t used = 0;
  for (const BarPart& part : parts) {
    if (part.count <= 0 || total <= 0) continue;
    counted = std::min(total, counted + part.count);
    const auto end =
        static_cast<int64_t>(static_cast<double>(counted) / static_cast<double>(total) * cells);
    const int64_t size = std::min(std::max<int64_t>(1, end - used), cells - used);
    bar += Cells(size, kLooks[static_cast<size_t>(part.fill)], options);
    used += size;
  }
  return Framed(bar + Cells(cells - used, kRest, options), options);
}

int Percent(double progress) {
  if (!(progress > 0)) return 0;  // NaN too.
  return progress >= 1 ? 100 : std::min(99, static_cast<int>(progress * 100));
}

std::string RenderProgress(double progress, int cells, const RenderOptions& options) {
  const int percent = Percent(progress);
  const int full = percent * cells / 100;
  const std::string bar =
      absl::StrCat(Cells(full, kLooks[0], options), Cells(cells - full, kRest, options));
  return absl::StrCat(Framed(bar, options), absl::StrFormat(" %3d%%", percent));
}

std::string RenderFill(Fill fill, const RenderOptions& options) {
  return Cells(1, kLooks[static_cast<size_t>(fill)], options);
}

}  // namespace halving
