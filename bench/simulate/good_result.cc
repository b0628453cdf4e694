#include "bench/simulate/good_result.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/simulate/line_chart.h"
#include "bench/simulate/parallel.h"
#include "bench/simulate/problems.h"
#include "bench/simulate/statistics.h"
#include "bench/simulate/workload.h"
#include "common/status.h"

namespace halving {
namespace {

constexpr int kSeeds = 200;
constexpr int kQuickSeeds = 10;
constexpr double kTimeNoise = 0.24;
constexpr double kGoodShare = 0.01;
constexpr size_t kConfigs = 100'000;
constexpr double kLongest = 20'000;  // Units of time, after which it is given up.

// What is aimed at with so many workers: the default's time over that of strict and ASHA.
struct Aim {
  int workers;
  double of_strict;
  double of_asha;
};
constexpr Aim kAims[] = {{8, 0.65, 1.25}, {32, 0.40, 1.20}, {128, 0.22, 1.12}};
constexpr int64_t kMostCheckpoints = 130;

// One policy with so many workers, over all seeds.
struct Column {
  std::vector<double> times;
  size_t given_up = 0;
  std::vector<double> mean_checkpoints;
  int64_t most_checkpoints = 0;
  int64_t most_resting_checkpoints = 0;
};
using Columns = std::vector<Column>;  // By policy.

absl::StatusOr<Columns> RunAll(const ExperimentOptions& options, const GoodResultSetup& setup,
                               const std::vector<PolicyChoice>& policies, size_t seeds) {
  const auto results = ParallelMap<absl::StatusOr<GoodResult>>(
      policies.size() * seeds, options.threads,
      [&](size_t i) { return TimeToGoodResult(setup, policies[i / seeds], i % seeds + 1); });
  Columns columns(policies.size());
  for (size_t i = 0; i < results.size(); ++i) {
    HV_RETURN_IF_ERROR(results[i].status());
    Column& column = columns[i / seeds];
    column.times.push_back(results[i]->time);
    if (!results[i]->found) ++column.given_up;
    column.mean_checkpoints.push_back(results[i]->mean_checkpoints);
    column.most_checkpoints = std::max(column.most_checkpoints, results[i]->most_checkpoints);
    column.most_resting_checkpoints =
        std::max(column.most_resting_checkpoints, results[i]->most_resting_checkpoints);
  }
  return columns;
}

const Column* Find(const std::vector<PolicyChoice>& policies, const Columns& columns,
                   const std::string& name) {
  for (size_t i = 0; i < policies.size(); ++i) {
    if (policies[i].name == name) return &columns[i];
  }
  return nullptr;
}

std::string RatioTo(const Column& column, const Column* reference) {
  return reference == nullptr ? "" : Format(RatioOfMeans(column.times, reference->times), 3);
}

void AddRows(const std::string& problem, const Aim& aim, const std::vector<PolicyChoice>& policies,
             const Columns& columns, MarkdownTable* table) {
  for (size_t i = 0; i < policies.size(); ++i) {
    const Column& column = columns[i];
    table->Add({problem, absl::StrCat(aim.workers), policies[i].name,
                absl::StrCat(column.given_up > 0 ? "> " : "", Format(MeanOf(column.times), 1)),
                FormatCount(Median(column.times)),
                RatioTo(column, Find(policies, columns, kStrict)),
                RatioTo(column, Find(policies, columns, kAsha)),
                FormatCount(Mean(column.mean_checkpoints)), absl::StrCat(column.most_checkpoints),
                absl::StrCat(column.most_resting_checkpoints)});
  }
}

std::string Judged(const std::string& what, double value, double most) {
  return absl::StrFormat("- %s: %.3f, aim at most %.2f: %s\n", what, value, most,
                         value <= most ? "met" : "missed");
}

std::string Verdicts(const std::string& problem, const Aim& aim,
                     const std::vector<PolicyChoice>& policies, const Columns& columns) {
  const Column* ours = Find(policies, columns, kDefault);
  const Column* strict = Find(policies, columns, kStrict);
  const Column* asha = Find(policies, columns, kAsha);
  if (ours == nullptr) return "";
  std::string text;
  const std::string with = absl::StrCat(", ", problem, ", ", aim.workers, " workers");
  if (strict != nullptr) {
    text += Judged("default / strict" + with, RatioOfMeans(ours->times, strict->times).value,
                   aim.of_strict);
  }
  if (asha != nullptr) {
    text +=
        Judged("default / ASHA" + with, RatioOfMeans(ours->times, asha->times).value, aim.of_asha);
  }
  const auto judge = [&](const char* which, int64_t most) {
    absl::StrAppend(&text, "- most checkpoints of default", which, with, ": ", most,
                    ", aim at most ", kMostCheckpoints, ": ",
                    most <= kMostCheckpoints ? "met" : "missed", "\n");
  };
  judge(", with those that running jobs began from", ours->most_checkpoints);
  judge(", without", ours->most_resting_checkpoints);
  return text;
}

// What has been found so far.
struct Collected {
  MarkdownTable table{{"curves", "workers", "policy", "mean time", "median", "of strict", "of ASHA",
                       "checkpoints", "most", "most resting"}};
  std::string verdicts;
  LineChart chart;
};

absl::Status Collect(const ExperimentOptions& options, const Problem& problem,
                     const std::vector<PolicyChoice>& policies, size_t seeds,
                     Collected* collected) {
  GoodResultSetup setup{.problem = &problem, .good_error = GoodError(problem, kGoodShare)};
  ChartPanel panel{.title = problem.name()};
  for (const PolicyChoice& policy : policies) panel.lines.push_back({.name = policy.name});
  for (const Aim& aim : kAims) {
    setup.workers = aim.workers;
    HV_ASSIGN_OR_RETURN(const Columns columns, RunAll(options, setup, policies, seeds));
    AddRows(problem.name(), aim, policies, columns, &collected->table);
    collected->verdicts += Verdicts(problem.name(), aim, policies, columns);
    for (size_t i = 0; i < policies.size(); ++i) {
      panel.lines[i].points.emplace_back(aim.workers, Mean(columns[i].times));
    }
  }
  collected->chart.panels.push_back(std::move(panel));
  return absl::OkStatus();
}

}  // namespace

double GoodError(const Problem& problem, double share) {
  return Quantile(RandomFinalErrors(problem, kConfigs), share);
}

absl::StatusOr<GoodResult> TimeToGoodResult(const GoodResultSetup& setup,
                                            const PolicyChoice& policy, uint64_t seed) {
  const Problem& problem = *setup.problem;
  const int64_t max_epochs = problem.ladder().max_epochs;
  const WorkloadOptions options = {
      .spec = {.parameters = problem.parameters(),
               .halving = problem.ladder(),
               .policy = policy.kind,
               .seed = seed},
      .strict = policy.strict,
      .workers = setup.workers,
      .time_noise = setup.time_noise,
      .max_time = kLongest,
      .error = [&problem](const Config& config, int64_t epochs,
                          uint64_t of) { return problem.Error(config, epochs, of); },
      .on_result =
          [&](const Evaluation& evaluation, const Study& study) {
            const Config& config = study.FindTrial(evaluation.trial)->config;
            return evaluation.epochs < max_epochs || problem.FinalError(config) > setup.good_error;
          }};
  HV_ASSIGN_OR_RETURN(const WorkloadResult result, RunWorkload(options));
  return GoodResult{.found = result.end_time < kLongest,
                    .time = result.end_time,
                    .mean_checkpoints = result.mean_checkpoints,
                    .most_checkpoints = result.most_checkpoints,
                    .most_resting_checkpoints = result.most_resting_checkpoints};
}

absl::StatusOr<Findings> GoodResultExperiment(const ExperimentOptions& options,
                                              const std::vector<PolicyChoice>& policies) {
  const auto seeds = static_cast<size_t>(options.seeds > 0 ? options.seeds
                                         : options.quick   ? kQuickSeeds
                                                           : kSeeds);
  Collected collected;
  LineChart& chart = collected.chart;
  chart = {.title = "Time to a good result",
           .note = absl::StrCat("Until a config of the best 1% has reported at the top; sigma ",
                                kTimeNoise, "; means of ", seeds, " runs"),
           .x_label = "workers",
           .y_label = "units of time",
           .log_x = true,
           .log_y = true};
  for (const PolicyChoice& policy : policies) chart.names.push_back(policy.name);
  for (const auto& problem : PowerLawProblems()) {
    HV_RETURN_IF_ERROR(Collect(options, *problem, policies, seeds, &collected));
  }
  Findings findings;
  findings.markdown = absl::StrCat(
      "## Time to a good result\n\nUntil a trial whose config is among the best 1% has reported at "
      "the top, 81 epochs, in units of time (an epoch without noise); sigma ",
      kTimeNoise, ", ", seeds,
      " seeds; mean ± standard error. Checkpoints held: mean over the "
      "time, and the most at once in any run.\n\n",
      collected.table.text(), "\n", collected.verdicts, "\n");
  findings.pictures.push_back({"good-result.svg", RenderLineChart(chart)});
  return findings;
}

}  // namespace halving
