#include "bench/simulate/straggler.h"

#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/simulate/line_chart.h"
#include "bench/simulate/parallel.h"
#include "bench/simulate/statistics.h"
#include "common/status.h"

namespace halving {
namespace {

constexpr double kTimeNoises[] = {0.10, 0.24, 0.56, 1.33};
constexpr double kLosses[] = {0, 0.001, 0.003, 0.01};
constexpr int kWorkers = 25;
constexpr double kTime = 2000;
constexpr int kSeeds = 20;

// Which config is better does not matter here, only that it stays so.
double ErrorOf(const Config& config, int64_t epochs, uint64_t) {
  return config[0] + std::pow(static_cast<double>(epochs), -0.5);
}

// One policy in one cell, over all seeds.
struct Column {
  std::vector<double> busy;
  std::vector<double> trained;
};

struct Case {
  StragglerCell cell;
  bool checkpoints = false;
  PolicyChoice policy;
};

std::vector<Case> AllCases(const std::vector<PolicyChoice>& policies) {
  std::vector<Case> cases;
  for (const bool checkpoints : {true, false}) {
    for (const StragglerCell& cell : StragglerCells()) {
      for (const PolicyChoice& policy : policies) cases.push_back({cell, checkpoints, policy});
    }
  }
  return cases;
}

absl::StatusOr<std::vector<Column>> RunAll(const ExperimentOptions& options,
                                           const std::vector<Case>& cases, size_t seeds) {
  const auto results = ParallelMap<absl::StatusOr<WorkloadResult>>(
      cases.size() * seeds, options.threads, [&](size_t i) {
        const Case& c = cases[i / seeds];
        absl::StatusOr<WorkloadResult> result =
            RunWorkload(StragglerRun(c.policy, c.cell, c.checkpoints, i % seeds + 1));
        if (result.ok()) result->evaluations.clear();  // Millions over all runs.
        return result;
      });
  std::vector<Column> columns(cases.size());
  for (size_t i = 0; i < results.size(); ++i) {
    HV_RETURN_IF_ERROR(results[i].status());
    columns[i / seeds].busy.push_back(results[i]->busy_share);
    columns[i / seeds].trained.push_back(static_cast<double>(results[i]->trained_fully));
  }
  return columns;
}

std::string Table(const std::vector<Case>& cases, const std::vector<Column>& columns,
                  size_t policies, size_t begin) {
  std::vector<std::string> names = {"sigma", "loss"};
  for (size_t p = 0; p < policies; ++p) {
    names.push_back(absl::StrCat(cases[p].policy.name, ": busy"));
    names.push_back("trained");
  }
  MarkdownTable table(names);
  for (size_t row = begin; row < begin + cases.size() / 2; row += policies) {
    const StragglerCell& cell = cases[row].cell;
    std::vector<std::string> cells = {absl::StrFormat("%.2f", cell.time_noise),
                                      absl::StrFormat("%g", cell.loss)};
    for (size_t i = row; i < row + policies; ++i) {
      cells.push_back(Format(MeanOf(columns[i].busy), 3));
      cells.push_back(Format(MeanOf(columns[i].trained), 1));
    }
    table.Add(cells);
  }
  return table.text();
}

// A panel for each loss: trials trained to the end over sigma.
Picture Draw(const std::vector<Case>& cases, const std::vector<Column>& columns, size_t policies,
             size_t seeds) {
  LineChart chart{.title = "Trials trained to the end, with stragglers and lost jobs",
                  .note = absl::StrCat("25 workers, 2000 units of time, 1 to 256 epochs, eta 4, "
                                       "with checkpoints; means of ",
                                       seeds, " runs"),
                  .x_label = "sigma of the job time",
                  .y_label = "trials at 256 epochs",
                  .shared_y = true};
  for (size_t p = 0; p < policies; ++p) chart.names.push_back(cases[p].policy.name);
  for (const double loss : kLosses) {
    ChartPanel panel{.title = absl::StrFormat("loss %g per unit", loss)};
    for (const std::string& name : chart.names) panel.lines.push_back({.name = name});
    for (size_t i = 0; i < cases.size() / 2; ++i) {
      if (cases[i].cell.loss != loss) continue;
      panel.lines[i % policies].points.emplace_back(cases[i].cell.time_noise,
                                                    Mean(columns[i].trained));
    }
    chart.panels.push_back(std::move(panel));
  }
  return {"straggler.svg", RenderLineChart(chart)};
}

// What was aimed at: every policy but the strict one keeps all workers busy.
std::string Verdict(const std::vector<Case>& cases, const std::vector<Column>& columns) {
  double least = 1;
  std::string where = "nowhere";
  for (size_t i = 0; i < cases.size(); ++i) {
    if (cases[i].policy.strict || Mean(columns[i].busy) >= least) continue;
    least = Mean(columns[i].busy);
    where = absl::StrFormat("%s, sigma %.2f, loss %g", cases[i].policy.name,
                            cases[i].cell.time_noise, cases[i].cell.loss);
  }
  return absl::StrFormat("Least busy of all but strict: %.4f (%s); the aim is 0.99: %s.\n", least,
                         where, least >= 0.99 ? "met" : "missed");
}

}  // namespace

std::vector<StragglerCell> StragglerCells() {
  std::vector<StragglerCell> cells;
  for (const double time_noise : kTimeNoises) {
    for (const double loss : kLosses) cells.push_back({time_noise, loss});
  }
  return cells;
}

WorkloadOptions StragglerRun(const PolicyChoice& policy, const StragglerCell& cell,
                             bool checkpoints, uint64_t seed) {
  return {.spec = {.parameters = {{"x", FloatRange{0, 1}}},
                   .halving = {.min_epochs = 1, .max_epochs = 256, .eta = 4},
                   .policy = policy.kind,
                   .seed = seed},
          .strict = policy.strict,
          .workers = kWorkers,
          .time_noise = cell.time_noise,
          .loss = cell.loss,
          .checkpoints = checkpoints,
          .max_time = kTime,
          .error = ErrorOf};
}

absl::StatusOr<Findings> StragglerExperiment(const ExperimentOptions& options,
                                             const std::vector<PolicyChoice>& policies) {
  const auto seeds = static_cast<size_t>(options.seeds > 0 ? options.seeds
                                         : options.quick   ? 1
                                                           : kSeeds);
  const std::vector<Case> cases = AllCases(policies);
  HV_ASSIGN_OR_RETURN(const std::vector<Column> columns, RunAll(options, cases, seeds));
  Findings findings;
  absl::StrAppend(&findings.markdown, "## Stragglers and lost jobs\n\n", kWorkers, " workers, ",
                  kTime, " units of time, ladder 1 to 256 epochs, eta 4; mean ± standard error of ",
                  seeds, " seeds.\n\nWith checkpoints:\n\n",
                  Table(cases, columns, policies.size(), 0), "\nFrom scratch at each rung:\n\n",
                  Table(cases, columns, policies.size(), cases.size() / 2), "\n",
                  Verdict(cases, columns), "\n");
  findings.pictures.push_back(Draw(cases, columns, policies.size(), seeds));
  return findings;
}

}  // namespace halving
