// `halving workers`.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/names.h"
#include "cli/render_workers.h"
#include "cli/text.h"

namespace halving {
namespace {

bool Matches(const v1::Worker& worker, const WorkersOptions& options) {
  if (options.idle && (IsBusy(worker) || !worker.connected())) return false;
  return options.study.empty() || worker.study() == options.study;
}

// Workers with a greater key come first; those of equal keys stay in the order of their names.
double SortKey(const v1::Worker& worker, const std::string& order) {
  if (order == "busy") return worker.utilisation();
  if (order == "idle") {
    return worker.has_idle_for() ? absl::ToDoubleSeconds(FromProto(worker.idle_for())) : -1;
  }
  if (order == "seen") return absl::ToDoubleSeconds(FromProto(worker.last_seen()));
  if (order == "finished") return static_cast<double>(worker.trials_finished());
  if (order == "lost") return static_cast<double>(worker.leases_lost());
  return 0;
}

}  // namespace

int WorkersCommand(const WorkersOptions& options, Client* client, Console* console) {
  const auto workers = client->ListWorkers();
  if (!workers.ok()) return Fail(workers.status(), client, console);
  std::vector<v1::Worker> chosen;
  for (const v1::Worker& worker : *workers) {
    if (Matches(worker, options)) chosen.push_back(worker);
  }
  std::stable_sort(chosen.begin(), chosen.end(), [&](const v1::Worker& a, const v1::Worker& b) {
    return SortKey(a, options.sort) > SortKey(b, options.sort);
  });
  if (options.format == Format::kJson) {
    v1::ListWorkersResponse all;
    all.mutable_workers()->Assign(chosen.begin(), chosen.end());
    WriteData(ToJson(all), console);
  } else if (options.format == Format::kName) {
    for (const v1::Worker& worker : chosen) {
      WriteData(absl::StrCat(worker.worker_id(), "\n"), console);
    }
  } else if (workers->empty()) {
    *console->out << "No worker has asked for work yet. Start one with `halving-worker` on each "
                     "GPU.\n";
  } else if (chosen.empty()) {
    *console->out << "None of " << Plural(static_cast<int64_t>(workers->size()), "worker")
                  << (options.idle ? " is idle.\n" : " holds a trial of that study.\n");
  } else {
    *console->out << RenderWorkers(chosen, options.format == Format::kWide, console->options);
  }
  return kExitOk;
}

}  // namespace halving
