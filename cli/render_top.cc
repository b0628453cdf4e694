#include "cli/render_top.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/bar.h"
#include "cli/names.h"
#include "cli/render_workers.h"
#include "cli/table.h"
#include "cli/text.h"

namespace halving {
namespace {

constexpr int kHeadCells = 30;
constexpr int kStudyCells = 12;
constexpr int kHeadLines = 3;
constexpr int kTableLines =
    3;  // Around the rows: a blank, the titles, and how many more there are.

std::string EpochsPerMinute(const v1::StudyStatus& status) {
  const double minutes = absl::ToDoubleMinutes(FromProto(status.running_time()));
  if (!(minutes > 0)) return "-";
  return absl::StrFormat("%.1f", static_cast<double>(status.epochs_trained()) / minutes);
}

std::vector<Cell> StudyRow(const v1::StudyStatus& status, const RenderOptions& options) {
  const v1::RungResult* last = LastResult(status.best());
  const int64_t failed = status.failed_trials();
  return {
      {status.study().spec().name(), Ink::kBold},
      {RenderProgress(status.progress(), kStudyCells, options), Ink::kPlain, true},
      {last == nullptr ? std::string("-") : FormatError(last->error()), Ink::kBold},
      {last == nullptr ? std::string("-")
                       : absl::StrCat(status.best().id(), " at ", last->epochs())},
      CountCell(RunningTotal(status)),
      CountCell(status.queued()),
      failed == 0 ? CountCell(0) : Cell{absl::StrCat(failed), Ink::kRed},
      {EpochsPerMinute(status)},
      {status.has_time_left() ? HumanDuration(FromProto(status.time_left())) : std::string("-")}};
}

std::string RenderStudyTable(const TopPicture& picture, size_t most, const RenderOptions& options) {
  if (picture.running_total == 0) return "No study is running.\n";
  constexpr auto kLeft = Table::Align::kLeft;
  constexpr auto kRight = Table::Align::kRight;
  Table table({{"study", kLeft, 0, true},
               {"progress", kLeft},
               {"best"},
               {"by trial", kRight, 3},
               {"running"},
               {"queued", kRight, 1},
               {"failed", kRight, 2},
               {"epochs/min"},
               {"to go"}});
  const size_t shown = std::min(most, picture.running.size());
  for (size_t i = 0; i < shown; ++i) table.AddRow(StudyRow(picture.running[i], options));
  std::string text = table.Render(0, options);
  const int64_t more = picture.running_total - static_cast<int64_t>(shown);
  if (more > 0) absl::StrAppend(&text, "... and ", more, " more running\n");
  return text;
}

// The smaller come first.
std::tuple<int, double, std::string> Concern(const v1::Worker& worker) {
  const double idle_s = absl::ToDoubleSeconds(FromProto(worker.idle_for()));
  if (IsBusy(worker)) {
    return {worker.straggling() ? 0 : 2, -worker.utilisation(), worker.worker_id()};
  }
  return {worker.connected() ? 1 : 3, -idle_s, worker.worker_id()};
}

std::string RenderTopWorkers(std::vector<v1::Worker> workers, size_t most,
                             const RenderOptions& options) {
  if (workers.empty()) return "No worker has asked for work yet.\n";
  std::stable_sort(workers.begin(), workers.end(), [](const v1::Worker& a, const v1::Worker& b) {
    return Concern(a) < Concern(b);
  });
  const size_t more = workers.size() - std::min(most, workers.size());
  workers.resize(workers.size() - more);
  std::string text = RenderWorkerTable(workers, false, options);
  if (more > 0) {
    absl::StrAppend(&text, "... and ", Plural(static_cast<int64_t>(more), "worker"), " more\n");
  }
  return text;
}

}  // namespace

std::string RenderTop(const TopPicture& picture, int rows, const RenderOptions& options) {
  size_t studies = picture.running.size();
  size_t workers = picture.workers.size();
  if (rows > 0) {
    const int room = std::max(2, rows - kHeadLines - 2 * kTableLines);
    // Each gets a half, and what the other leaves.
    const auto half = static_cast<size_t>(room / 2);
    const auto all = static_cast<size_t>(room);
    studies = std::min(studies, std::max(half, all - std::min(all, workers)));
    workers = std::min(workers, all - std::min(all, studies));
  }
  return absl::StrCat(
      Paint(Printable(picture.server), Ink::kBold, options), "  ", picture.running_total, " of ",
      picture.studies == 1 ? "1 study" : absl::StrCat(picture.studies, " studies"), " running\n",
      RenderProgress(Utilisation(picture.workers), kHeadCells, options),
      " used over the last 10 minutes\n", DescribeWorkers(picture.workers), "\n\n",
      RenderStudyTable(picture, studies, options), "\n",
      RenderTopWorkers(picture.workers, workers, options));
}

}  // namespace halving
