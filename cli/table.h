// Table: rows of text in aligned columns.
#ifndef HALVING_CLI_TABLE_H_
#define HALVING_CLI_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "cli/style.h"

namespace halving {

struct Cell {
  std::string text;  // Any bytes: the table makes them Printable().
  Ink ink = Ink::kPlain;
  bool painted = false;  // `text` has colours of its own, and nothing foreign in it.
};

Cell NumberCell(int64_t number);
// As NumberCell, but "-" for 0: zeros hide what is there.
Cell CountCell(int64_t count);

// Lays out rows under titles. Where they do not fit the width, columns that may go are left out,
// then those that may shrink, and the last one, are clipped, the widest first.
//
// Thread-compatible: built and rendered by one function.
class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kRight;
    int drop = 0;         // The highest is left out first; 0 never is.
    bool shrink = false;  // It may be clipped.
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // A row has one cell for each column.
  void AddRow(std::vector<Cell> row);

  bool empty() const { return rows_.empty(); }

  // Lines, each ended; titles first, no blanks at line ends.
  std::string Render(int indent, const RenderOptions& options) const;

 private:
  // Which columns are shown, and how wide; 0: not.
  std::vector<int> Layout(int indent, const RenderOptions& options) const;
  std::vector<int> NaturalWidths() const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace halving

#endif  // HALVING_CLI_TABLE_H_
