#include "bench/simulate/search.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/simulate/line_chart.h"
#include "bench/simulate/parallel.h"
#include "bench/simulate/statistics.h"
#include "bench/simulate/workload.h"
#include "common/check.h"
#include "common/status.h"
#include "server/core/plan.h"

namespace halving {
namespace {

constexpr int kWorkers = 4;
constexpr double kTimeNoise = 0.24;
constexpr int kSeeds = 20;
constexpr int kQuickSeeds = 3;
constexpr int64_t kCapRounds = 40;  // Rounds of the ladder that the cap on the budget holds.
constexpr int64_t kQuickCapRounds = 3;
constexpr size_t kBudgets = 48;  // Points of a line.

// How near is near: in parts of a usual config's regret.
struct Goal {
  double regret;
  const char* name;
};
constexpr Goal kGoals[] = {{0.1, "10%"}, {0.01, "1%"}, {0.001, "0.1%"}};

constexpr double kAimOfBest = 0.5;  // Of the reference's budget, on the problems named so.
constexpr char kAimProblems[] = "hartmann6";
constexpr double kAimOfWorst = 1.2;  // On any problem.

struct Cell {
  std::vector<SearchRun> runs;  // By seed.
};

// One problem's runs of all contenders.
struct Row {
  const Problem* problem = nullptr;
  int64_t cap = 0;
  std::vector<Cell> cells;  // By contender.
};

int64_t CapRounds(const ExperimentOptions& options) {
  if (options.rounds > 0) return options.rounds;
  return options.quick ? kQuickCapRounds : kCapRounds;
}

absl::StatusOr<std::vector<Row>> RunAll(const ExperimentOptions& options,
                                        const std::vector<Contender>& contenders,
                                        const std::vector<const Problem*>& problems, size_t seeds) {
  std::vector<Row> rows;
  for (const Problem* problem : problems) {
    HV_ASSIGN_OR_RETURN(const Plan plan, MakePlan({.name = "s",
                                                   .objective = "simulated",
                                                   .parameters = problem->parameters(),
                                                   .halving = problem->ladder(),
                                                   .limits = {.max_rounds = 1}}));
    rows.push_back({.problem = problem,
                    .cap = plan.epochs_per_round * CapRounds(options),
                    .cells = std::vector<Cell>(contenders.size())});
  }
  const size_t of_row = contenders.size() * seeds;
  auto runs =
      ParallelMap<absl::StatusOr<SearchRun>>(rows.size() * of_row, options.threads, [&](size_t i) {
        const Row& row = rows[i / of_row];
        return RunSearch(*row.problem, contenders[i % of_row / seeds], std::end(kGoals)[-1].regret,
                         row.cap, i % seeds + 1);
      });
  for (size_t i = 0; i < runs.size(); ++i) {
    HV_RETURN_IF_ERROR(runs[i].status());
    rows[i / of_row].cells[i % of_row / seeds].runs.push_back(*std::move(runs[i]));
  }
  return rows;
}

// What the runs of a cell needed to come so near; the cap counts for those that did not.
struct Needed {
  std::vector<double> epochs;
  std::vector<double> evaluations;
  size_t reached = 0;
};

Needed NeededFor(const Cell& cell, double goal) {
  Needed needed;
  for (const SearchRun& run : cell.runs) {
    const std::optional<Spent> spent = SpentUntil(run, goal);
    needed.epochs.push_back(spent.value_or(run.total).epochs);
    needed.evaluations.push_back(spent.value_or(run.total).evaluations);
    if (spent.has_value()) ++needed.reached;
  }
  return needed;
}

std::string FormatMedian(const std::vector<double>& values, size_t reached) {
  const bool censored = 2 * reached <= values.size();
  return absl::StrCat(censored ? ">" : "", FormatCount(Median(values)));
}

// The mean budget over the reference's; no figure where neither ever came so near.
std::optional<Estimate> RatioOf(const Needed& needed, const Needed& reference) {
  if (needed.reached + reference.reached == 0) return std::nullopt;
  return RatioOfMeans(needed.epochs, reference.epochs);
}

// Where only one side came there each time, the ratio is a bound: the other's budget is at least
// the cap.
std::string FormatRatio(const Needed& needed, const Needed& reference) {
  const std::optional<Estimate> ratio = RatioOf(needed, reference);
  if (!ratio.has_value()) return "–";
  const bool cut = needed.reached < needed.epochs.size();
  const bool reference_cut = reference.reached < reference.epochs.size();
  return absl::StrCat(cut == reference_cut ? "" : cut ? "≥ " : "≤ ", Format(*ratio, 2));
}

size_t IndexOf(const SearchQuestion& question) {
  for (size_t i = 0; i < question.contenders.size(); ++i) {
    if (question.contenders[i].name == question.reference) return i;
  }
  HV_CHECK(false) << "no contender is called " << question.reference;
  return 0;
}

std::string LongTable(const SearchQuestion& question, const std::vector<Row>& rows) {
  std::vector<std::string> columns = {"problem", "of"};
  for (const Goal& goal : kGoals) {
    columns.push_back(absl::StrCat("epochs (evaluations) to ", goal.name));
    columns.push_back("reached");
  }
  MarkdownTable table(columns);
  for (const Row& row : rows) {
    for (size_t c = 0; c < row.cells.size(); ++c) {
      std::vector<std::string> cells = {row.problem->name(), question.contenders[c].name};
      for (const Goal& goal : kGoals) {
        const Needed needed = NeededFor(row.cells[c], goal.regret);
        cells.push_back(absl::StrCat(FormatMedian(needed.epochs, needed.reached), " (",
                                     FormatMedian(needed.evaluations, needed.reached), ")"));
        cells.push_back(absl::StrCat(needed.reached, "/", needed.epochs.size()));
      }
      table.Add(cells);
    }
  }
  return table.text();
}

// The incumbents' regret when the budget is spent.
std::string RegretTable(const SearchQuestion& question, const std::vector<Row>& rows) {
  std::vector<std::string> columns = {"problem"};
  for (const Contender& contender : question.contenders) columns.push_back(contender.name);
  MarkdownTable table(columns);
  for (const Row& row : rows) {
    std::vector<std::string> cells = {row.problem->name()};
    for (const Cell& cell : row.cells) {
      std::vector<double> percents;
      for (const SearchRun& run : cell.runs) {
        percents.push_back(100 * RegretAt(run, static_cast<double>(row.cap)));
      }
      cells.push_back(Format(MeanOf(percents), 2));
    }
    table.Add(cells);
  }
  return table.text();
}

// The ratios alone.
std::string ShortTable(const SearchQuestion& question, const std::vector<Row>& rows,
                       const Goal& goal) {
  std::vector<std::string> columns = {"problem"};
  for (const Contender& contender : question.contenders) columns.push_back(contender.name);
  MarkdownTable table(columns);
  const size_t reference = IndexOf(question);
  for (const Row& row : rows) {
    std::vector<std::string> cells = {row.problem->name()};
    const Needed of_reference = NeededFor(row.cells[reference], goal.regret);
    for (size_t c = 0; c < row.cells.size(); ++c) {
      const Needed needed = NeededFor(row.cells[c], goal.regret);
      cells.push_back(c == reference ? FormatMedian(needed.epochs, needed.reached)
                                     : FormatRatio(needed, of_reference));
    }
    table.Add(cells);
  }
  return table.text();
}

std::string Verdicts(const SearchQuestion& question, const std::vector<Row>& rows,
                     const Goal& goal) {
  std::string text;
  std::string worst = "none";
  double most = 0;
  const size_t reference = IndexOf(question);
  for (const Row& row : rows) {
    const Needed of_reference = NeededFor(row.cells[reference], goal.regret);
    std::string best = "none";
    double least = 1;
    for (size_t c = 0; c < row.cells.size(); ++c) {
      if (c == reference) continue;
      const auto ratio = RatioOf(NeededFor(row.cells[c], goal.regret), of_reference);
      if (!ratio.has_value()) continue;
      if (ratio->value < least) {
        least = ratio->value;
        best = question.contenders[c].name;
      }
      if (ratio->value > most) {
        most = ratio->value;
        worst = absl::StrCat(question.contenders[c].name, " on ", row.problem->name());
      }
    }
    if (!absl::StartsWith(row.problem->name(), kAimProblems)) continue;
    absl::StrAppendFormat(&text, "- best on %s within %s: %s, %.2f; aim at most %.1f: %s\n",
                          row.problem->name(), goal.name, best, least, kAimOfBest,
                          least <= kAimOfBest ? "met" : "missed");
  }
  absl::StrAppendFormat(&text, "- worst of all within %s: %s, %.2f; aim at most %.1f: %s\n",
                        goal.name, worst, most, kAimOfWorst,
                        most <= kAimOfWorst ? "met" : "missed");
  return text;
}

ChartPanel Panel(const SearchQuestion& question, const Row& row) {
  ChartPanel panel{.title = row.problem->name()};
  const auto first = static_cast<double>(row.problem->ladder().max_epochs);
  const double last = static_cast<double>(row.cap);
  for (size_t c = 0; c < row.cells.size(); ++c) {
    ChartLine line{.name = question.contenders[c].name};
    for (size_t i = 0; i < kBudgets; ++i) {
      const double part = static_cast<double>(i) / static_cast<double>(kBudgets - 1);
      const double epochs = first * std::pow(last / first, part);
      std::vector<double> regrets;
      for (const SearchRun& run : row.cells[c].runs) regrets.push_back(RegretAt(run, epochs));
      line.points.emplace_back(epochs, Mean(regrets));
    }
    panel.lines.push_back(std::move(line));
  }
  return panel;
}

Picture Draw(const SearchQuestion& question, const std::vector<Row>& rows, size_t seeds) {
  LineChart chart{
      .title = absl::StrCat(question.title, ": regret of the incumbent over epochs spent"),
      .note = absl::StrCat("1 is the regret of the median random config; means of ", seeds,
                           " runs, each of which ends within ", std::end(kGoals)[-1].name),
      .x_label = "epochs spent by all workers",
      .y_label = "regret",
      .log_x = true,
      .log_y = true};
  for (const Contender& contender : question.contenders) chart.names.push_back(contender.name);
  for (const Row& row : rows) chart.panels.push_back(Panel(question, row));
  return {question.file, RenderLineChart(chart)};
}

std::string Explained(const SearchQuestion& question, size_t seeds, int64_t cap_rounds) {
  return absl::StrCat(
      "## ", question.title, "\n\nWhat is spent until the incumbent's final error is within ",
      kGoals[0].name, ", ", kGoals[1].name, " and ", kGoals[2].name,
      " of the optimum, in parts of what a median random config is off. ", kWorkers,
      " workers, sigma ", kTimeNoise, ", ", seeds, " seeds, at most ", cap_rounds,
      " rounds' epochs, at which runs that do not come there are counted (> and, in ratios of "
      "means to ",
      question.reference, "'s ± standard error, ≤ and ≥).\n\n");
}

}  // namespace

std::vector<Contender> ContendersOf(const std::vector<SearcherChoice>& searchers) {
  std::vector<Contender> contenders;
  for (const SearcherChoice& searcher : searchers) {
    contenders.push_back({.name = searcher.name, .searcher = searcher.kind});
  }
  return contenders;
}

std::vector<Contender> ContendersOf(const std::vector<PolicyChoice>& policies) {
  std::vector<Contender> contenders;
  for (const PolicyChoice& policy : policies) {
    contenders.push_back({.name = policy.name, .policy = policy});
  }
  return contenders;
}

absl::StatusOr<SearchRun> RunSearch(const Problem& problem, const Contender& contender, double goal,
                                    int64_t max_epochs_spent, uint64_t seed) {
  SearchRun run;
  TrialId incumbent = 0;
  const WorkloadOptions options = {
      .spec = {.parameters = problem.parameters(),
               .halving = problem.ladder(),
               .policy = contender.policy.kind,
               .searcher = contender.searcher,
               .seed = seed},
      .strict = contender.policy.strict,
      .workers = kWorkers,
      .time_noise = kTimeNoise,
      .max_epochs_spent = max_epochs_spent,
      .error = [&problem](const Config& config, int64_t epochs,
                          uint64_t of) { return problem.Error(config, epochs, of); },
      .on_result =
          [&](const Evaluation& evaluation, const Study& study) {
            run.total = {.epochs = static_cast<double>(evaluation.epochs_spent),
                         .evaluations = run.total.evaluations + 1};
            const Trial* best = study.Best();
            if (best == nullptr || best->id == incumbent) return true;
            incumbent = best->id;
            const double regret = problem.Regret(best->config);
            run.steps.push_back({.spent = run.total, .regret = regret});
            return regret > goal;
          }};
  HV_RETURN_IF_ERROR(RunWorkload(options).status());
  return run;
}

std::optional<Spent> SpentUntil(const SearchRun& run, double goal) {
  for (const RegretStep& step : run.steps) {
    if (step.regret <= goal) return step.spent;
  }
  return std::nullopt;
}

double RegretAt(const SearchRun& run, double epochs) {
  double regret = 1;
  for (const RegretStep& step : run.steps) {
    if (step.spent.epochs > epochs) break;
    regret = step.regret;
  }
  return regret;
}

absl::StatusOr<Findings> SearchExperiment(const ExperimentOptions& options,
                                          const SearchQuestion& question,
                                          const std::vector<const Problem*>& problems) {
  const auto seeds = static_cast<size_t>(options.seeds > 0 ? options.seeds
                                         : options.quick   ? kQuickSeeds
                                                           : kSeeds);
  HV_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                      RunAll(options, question.contenders, problems, seeds));
  Findings findings;
  std::string& text = findings.markdown;
  text = Explained(question, seeds, CapRounds(options));
  for (const Goal& goal : kGoals) {
    absl::StrAppend(&text, "Within ", goal.name, "; ", question.reference,
                    ": median epochs, others: ratio to it:\n\n", ShortTable(question, rows, goal),
                    "\n");
  }
  absl::StrAppend(&text, "Regret when the budget is spent, in % of a median random config's:\n\n",
                  RegretTable(question, rows), "\nIn full, medians:\n\n", LongTable(question, rows),
                  "\n");
  if (question.has_aims && question.contenders.size() > 1) {
    for (const Goal& goal : kGoals) text += Verdicts(question, rows, goal);
    text += "\n";
  }
  findings.pictures.push_back(Draw(question, rows, seeds));
  return findings;
}

}  // namespace halving
