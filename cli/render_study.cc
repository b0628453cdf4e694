#include "cli/render_study.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/bar.h"
#include "cli/names.h"
#include "cli/render_rungs.h"
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

// Without the config.
std::string DescribeBest(const v1::StudyStatus& status, const RenderOptions& options) {
  const v1::RungResult* last = LastResult(status.best());
  if (last == nullptr) return "no result yet";
  std::vector<std::string> earlier;
  for (int i = 0; i + 1 < status.best().results_size(); ++i) {
    const v1::RungResult& result = status.best().results(i);
    earlier.push_back(absl::StrCat(FormatError(result.error()), " at ", result.epochs()));
  }
  std::string text = absl::StrCat("trial ", status.best().id(), ": error ",
                                  Paint(FormatError(last->error()), Ink::kBold, options), " at ",
                                  Plural(last->epochs(), "epoch"));
  if (!earlier.empty()) absl::StrAppend(&text, " (", absl::StrJoin(earlier, ", "), ")");
  return text;
}

std::string RenderBest(const v1::StudyStatus& status, const RenderOptions& options) {
  std::string text = Labelled("best", DescribeBest(status, options), options);
  if (LastResult(status.best()) == nullptr) return text;
  return text + Labelled("", FormatConfig(status.best().config()), options);
}

// Those that straggle first, then the longest running.
std::vector<const v1::RunningTrial*> InOrderOfConcern(const v1::StudyStatus& status) {
  std::vector<const v1::RunningTrial*> trials;
  for (const v1::RunningTrial& running : status.running()) trials.push_back(&running);
  std::stable_sort(trials.begin(), trials.end(),
                   [](const v1::RunningTrial* a, const v1::RunningTrial* b) {
                     return a->straggling() && !b->straggling();
                   });
  return trials;
}

std::string RenderRunning(const v1::StudyStatus& status, const RenderOptions& options) {
  if (status.running().empty()) return "";
  std::vector<const v1::RunningTrial*> trials = InOrderOfConcern(status);
  const bool straggling = trials.front()->straggling();
  std::vector<Table::Column> columns = {{"trial"}, {"attempt"}, {"epoch"}, {"for"}};
  if (straggling) columns.push_back({"pace", Table::Align::kLeft});
  columns.push_back({"worker", Table::Align::kLeft});
  Table table(std::move(columns));
  const size_t listed = std::min(options.max_running, trials.size());
  trials.resize(listed);
  for (const v1::RunningTrial* running : trials) {
    std::vector<Cell> row = {NumberCell(running->trial_id()),
                             NumberCell(running->attempt()),
                             {absl::StrCat(running->epoch(), "/", running->epochs())},
                             {HumanDuration(FromProto(running->running_for())),
                              running->straggling() ? Ink::kYellow : Ink::kPlain}};
    if (straggling) {
      row.push_back({running->straggling() ? "straggling" : "as usual",
                     running->straggling() ? Ink::kYellow : Ink::kDim});
    }
    row.push_back({running->worker_id()});
    table.AddRow(std::move(row));
  }
  std::string text = absl::StrCat("\n", listed > 0 ? table.Render(0, options) : "");
  const int64_t more = RunningTotal(status) - static_cast<int64_t>(listed);
  if (more > 0) absl::StrAppend(&text, "... and ", more, " more running\n");
  return text;
}

// "4m 12s so far, about 6m 30s to go", as much of it as the server knows.
std::string DescribeTime(const v1::StudyStatus& status) {
  std::string text;
  if (status.has_running_time()) {
    text = absl::StrCat(HumanDuration(FromProto(status.running_time())), " running");
  }
  if (!status.has_time_left() || HasEnded(status.study().state())) return text;
  return absl::StrCat(text, text.empty() ? "" : ", ", "about ",
                      HumanDuration(FromProto(status.time_left())), " to go");
}

std::string RenderNotes(const v1::StudyStatus& status, const RenderOptions& options) {
  std::string text = status.notes().empty() ? "" : "\n";
  for (const std::string& note : status.notes()) {
    absl::StrAppend(&text, Paint("note: ", Ink::kYellow, options), Printable(note), "\n");
  }
  return text;
}

// "lenet  STOPPED: stopped by a person".
std::string RenderTitle(const v1::Study& study, const RenderOptions& options) {
  const Cell state = StateCell(study.state());
  return absl::StrCat(Paint(Printable(study.spec().name()), Ink::kBold, options), "  ",
                      Paint(state.text, state.ink, options), study.end_reason().empty() ? "" : ": ",
                      Printable(study.end_reason()));
}

std::string Failed(const v1::StudyStatus& status, const RenderOptions& options) {
  return Paint(absl::StrCat(status.failed_trials(), " failed"),
               status.failed_trials() > 0 ? Ink::kRed : Ink::kPlain, options);
}

// The lines above the tables.
std::string RenderHead(const v1::StudyStatus& status, const RenderOptions& options) {
  const v1::Study& study = status.study();
  const v1::StudySpec& spec = study.spec();
  std::string text = absl::StrCat(RenderTitle(study, options), "\n");
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
  if (const std::string time = DescribeTime(status); !time.empty()) {
    text += Labelled("time", time, options);
  }
  text += Labelled("evaluations",
                   absl::StrCat(status.evaluations(), limit > 0 ? absl::StrCat(" of ", limit) : ""),
                   options);
  std::string lost;
  if (status.epochs_lost() > 0) lost = absl::StrCat(", ", status.epochs_lost(), " of them lost");
  text += Labelled("epochs", absl::StrCat(status.epochs_trained(), " trained", lost), options);
  text += Labelled("trials",
                   absl::StrCat(RunningTotal(status), " running, ", status.queued(), " queued, ",
                                Failed(status, options)),
                   options);
  text += Labelled("utilisation",
                   absl::StrFormat("%.0f%% of the workers' time over the last 10 minutes",
                                   100 * status.utilisation()),
                   options);
  return text;
}

std::string RenderLiveTitle(const v1::Study& study, const RenderOptions& options) {
  const std::string settings =
      absl::StrCat(Printable(study.spec().objective()), ", ", DescribeRule(study.spec().halving()));
  return absl::StrCat(RenderTitle(study, options), "  ", Paint(settings, Ink::kDim, options));
}

// "12 of 30 evaluations, 26 epochs; 2 running, 2 queued, 1 failed; 87% busy".
std::string DescribeCounts(const v1::StudyStatus& status, const RenderOptions& options) {
  const int64_t limit = status.study().spec().limits().max_evaluations();
  const std::string evaluations =
      limit > 0 ? absl::StrCat(status.evaluations(), " of ", Plural(limit, "evaluation"))
                : Plural(status.evaluations(), "evaluation");
  return absl::StrCat(evaluations, ", ", Plural(status.epochs_trained(), "epoch"), "; ",
                      RunningTotal(status), " running, ", status.queued(), " queued",
                      status.failed_trials() > 0 ? ", " : "",
                      status.failed_trials() > 0 ? Failed(status, options) : "", "; ",
                      Percent(status.utilisation()), "% busy");
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
  return text + RenderNotes(status, options);
}

std::string RenderLiveStatus(const v1::StudyStatus& status, int rows,
                             const RenderOptions& options) {
  const std::string time = DescribeTime(status);
  std::string text = absl::StrCat(
      RenderLiveTitle(status.study(), options), "\n",
      RenderProgress(status.progress(), kProgressCells, options), time.empty() ? "" : "  ", time,
      "\n", DescribeCounts(status, options), "\n\n", RenderRungs(status, options), "\n",
      Labelled("best", DescribeBest(status, options), options));
  if (LastResult(status.best()) != nullptr) {
    const int room = options.width_columns > 0 ? options.width_columns - kLabelWidth : 1000;
    for (const std::string& line : Wrapped(FormatConfigShort(status.best().config()), room)) {
      text += Labelled("", line, options);
    }
  }
  const std::string notes = RenderNotes(status, options);
  const auto taken = std::count(text.begin(), text.end(), '\n') +
                     std::count(notes.begin(), notes.end(), '\n') + 3;  // And what frames them.
  RenderOptions fitting = options;
  fitting.max_running = static_cast<size_t>(std::max<int64_t>(1, rows - taken));
  return absl::StrCat(text, RenderRunning(status, fitting), notes);
}

std::string RenderStatusLine(const v1::StudyStatus& status, const RenderOptions& options) {
  const Cell state = StateCell(status.study().state());
  std::string best = "no result yet";
  if (const v1::RungResult* last = LastResult(status.best()); last != nullptr) {
    best = absl::StrCat("best ", FormatError(last->error()), " (trial ", status.best().id(), " at ",
                        Plural(last->epochs(), "epoch"), ")");
  }
  std::string line = absl::StrCat(Paint(absl::StrFormat("%-9s", state.text), state.ink, options),
                                  absl::StrFormat(" %3d%%  ", Percent(status.progress())),
                                  Plural(status.evaluations(), "evaluation"), "  ", best, "  ",
                                  RunningTotal(status), " running");
  if (status.failed_trials() > 0) absl::StrAppend(&line, "  ", status.failed_trials(), " failed");
  if (!status.study().end_reason().empty()) {
    absl::StrAppend(&line, "  ", Printable(status.study().end_reason()));
  }
  return line;
}

std::string RenderStudies(const std::vector<v1::Study>& studies, bool wide,
                          const RenderOptions& options) {
  if (studies.empty()) return "There is no study yet. Make one with `halving create FILE.json`.\n";
  constexpr auto kLeft = Table::Align::kLeft;
  std::vector<Table::Column> columns = {{"name", kLeft, 0, true},
                                        {"state", kLeft},
                                        {"objective", kLeft, 2, true},
                                        {"created", kLeft}};
  columns.push_back({"ended", kLeft, 1});
  if (wide) {
    for (const char* title : {"rule", "searcher", "limits"}) columns.push_back({title, kLeft});
  }
  columns.push_back({"reason", kLeft});
  Table table(std::move(columns));
  for (const v1::Study& study : studies) {
    std::vector<Cell> row = {
        {study.spec().name(), Ink::kBold},
        StateCell(study.state()),
        {study.spec().objective()},
        {HumanTime(FromProto(study.create_time()), options.zone)},
        {study.has_end_time() ? HumanTime(FromProto(study.end_time()), options.zone)
                              : std::string("-")}};
    if (wide) {
      row.push_back({DescribeRule(study.spec().halving())});
      row.push_back({DescribeSearcher(study.spec())});
      row.push_back({DescribeLimits(study.spec().limits())});
    }
    row.push_back({study.end_reason()});
    table.AddRow(std::move(row));
  }
  return table.Render(0, options);
}

}  // namespace halving
