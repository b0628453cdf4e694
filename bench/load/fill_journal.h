// Journals of studies that have had many trials.
#ifndef HALVING_BENCH_LOAD_FILL_JOURNAL_H_
#define HALVING_BENCH_LOAD_FILL_JOURNAL_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace halving {

struct FillPlan {
  int64_t studies = 1;
  int64_t trials = 1'000;  // In all of them together.
  bool ended = false;      // The studies were stopped; else they are running.
};

// What was written.
struct Filled {
  int64_t evaluations = 0;
  int64_t events = 0;
};

// Makes a data directory whose studies are LoadStudy("study-1") and so on, with trials that have
// finished: by the real scheduler, without a server.
absl::StatusOr<Filled> FillJournal(const std::string& data_dir, const FillPlan& plan);

// How long it takes to read each row of that journal with a bare loop of SQLite.
absl::StatusOr<absl::Duration> ReadEveryRow(const std::string& data_dir);

}  // namespace halving

#endif  // HALVING_BENCH_LOAD_FILL_JOURNAL_H_
