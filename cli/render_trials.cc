#include "cli/render_trials.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/names.h"
#include "cli/table.h"
#include "cli/text.h"

namespace halving {
namespace {

constexpr int kCurveCells = 30;

std::string Metrics(const v1::RungResult& result) {
  std::string text;
  // A protobuf map has no order of its own.
  const std::map<std::string, double> sorted(result.metrics().begin(), result.metrics().end());
  for (const auto& [name, value] : sorted) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", name, " ", FormatError(value));
  }
  return text;
}

std::string RenderResults(const v1::Trial& trial, const RenderOptions& options) {
  if (trial.results().empty()) return "no result yet\n";
  constexpr auto kLeft = Table::Align::kLeft;
  Table table({{"epochs"},
               {"error"},
               {"from"},
               {"trained for"},
               {"reported", kLeft},
               {"worker", kLeft},
               {"metrics", kLeft}});
  for (const v1::RungResult& result : trial.results()) {
    table.AddRow({NumberCell(result.epochs()),
                  {FormatError(result.error()), Ink::kBold},
                  NumberCell(result.from_epoch()),
                  {result.has_train_time() ? HumanDuration(FromProto(result.train_time()))
                                           : std::string("-")},
                  {HumanTime(FromProto(result.end_time()), options.zone)},
                  {result.worker_id()},
                  {Metrics(result)}});
  }
  return table.Render(0, options);
}

// The curve as bars, the longest for the greatest finite error.
std::string RenderCurve(const v1::Trial& trial, const RenderOptions& options) {
  if (trial.curve().empty()) return "";
  double greatest = 0;
  for (const v1::CurvePoint& point : trial.curve()) {
    if (std::isfinite(point.error())) greatest = std::max(greatest, point.error());
  }
  Table table({{"epoch"}, {"error"}, {"", Table::Align::kLeft}});
  for (const v1::CurvePoint& point : trial.curve()) {
    std::string bar;
    if (std::isfinite(point.error()) && point.error() > 0) {
      const int cells = static_cast<int>(std::lround(kCurveCells * (point.error() / greatest)));
      for (int i = 0; i < cells; ++i) bar += options.unicode ? "▇" : "#";
    }
    table.AddRow({NumberCell(point.epoch()), {FormatError(point.error())}, {bar, Ink::kCyan}});
  }
  return absl::StrCat("\n", table.Render(0, options));
}

// The cells that only a wide table has.
void AddWide(const v1::Trial& trial, std::vector<Cell>* row) {
  const v1::RungResult* last = LastResult(trial);
  const bool timed = last != nullptr && last->has_train_time();
  std::string worker = trial.worker_id();
  if (worker.empty() && last != nullptr) worker = last->worker_id();
  // Often a program's whole stderr; its last line says most.
  std::vector<absl::string_view> failure = absl::StrSplit(trial.failure(), '\n', absl::SkipEmpty());
  row->push_back({timed ? HumanDuration(FromProto(last->train_time())) : std::string("-")});
  row->push_back({worker.empty() ? "-" : worker});
  row->push_back({trial.has_checkpoint() ? "kept" : "-"});
  row->push_back({last == nullptr || last->metrics().empty() ? "-" : Metrics(*last)});
  row->push_back({failure.empty() ? "-" : std::string(failure.back()), Ink::kRed});
  if (failure.empty()) row->back().ink = Ink::kPlain;
}

}  // namespace

std::string RenderTrials(const std::vector<v1::Trial>& trials, bool wide,
                         const RenderOptions& options) {
  if (trials.empty()) return "No trial.\n";
  constexpr auto kLeft = Table::Align::kLeft;
  std::vector<Table::Column> columns = {{"id"},    {"round"},    {"state", kLeft}, {"epochs"},
                                        {"error"}, {"attempts"}, {"config", kLeft}};
  if (wide) {
    columns.insert(columns.end() - 1, {{"trained for"},
                                       {"worker", kLeft},
                                       {"checkpoint", kLeft},
                                       {"metrics", kLeft},
                                       {"failure", kLeft, 0, true}});
  }
  Table table(std::move(columns));
  for (const v1::Trial& trial : trials) {
    const v1::RungResult* last = LastResult(trial);
    std::vector<Cell> row = {
        NumberCell(trial.id()),
        CountCell(trial.round()),
        StateCell(trial.state()),
        CountCell(last == nullptr ? 0 : last->epochs()),
        Cell{last == nullptr ? std::string("-") : FormatError(last->error()), Ink::kBold},
        CountCell(trial.attempts())};
    if (wide) AddWide(trial, &row);
    row.push_back(Cell{FormatConfigShort(trial.config())});
    table.AddRow(std::move(row));
  }
  return table.Render(0, options);
}

std::string RenderTrial(const v1::Trial& trial, const RenderOptions& options) {
  const Cell state = StateCell(trial.state());
  std::string text = absl::StrCat(Paint(absl::StrCat("trial ", trial.id()), Ink::kBold, options),
                                  "  ", Paint(state.text, state.ink, options));
  if (trial.round() > 0) absl::StrAppend(&text, "  round ", trial.round());
  absl::StrAppend(&text, "  ", Plural(trial.attempts(), "attempt"));
  if (trial.failures() > 0) {
    absl::StrAppend(&text, "  ", Plural(trial.failures(), "failure"), " at this rung");
  }
  if (!trial.worker_id().empty()) absl::StrAppend(&text, "  on ", Printable(trial.worker_id()));
  absl::StrAppend(&text, "  ", trial.has_checkpoint() ? "checkpoint kept" : "no checkpoint", "\n",
                  FormatConfig(trial.config()), "\n\n", RenderResults(trial, options),
                  RenderCurve(trial, options));
  if (!trial.failure().empty()) {
    absl::StrAppend(&text, "\n", Paint("last failure:", Ink::kRed, options), "\n");
    // Often the last lines of a program's stderr.
    for (absl::string_view line : absl::StrSplit(trial.failure(), '\n')) {
      absl::StrAppend(&text, "  ", Printable(line), "\n");
    }
  }
  return text;
}

}  // namespace halving
