#include "cli/table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/text.h"
#include "common/check.h"

namespace halving {
namespace {

constexpr int kGap = 2;              // Columns between two columns of the table.
constexpr int kSmallestClipped = 8;  // Narrower than this the last column would say nothing.

}  // namespace

Cell NumberCell(int64_t number) { return {absl::StrCat(number)}; }

Cell CountCell(int64_t count) { return count == 0 ? Cell{"-", Ink::kDim} : NumberCell(count); }

void Table::AddRow(std::vector<Cell> row) {
  HV_CHECK(row.size() == columns_.size()) << row.size() << " cells, " << columns_.size();
  for (Cell& cell : row) cell.text = Printable(cell.text);
  rows_.push_back(std::move(row));
}

std::string Table::Render(int indent, const RenderOptions& options) const {
  std::vector<int> widths;
  for (size_t c = 0; c < columns_.size(); ++c) {
    int width = DisplayWidth(columns_[c].title);
    for (const auto& row : rows_) width = std::max(width, DisplayWidth(row[c].text));
    widths.push_back(width);
  }
  if (options.width_columns > 0) {
    int before = indent;
    for (size_t c = 0; c + 1 < widths.size(); ++c) before += widths[c] + kGap;
    widths.back() =
        std::min(widths.back(), std::max(kSmallestClipped, options.width_columns - before));
  }

  std::string result;
  const auto add_line = [&](const std::vector<Cell>& cells) {
    std::string line(static_cast<size_t>(indent), ' ');
    size_t owed = 0;  // Blanks to write before the next text, so that none end a line.
    for (size_t c = 0; c < cells.size(); ++c) {
      const std::string text = ClipToWidth(cells[c].text, widths[c], options.unicode);
      const size_t fill = static_cast<size_t>(std::max(0, widths[c] - DisplayWidth(text)));
      const bool right = columns_[c].align == Align::kRight;
      if (right) owed += fill;
      if (!text.empty()) {
        absl::StrAppend(&line, std::string(owed, ' '), Paint(text, cells[c].ink, options));
        owed = 0;
      }
      owed += kGap + (right ? 0 : fill);
    }
    absl::StrAppend(&result, line, "\n");
  };
  std::vector<Cell> titles;
  for (const Column& column : columns_) titles.push_back({column.title, Ink::kDim});
  add_line(titles);
  for (const auto& row : rows_) add_line(row);
  return result;
}

}  // namespace halving
