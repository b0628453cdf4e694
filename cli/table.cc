#include "cli/table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/text.h"
#include "common/check.h"

namespace halving {
namespace {

constexpr int kGap = 2;              // Columns between two columns of the table.
constexpr int kSmallestClipped = 8;  // Narrower than this a column would say nothing.
constexpr int kReadable = 16;        // Rather than clip a column below it, another is left out.

// Of the columns that have a width.
int TotalWidth(int indent, const std::vector<int>& widths) {
  int total = indent - kGap;
  for (const int width : widths) total += width == 0 ? 0 : width + kGap;
  return total;
}

size_t LastShown(const std::vector<int>& widths) {
  size_t last = widths.size() - 1;
  while (last > 0 && widths[last] == 0) --last;
  return last;
}

}  // namespace

Cell NumberCell(int64_t number) { return {absl::StrCat(number)}; }

Cell CountCell(int64_t count) { return count == 0 ? Cell{"-", Ink::kDim} : NumberCell(count); }

void Table::AddRow(std::vector<Cell> row) {
  HV_CHECK(row.size() == columns_.size()) << row.size() << " cells, " << columns_.size();
  for (Cell& cell : row) {
    if (!cell.painted) cell.text = Printable(cell.text);
  }
  rows_.push_back(std::move(row));
}

std::vector<int> Table::NaturalWidths() const {
  std::vector<int> widths;
  for (size_t c = 0; c < columns_.size(); ++c) {
    int width = std::max(1, DisplayWidth(columns_[c].title));
    for (const auto& row : rows_) width = std::max(width, DisplayWidth(row[c].text));
    widths.push_back(width);
  }
  return widths;
}

std::vector<int> Table::Layout(int indent, const RenderOptions& options) const {
  std::vector<int> widths = NaturalWidths();
  if (options.width_columns <= 0) return widths;
  const auto clips = [&](size_t c) { return columns_[c].shrink || c == LastShown(widths); };
  // What clipping cannot do, leaving out must.
  for (;;) {
    std::vector<int> least = widths;
    size_t first = columns_.size();
    for (size_t c = 0; c < widths.size(); ++c) {
      if (clips(c))
        least[c] = std::min(least[c], columns_[c].shrink ? kReadable : kSmallestClipped);
      const bool droppable = widths[c] > 0 && columns_[c].drop > 0;
      if (droppable && (first == columns_.size() || columns_[c].drop > columns_[first].drop)) {
        first = c;
      }
    }
    if (first == columns_.size() || TotalWidth(indent, least) <= options.width_columns) break;
    widths[first] = 0;
  }
  for (const int floor : {kReadable, kSmallestClipped}) {
    while (TotalWidth(indent, widths) > options.width_columns) {
      size_t widest = columns_.size();
      for (size_t c = 0; c < widths.size(); ++c) {
        const int least = columns_[c].shrink ? floor : kSmallestClipped;
        if (!clips(c) || widths[c] <= least) continue;
        if (widest == columns_.size() || widths[c] > widths[widest]) widest = c;
      }
      if (widest == columns_.size()) break;
      --widths[widest];
    }
  }
  return widths;
}

std::string Table::Render(int indent, const RenderOptions& options) const {
  const std::vector<int> widths = Layout(indent, options);
  std::string result;
  const auto add_line = [&](const std::vector<Cell>& cells) {
    std::string line(static_cast<size_t>(indent), ' ');
    size_t owed = 0;  // Blanks to write before the next text, so that none end a line.
    for (size_t c = 0; c < cells.size(); ++c) {
      if (widths[c] == 0) continue;
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
