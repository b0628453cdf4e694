#include "cli/render_study.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/names.h"
#include "cli/table.h"
#include "cli/text.h"

namespace halving {
namespace {

constexpr int kLabelWidth = 12;
constexpr int kProgressCells = 30;

// "label       text", both lines clipped by whoever prints them.
std::string Labelled(absl::string_view label, absl::string_view text,
                     const RenderOptions& options) {
  const std::string padded = absl::StrFormat("%-*s", kLabelWidth, label);
  return absl::StrCat(Paint(padded, Ink::kDim, options), text, "\n");
}

std::string OptionalError(bool present, double error) { return present ? FormatError(error) : "-"; }

std::string RenderRungs(const v1::StudyStatus& status, const RenderOptions& options) {
  bool rounds = false;
  bool brackets = false;
  bool sizes = false;  // Not where rungs never close.
  for (const v1::RungStatus& rung : status.rungs()) {
    rounds |= rung.round() != 0;
    sizes |= rung.size() != 0;
    brackets |= rung.bracket() != 0;
  }
  std::vector<Table::Column> columns;
  if (brackets) columns.push_back({"bracket"});
  if (rounds) columns.push_back({"round"});
  columns.push_back({"epochs"});
  if (sizes) columns.push_back({"size"});
  for (const char* title :
       {"waiting", "queued", "running", "reported", "failed", "promoted", "best", "median"}) {
    columns.push_back({title});
  }
  Table table(std::move(columns));
  for (const v1::RungStatus& rung : status.rungs()) {
    std::vector<Cell> row;
    if (brackets) row.push_back(NumberCell(rung.bracket()));
    if (rounds) row.push_back(rung.round() == 0 ? Cell{"closed"} : NumberCell(rung.round()));
    row.push_back(NumberCell(rung.epochs()));
    if (sizes) row.push_back(CountCell(rung.size()));
    row.push_back(CountCell(rung.waiting()));
    row.push_back(CountCell(rung.queued()));
    row.push_back(CountCell(rung.running()));
    row.push_back(CountCell(rung.reported()));
    row.push_back(rung.failed() == 0 ? CountCell(0) : Cell{absl::StrCat(rung.failed()), Ink::kRed});
    row.push_back(CountCell(rung.promoted()));
    row.push_back({OptionalError(rung.has_best_error(), rung.best_error()), Ink::kBold});
    row.push_back({OptionalError(rung.has_median_error(), rung.median_error())});
    table.AddRow(std::move(row));
  }
  return table.Render(0, options);
}

std::string RenderBest(const v1::StudyStatus& status, const RenderOptions& options) {
  const v1::RungResult* last = LastResult(status.best());
  if (last == nullptr) return Labelled("best", "no result yet", options);
  std::vector<std::string> earlier;
  for (int i = 0; i + 1 < status.best().results_size(); ++i) {
    const v1::RungResult& result = status.best().results(i);
    earlier.push_back(absl::StrCat(FormatError(result.error()), " at ", result.epochs()));
  }
  std::string text = absl::StrCat("trial ", status.best().id(), ": error ",
                                  Paint(FormatError(last->error()), Ink::kBold, options), " at ",
                                  Plural(last->epochs(), "epoch"));
  if (!earlier.empty()) absl::StrAppend(&text, " (", absl::StrJoin(earlier, ", "), ")");
  return absl::StrCat(Labelled("best", text, options),
                      Labelled("", FormatConfig(status.best().config()), options));
}

std::string RenderRunning(const v1::StudyStatus& status, const RenderOptions& options) {
  if (status.running().empty()) return "";
  Table table({{"trial"}, {"attempt"}, {"epoch"}, {"for"}, {"worker", Table::Align::kLeft}});
  int64_t listed = 0;
  for (const v1::RunningTrial& running : status.running()) {
    if (static_cast<size_t>(listed) == options.max_running) break;
    table.AddRow({NumberCell(running.trial_id()),
                  NumberCell(running.attempt()),
                  {absl::StrCat(running.epoch(), "/", running.epochs())},
                  {HumanDuration(FromProto(running.running_for()))},
                  {running.worker_id()}});
    ++listed;
  }
  std::string text = absl::StrCat("\n", table.Render(0, options));
  const int64_t total = std::max<int64_t>(status.running_total(), status.running_size());
  if (total > listed) absl::StrAppend(&text, "... and ", total - listed, " more running\n");
  return text;
}

// The lines above the tables.
std::string RenderHead(const v1::StudyStatus& status, const RenderOptions& options) {
  const v1::Study& study = status.study();
  const v1::StudySpec& spec = study.spec();
  const Cell state = StateCell(study.state());
  std::string text =
      absl::StrCat(Paint(Printable(spec.name()), Ink::kBold, options), "  ",
                   Paint(state.text, state.ink, options), study.end_reason().empty() ? "" : ": ",
                   Printable(study.end_reason()), "\n");
  text += Labelled("objective", Printable(spec.objective()), options);
  text += Labelled("rule", DescribeRule(spec.halving()), options);
  text += Labelled("searcher", DescribeSearcher(spec), options);
  if (!spec.warm_start().study().empty()) {
    text += Labelled("warm start", DescribeWarmStart(spec.warm_start()), options);
  }
  text += Labelled("limits", DescribeLimits(spec.limits()), options);
  std::string times = HumanTime(FromProto(study.create_time()), options.zone);
  if (study.has_end_time()) {
    const absl::Time end = FromProto(study.end_time());
    absl::StrAppend(&times, ", ended ", HumanTime(end, options.zone), " (after ",
                    HumanDuration(end - FromProto(study.create_time())), ")");
  }
  return text + Labelled("created", times, options);
}

std::string RenderCounts(const v1::StudyStatus& status, const RenderOptions& options) {
  const int64_t limit = status.study().spec().limits().max_evaluations();
  std::string text =
      Labelled("progress", RenderProgress(status.progress(), kProgressCells, options), options);
  text += Labelled("evaluations",
                   absl::StrCat(status.evaluations(), limit > 0 ? absl::StrCat(" of ", limit) : ""),
                   options);
  std::string lost;
  if (status.epochs_lost() > 0) lost = absl::StrCat(", ", status.epochs_lost(), " of them lost");
  text += Labelled("epochs", absl::StrCat(status.epochs_trained(), " trained", lost), options);
  const int64_t running = std::max<int64_t>(status.running_total(), status.running_size());
  const std::string failed = absl::StrCat(status.failed_trials(), " failed");
  text += Labelled(
      "trials",
      absl::StrCat(running, " running, ", status.queued(), " queued, ",
                   Paint(failed, status.failed_trials() > 0 ? Ink::kRed : Ink::kPlain, options)),
      options);
  text += Labelled("utilisation",
                   absl::StrFormat("%.0f%% of the workers' time over the last 10 minutes",
                                   100 * status.utilisation()),
                   options);
  return text;
}

int Percent(double progress) {
  if (!(progress > 0)) return 0;  // NaN too.
  return progress >= 1 ? 100 : std::min(99, static_cast<int>(progress * 100));
}

std::string RenderPlannedRungs(const v1::StudyPlan& plan, const RenderOptions& options) {
  bool brackets = false;
  for (const v1::PlannedRung& rung : plan.rungs()) brackets |= rung.bracket() != 0;
  std::vector<Table::Column> columns;
  if (brackets) columns.push_back({"bracket"});
  columns.push_back({"epochs"});
  columns.push_back({"trials"});
  Table table(std::move(columns));
  for (const v1::PlannedRung& rung : plan.rungs()) {
    std::vector<Cell> row;
    if (brackets) row.push_back(NumberCell(rung.bracket()));
    row.push_back(NumberCell(rung.epochs()));
    row.push_back(NumberCell(rung.trials()));
    table.AddRow(std::move(row));
  }
  return table.Render(2, options);
}

}  // namespace

std::string RenderProgress(double progress, int cells, const RenderOptions& options) {
  const int percent = Percent(progress);
  const int full = percent * cells / 100;
  std::string done;
  std::string left;
  for (int i = 0; i < cells; ++i) {
    (i < full ? done : left) += options.unicode ? (i < full ? "█" : "░") : (i < full ? "#" : "-");
  }
  const std::string bar =
      absl::StrCat(Paint(done, Ink::kGreen, options), Paint(left, Ink::kDim, options));
  return absl::StrCat(options.unicode ? "" : "[", bar, options.unicode ? "" : "]",
                      absl::StrFormat(" %3d%%", percent));
}

std::string RenderPlan(const v1::StudySpec& spec, const v1::StudyPlan& plan,
                       const RenderOptions& options) {
  const std::string name = spec.name().empty() ? "unnamed study" : Printable(spec.name());
  // Without rounds, what their first rung of trials comes to is as good a measure.
  const bool rounds = HasRounds(spec.halving().policy());
  std::string title = "One round:";
  if (!rounds) {
    const int64_t first = plan.rungs().empty() ? 0 : plan.rungs(0).trials();
    title = absl::StrCat("There are no rounds. Each ", Plural(first, "trial"), " come to about:");
  }
  const absl::string_view each = rounds ? " per round" : " for those";
  std::string text =
      absl::StrCat(Paint(name, Ink::kBold, options), "  ", DescribeRule(spec.halving()), "\n\n",
                   title, "\n", RenderPlannedRungs(plan, options), "\n");
  text += Labelled("evaluations", absl::StrCat(plan.evaluations_per_round(), each), options);
  text += Labelled("epochs",
                   absl::StrCat(plan.epochs_per_round(), each, ", resuming from checkpoints (",
                                plan.epochs_per_round_from_scratch(), " from scratch)"),
                   options);
  text += Labelled("limits", DescribeLimits(spec.limits()), options);
  if (!rounds) return text;
  text += Labelled("rounds",
                   plan.rounds() > 0
                       ? absl::StrCat(plan.rounds(), " within the limits, the last possibly cut")
                       : "not bounded by the limits",
                   options);
  return text;
}

std::string RenderStatus(const v1::StudyStatus& status, const RenderOptions& options) {
  std::string text = absl::StrCat(RenderHead(status, options), "\n", RenderCounts(status, options),
                                  "\n", RenderRungs(status, options), "\n",
                                  RenderBest(status, options), RenderRunning(status, options));
  if (!status.notes().empty()) text += "\n";
  for (const std::string& note : status.notes()) {
    absl::StrAppend(&text, Paint("note: ", Ink::kYellow, options), Printable(note), "\n");
  }
  return text;
}

std::string RenderStatusLine(const v1::StudyStatus& status, const RenderOptions& options) {
  const Cell state = StateCell(status.study().state());
  std::string best = "no result yet";
  if (const v1::RungResult* last = LastResult(status.best()); last != nullptr) {
    best = absl::StrCat("best ", FormatError(last->error()), " (trial ", status.best().id(), " at ",
                        Plural(last->epochs(), "epoch"), ")");
  }
  std::string line =
      absl::StrCat(Paint(absl::StrFormat("%-9s", state.text), state.ink, options),
                   absl::StrFormat(" %3d%%  ", Percent(status.progress())),
                   Plural(status.evaluations(), "evaluation"), "  ", best, "  ",
                   std::max<int64_t>(status.running_total(), status.running_size()), " running");
  if (status.failed_trials() > 0) absl::StrAppend(&line, "  ", status.failed_trials(), " failed");
  if (!status.study().end_reason().empty()) {
    absl::StrAppend(&line, "  ", Printable(status.study().end_reason()));
  }
  return line;
}

std::string RenderStudies(const std::vector<v1::Study>& studies, const RenderOptions& options) {
  if (studies.empty()) return "There is no study yet. Make one with `halving create FILE.json`.\n";
  constexpr auto kLeft = Table::Align::kLeft;
  Table table({{"name", kLeft},
               {"state", kLeft},
               {"objective", kLeft},
               {"created", kLeft},
               {"ended", kLeft},
               {"reason", kLeft}});
  for (const v1::Study& study : studies) {
    table.AddRow({{study.spec().name(), Ink::kBold},
                  StateCell(study.state()),
                  {study.spec().objective()},
                  {HumanTime(FromProto(study.create_time()), options.zone)},
                  {study.has_end_time() ? HumanTime(FromProto(study.end_time()), options.zone)
                                        : std::string("-")},
                  {study.end_reason()}});
  }
  return table.Render(0, options);
}

std::string RenderWorkers(const std::vector<v1::Worker>& workers, const RenderOptions& options) {
  if (workers.empty()) {
    return "No worker has asked for work yet. Start one with `halving-worker` on each GPU.\n";
  }
  constexpr auto kLeft = Table::Align::kLeft;
  Table table({{"worker", kLeft},
               {"host", kLeft},
               {"device", kLeft},
               {"doing", kLeft},
               {"last seen"},
               {"finished"},
               {"lost"},
               {"objectives", kLeft}});
  for (const v1::Worker& worker : workers) {
    Cell doing{absl::StrCat(worker.study(), " trial ", worker.trial_id()), Ink::kCyan};
    if (worker.has_idle_for()) {
      doing = {absl::StrCat("idle ", HumanDuration(FromProto(worker.idle_for()))), Ink::kDim};
    }
    table.AddRow({{worker.worker_id(), Ink::kBold},
                  {worker.host()},
                  {worker.device()},
                  doing,
                  {absl::StrCat(HumanDuration(FromProto(worker.last_seen())), " ago")},
                  CountCell(worker.trials_finished()),
                  CountCell(worker.leases_lost()),
                  {worker.objectives().empty() ? std::string("any")
                                               : absl::StrJoin(worker.objectives(), ", ")}});
  }
  return table.Render(0, options);
}

}  // namespace halving
