#include "cli/render_rungs.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/bar.h"
#include "cli/names.h"
#include "cli/table.h"
#include "cli/text.h"

namespace halving {
namespace {

constexpr int kNarrow = 100;  // Terminals below it get short bars.
constexpr int kCells = 10;
constexpr int kNarrowCells = 6;

// Which columns there is something to say in.
struct Shape {
  bool brackets = false;
  bool rounds = false;
  bool closing = false;  // Not where rungs never close.
  int64_t fullest = 0;   // Trials in all, of the rung with most.
};

int64_t AllTrials(const v1::RungStatus& rung) {
  return rung.reported() + rung.running() + rung.queued();
}

Shape ShapeOf(const v1::StudyStatus& status) {
  Shape shape;
  for (const v1::RungStatus& rung : status.rungs()) {
    shape.brackets |= rung.bracket() != 0;
    shape.rounds |= rung.round() != 0;
    shape.closing |= rung.size() != 0;
    shape.fullest = std::max(shape.fullest, AllTrials(rung));
  }
  return shape;
}

std::vector<Table::Column> Columns(const Shape& shape) {
  constexpr auto kLeft = Table::Align::kLeft;
  constexpr auto kRight = Table::Align::kRight;
  std::vector<Table::Column> columns;
  if (shape.brackets) columns.push_back({"bracket"});
  if (shape.rounds) columns.push_back({"round"});
  columns.push_back({"epochs"});
  columns.push_back({shape.closing ? "gathered" : "trials", kLeft});
  columns.push_back({"queued", kRight, 1});
  columns.push_back({"running"});
  columns.push_back({"reported", kRight, 4});
  for (const char* title : {"failed", "promoted"}) columns.push_back({title});
  columns.push_back({"best"});
  columns.push_back({"median", kRight, 3});
  columns.push_back({"usual", kRight, 2});
  if (shape.closing) columns.push_back({"to go"});
  return columns;
}

std::string Gathered(const v1::RungStatus& rung, const Shape& shape, const RenderOptions& options) {
  const bool narrow = options.width_columns > 0 && options.width_columns < kNarrow;
  const int cells = narrow ? kNarrowCells : kCells;
  if (!shape.closing) {
    return absl::StrCat(RenderBar({{rung.reported(), Fill::kDone},
                                   {rung.running(), Fill::kRunning},
                                   {rung.queued(), Fill::kQueued}},
                                  shape.fullest, cells, options),
                        " ", AllTrials(rung));
  }
  // Of closed rounds there is nothing left to gather.
  if (rung.size() == 0) return "-";
  return absl::StrCat(RenderBar({{rung.waiting(), Fill::kDone},
                                 {rung.running(), Fill::kRunning},
                                 {rung.queued(), Fill::kQueued}},
                                rung.size(), cells, options),
                      " ", rung.waiting(), "/", rung.size());
}

std::string OptionalError(bool present, double error) { return present ? FormatError(error) : "-"; }

std::string OptionalDuration(bool present, const google::protobuf::Duration& duration) {
  return present ? HumanDuration(FromProto(duration)) : "-";
}

std::vector<Cell> Row(const v1::RungStatus& rung, const Shape& shape,
                      const RenderOptions& options) {
  std::vector<Cell> row;
  if (shape.brackets) row.push_back(NumberCell(rung.bracket()));
  if (shape.rounds) row.push_back(rung.round() == 0 ? Cell{"closed"} : NumberCell(rung.round()));
  row.push_back(NumberCell(rung.epochs()));
  row.push_back({Gathered(rung, shape, options), Ink::kPlain, true});
  row.push_back(CountCell(rung.queued()));
  row.push_back(CountCell(rung.running()));
  row.push_back(CountCell(rung.reported()));
  row.push_back(rung.failed() == 0 ? CountCell(0) : Cell{absl::StrCat(rung.failed()), Ink::kRed});
  row.push_back(CountCell(rung.promoted()));
  row.push_back({OptionalError(rung.has_best_error(), rung.best_error()), Ink::kBold});
  row.push_back({OptionalError(rung.has_median_error(), rung.median_error())});
  row.push_back({OptionalDuration(rung.has_usual_time(), rung.usual_time())});
  if (shape.closing) row.push_back({OptionalDuration(rung.has_closes_in(), rung.closes_in())});
  return row;
}

std::string Legend(const Shape& shape, const RenderOptions& options) {
  const absl::string_view done = shape.closing ? " gathered  " : " reported  ";
  return absl::StrCat(RenderFill(Fill::kDone, options), Paint(done, Ink::kDim, options),
                      RenderFill(Fill::kRunning, options), Paint(" running  ", Ink::kDim, options),
                      RenderFill(Fill::kQueued, options), Paint(" queued", Ink::kDim, options),
                      "\n");
}

}  // namespace

std::string RenderRungs(const v1::StudyStatus& status, const RenderOptions& options) {
  const Shape shape = ShapeOf(status);
  Table table(Columns(shape));
  for (const v1::RungStatus& rung : status.rungs()) table.AddRow(Row(rung, shape, options));
  return absl::StrCat(table.Render(0, options), Legend(shape, options));
}

}  // namespace halving
