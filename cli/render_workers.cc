#include "cli/render_workers.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/bar.h"
#include "cli/names.h"
#include "cli/table.h"
#include "cli/text.h"

namespace halving {
namespace {

std::string Ago(const google::protobuf::Duration& duration) {
  return absl::StrCat(HumanDuration(FromProto(duration)), " ago");
}

Cell WorkerState(const v1::Worker& worker) {
  if (IsBusy(worker)) {
    return worker.straggling() ? Cell{"straggling", Ink::kYellow} : Cell{"busy", Ink::kCyan};
  }
  if (!worker.connected()) return {"disconnected", Ink::kRed};
  return {absl::StrCat("idle ", HumanDuration(FromProto(worker.idle_for()))), Ink::kDim};
}

}  // namespace

std::string RenderWorkerTable(const std::vector<v1::Worker>& workers, bool wide,
                              const RenderOptions& options) {
  constexpr auto kLeft = Table::Align::kLeft;
  constexpr auto kRight = Table::Align::kRight;
  std::vector<Table::Column> columns = {
      {"worker", kLeft, 0, true}, {"state", kLeft},        {"doing", kLeft, 0, true}, {"busy"},
      {"last seen", kRight, 2},   {"finished", kRight, 3}, {"lost", kRight, 1}};
  if (wide) {
    columns.push_back({"host", kLeft, 0, true});
    columns.push_back({"objectives", kLeft, 0, true});
  }
  columns.push_back({"device", kLeft, 0, true});
  Table table(std::move(columns));
  for (const v1::Worker& worker : workers) {
    const std::string doing =
        IsBusy(worker) ? absl::StrCat(worker.study(), " trial ", worker.trial_id()) : "-";
    std::vector<Cell> row = {{worker.worker_id(), Ink::kBold},
                             WorkerState(worker),
                             {doing, IsBusy(worker) ? Ink::kPlain : Ink::kDim},
                             {absl::StrCat(Percent(worker.utilisation()), "%")},
                             {Ago(worker.last_seen())},
                             CountCell(worker.trials_finished()),
                             CountCell(worker.leases_lost())};
    if (worker.leases_lost() > 0) row.back().ink = Ink::kYellow;
    if (wide) {
      row.push_back({worker.host()});
      row.push_back({worker.objectives().empty() ? std::string("any")
                                                 : absl::StrJoin(worker.objectives(), ", ")});
    }
    row.push_back({worker.device()});
    table.AddRow(std::move(row));
  }
  return table.Render(0, options);
}

std::string DescribeWorkers(const std::vector<v1::Worker>& workers) {
  int64_t busy = 0;
  int64_t straggling = 0;
  int64_t idle = 0;
  for (const v1::Worker& worker : workers) {
    busy += IsBusy(worker) ? 1 : 0;
    straggling += IsBusy(worker) && worker.straggling() ? 1 : 0;
    idle += !IsBusy(worker) && worker.connected() ? 1 : 0;
  }
  const auto all = static_cast<int64_t>(workers.size());
  std::string text = absl::StrCat(Plural(all, "worker"), ": ", busy, " busy");
  if (straggling > 0) absl::StrAppend(&text, " (", straggling, " straggling)");
  absl::StrAppend(&text, ", ", idle, " idle");
  if (all > busy + idle) absl::StrAppend(&text, ", ", all - busy - idle, " disconnected");
  return text;
}

double Utilisation(const std::vector<v1::Worker>& workers) {
  double sum = 0;
  int64_t connected = 0;
  for (const v1::Worker& worker : workers) {
    if (!worker.connected()) continue;
    sum += worker.utilisation();
    ++connected;
  }
  return connected == 0 ? 0 : sum / static_cast<double>(connected);
}

std::string RenderWorkers(const std::vector<v1::Worker>& workers, bool wide,
                          const RenderOptions& options) {
  const std::string sum = absl::StrFormat("%s; utilisation %d%%", DescribeWorkers(workers),
                                          Percent(Utilisation(workers)));
  return absl::StrCat(RenderWorkerTable(workers, wide, options), "\n",
                      Paint(sum, Ink::kDim, options), "\n");
}

}  // namespace halving
