// halving_simulate: which policy and which searcher to choose, by the scheduler core in virtual
// time. ../README.md says what its tables mean.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "bench/simulate/findings.h"
#include "bench/simulate/good_result.h"
#include "bench/simulate/kinds.h"
#include "bench/simulate/problems.h"
#include "bench/simulate/search.h"
#include "bench/simulate/straggler.h"
#include "bench/simulate/table_problem.h"
#include "common/status.h"

namespace halving {
namespace {

constexpr int kUsageError = 2;
constexpr char kAll[] = "all";
constexpr char kStraggler[] = "straggler";
constexpr char kGoodResult[] = "good-result";
constexpr char kSearchers[] = "searchers";
constexpr char kPolicies[] = "policies";
constexpr char kTableProblem[] = "lenet-table";

struct Flags {
  std::string experiment = kAll;
  ExperimentOptions options;
  std::string out;
  std::string table = HALVING_LENET_CURVES;
  std::vector<std::string> problems;
};

using Problems = std::vector<std::unique_ptr<const Problem>>;

// All but the recorded table, when nobody asked for it and it is not there.
absl::StatusOr<Problems> AllProblems(const Flags& flags) {
  Problems problems = AnalyticProblems();
  for (auto& problem : CurveProblems()) problems.push_back(std::move(problem));
  absl::StatusOr<std::unique_ptr<const Problem>> table =
      ReadTableProblem(kTableProblem, flags.table);
  const bool wanted = std::find(flags.problems.begin(), flags.problems.end(), kTableProblem) !=
                          flags.problems.end() ||
                      flags.table != HALVING_LENET_CURVES;
  if (table.ok()) {
    problems.push_back(*std::move(table));
  } else if (wanted || !absl::IsNotFound(table.status())) {
    return table.status();
  } else {
    std::cout << "Skipped problem " << kTableProblem << ": there is no recorded table\n";
  }
  return problems;
}

absl::StatusOr<std::vector<const Problem*>> Chosen(const Problems& problems,
                                                   const std::vector<std::string>& names) {
  std::vector<const Problem*> chosen;
  std::vector<std::string> known;
  for (const auto& problem : problems) {
    known.push_back(problem->name());
    if (names.empty() || std::find(names.begin(), names.end(), problem->name()) != names.end()) {
      chosen.push_back(problem.get());
    }
  }
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("--problems names \"", name, "\"; there are ", absl::StrJoin(known, ", ")));
  }
  return chosen;
}

absl::Status WriteFile(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
  file.close();
  if (file) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("cannot write ", path, ": ", std::strerror(errno)));
}

absl::Status Show(const absl::StatusOr<Findings>& findings, const std::string& out) {
  HV_RETURN_IF_ERROR(findings.status());
  std::cout << findings->markdown << std::flush;
  if (out.empty()) return absl::OkStatus();
  std::error_code error;
  std::filesystem::create_directories(out, error);
  for (const Picture& picture : findings->pictures) {
    HV_RETURN_IF_ERROR(WriteFile(absl::StrCat(out, "/", picture.file), picture.svg));
  }
  return absl::OkStatus();
}

absl::Status Search(const Flags& flags, bool searchers, const std::vector<Contender>& contenders) {
  HV_ASSIGN_OR_RETURN(const Problems all, AllProblems(flags));
  HV_ASSIGN_OR_RETURN(const std::vector<const Problem*> problems, Chosen(all, flags.problems));
  const SearchQuestion question{.title = searchers ? "Searchers" : "Policies",
                                .file = searchers ? "searchers.svg" : "policies.svg",
                                .contenders = contenders,
                                .reference = searchers ? kRandom : kDefault,
                                .has_aims = searchers};
  return Show(SearchExperiment(flags.options, question, problems), flags.out);
}

absl::Status Run(const Flags& flags) {
  const auto wanted = [&](const std::string& name) {
    return flags.experiment == kAll || flags.experiment == name;
  };
  const std::vector<PolicyChoice>& policies = AllPolicies();
  const std::vector<SearcherChoice>& searchers = AllSearchers();
  if (wanted(kStraggler)) {
    HV_RETURN_IF_ERROR(Show(StragglerExperiment(flags.options, policies), flags.out));
  }
  if (wanted(kGoodResult)) {
    HV_RETURN_IF_ERROR(Show(GoodResultExperiment(flags.options, policies), flags.out));
  }
  if (wanted(kSearchers)) HV_RETURN_IF_ERROR(Search(flags, true, ContendersOf(searchers)));
  if (wanted(kPolicies)) HV_RETURN_IF_ERROR(Search(flags, false, ContendersOf(policies)));
  return absl::OkStatus();
}

void AddFlags(CLI::App* app, Flags* flags) {
  app->add_option("--experiment", flags->experiment, "What to find out")
      ->check(CLI::IsMember({kAll, kStraggler, kGoodResult, kSearchers, kPolicies}))
      ->capture_default_str();
  app->add_option("--seeds", flags->options.seeds, "Runs of each kind [what the aims need]")
      ->check(CLI::Range(1, 1'000'000));
  app->add_option("--threads", flags->options.threads, "At a time; results do not depend on it")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app->add_option("--out", flags->out, "Folder for the pictures [none are written]")
      ->type_name("FOLDER");
  app->add_option("--table", flags->table, "Recorded curves, from bench/record_curves.py")
      ->type_name("CSV")
      ->capture_default_str();
  app->add_option("--problems", flags->problems, "Of searchers and policies, by commas [all]")
      ->delimiter(',')
      ->type_name("NAME,...");
  app->add_option("--rounds", flags->options.rounds,
                  "Of the ladder, that a search of searchers and policies may cost [40]")
      ->check(CLI::Range(1, 100'000));
  app->add_flag("--quick", flags->options.quick, "Only show that it runs");
}

int Main(int argc, const char* const* argv) {
  Flags flags;
  flags.options.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  try {
    CLI::App app("Compares policies and searchers on the scheduler core, in virtual time.",
                 "halving_simulate");
    AddFlags(&app, &flags);
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return app.exit(error) == 0 ? 0 : kUsageError;
    }
  } catch (const std::exception& error) {
    std::cerr << "halving_simulate: " << error.what() << "\n";
    return kUsageError;
  }
  const absl::Status status = Run(flags);
  if (status.ok()) return 0;
  std::cerr << "halving_simulate: " << status.message() << "\n";
  return absl::IsInvalidArgument(status) ? kUsageError : 1;
}

}  // namespace
}  // namespace halving

int main(int argc, char** argv) { return halving::Main(argc, argv); }
