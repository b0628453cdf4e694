// What an ask costs the engine's thread in a study with many finished trials, for every searcher.
//
//   ask_cost [TRIALS...]     1000 and 100000 unless said
//
// Prints, for each searcher and number of trials, the median and the 99th percentile of an ask that
// samples a new trial, in microseconds, and the cost of a report beside it.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/check.h"
#include "common/random.h"
#include "server/core/scheduler.h"

namespace halving {
namespace {

constexpr int kMeasured = 400;

struct Named {
  const char* name;
  SearcherKind kind;
};
constexpr Named kSearchers[] = {{"random", SearcherKind::kRandom},
                                {"Sobol", SearcherKind::kSobol},
                                {"perturb", SearcherKind::kPerturb},
                                {"TPE", SearcherKind::kTpe},
                                {"GP", SearcherKind::kGp}};

// Six parameters, one rung: every result is one that the searcher must look at.
StudySpec SpecOf(SearcherKind searcher) {
  StudySpec spec = {.name = "s",
                    .objective = "none",
                    .halving = {.min_epochs = 1, .max_epochs = 1, .eta = 2},
                    .searcher = searcher,
                    .limits = {.max_evaluations = 10'000'000},
                    .seed = 1};
  for (int i = 0; i < 6; ++i) spec.parameters.push_back({absl::StrCat("x", i), FloatRange{0, 1}});
  return spec;
}

double MicrosecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
      .count();
}

class Measured {
 public:
  explicit Measured(SearcherKind searcher) { Do(CreateStudy{.spec = SpecOf(searcher)}); }

  // One trial from its ask to its result.
  void Step() {
    const auto asked = std::chrono::steady_clock::now();
    const Answer answer = Do(Ask{.worker = "w", .request_id = absl::StrCat(++asks_)});
    ask_us_.push_back(MicrosecondsSince(asked));
    const LeaseKey lease = answer.assignment.value().lease;
    const double error = UnitInterval(MixBits(static_cast<uint64_t>(lease.trial)));
    const auto reported = std::chrono::steady_clock::now();
    Do(Report{.lease = lease, .outcome = Completed{.error = error}});
    report_us_.push_back(MicrosecondsSince(reported));
  }

  void Forget() {
    ask_us_.clear();
    report_us_.clear();
  }

  std::vector<double> ask_us_;
  std::vector<double> report_us_;

 private:
  Answer Do(const Command& command) {
    std::vector<Event> events;
    absl::StatusOr<Answer> answer = scheduler_.Execute(command, now_, &events);
    HV_CHECK(answer.ok()) << answer.status();
    return *std::move(answer);
  }

  Scheduler scheduler_;
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  int64_t asks_ = 0;
};

double Quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
}

void Measure(const Named& searcher, const std::vector<int64_t>& sizes) {
  Measured study(searcher.kind);
  int64_t trials = 0;
  double first = 0;
  for (const int64_t size : sizes) {
    for (; trials < size; ++trials) study.Step();
    study.Forget();
    for (int i = 0; i < kMeasured; ++i, ++trials) study.Step();
    const double median = Quantile(study.ask_us_, 0.5);
    if (first == 0) first = median;
    std::cout << absl::StrFormat("| %s | %d | %.1f | %.1f | %.2f | %.1f |\n", searcher.name, size,
                                 median, Quantile(study.ask_us_, 0.99), median / first,
                                 Quantile(study.report_us_, 0.5));
  }
}

int Run(int argc, char** argv) {
  std::vector<int64_t> sizes;
  for (int i = 1; i < argc; ++i) {
    int64_t size = 0;
    const char* end = argv[i] + std::strlen(argv[i]);
    const auto [at, error] = std::from_chars(argv[i], end, size);
    if (error != std::errc() || at != end || size < 1 || (!sizes.empty() && size <= sizes.back())) {
      std::cerr << "ask_cost: " << argv[i]
                << " is no number of trials; give numbers from 1 that grow\n";
      return 2;
    }
    sizes.push_back(size);
  }
  if (sizes.empty()) sizes = {1'000, 100'000};
  std::cout << "| searcher | finished trials | ask, median us | 99th percentile | of the first | "
               "report, median us |\n| --- | --- | --- | --- | --- | --- |\n";
  for (const Named& searcher : kSearchers) Measure(searcher, sizes);
  return 0;
}

}  // namespace
}  // namespace halving

int main(int argc, char** argv) { return halving::Run(argc, argv); }
