#include "bench/simulate/findings.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/check.h"

namespace halving {

MarkdownTable::MarkdownTable(const std::vector<std::string>& columns) : columns_(columns.size()) {
  AddLine(columns);
  AddLine(std::vector<std::string>(columns_, "---"));
}

void MarkdownTable::Add(const std::vector<std::string>& cells) {
  HV_CHECK(cells.size() == columns_) << cells.size() << " cells in " << columns_ << " columns";
  AddLine(cells);
}

void MarkdownTable::AddLine(const std::vector<std::string>& cells) {
  absl::StrAppend(&text_, "| ", absl::StrJoin(cells, " | "), " |\n");
}

std::string FormatCount(double count) {
  const std::string digits = absl::StrCat(std::llround(count));
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0 && digits[i - 1] != '-') text.push_back(',');
    text.push_back(digits[i]);
  }
  return text;
}

}  // namespace halving
