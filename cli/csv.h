// Results as comma-separated values, for spreadsheets and data frames.
#ifndef HALVING_CLI_CSV_H_
#define HALVING_CLI_CSV_H_

#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "halving/v1/study.pb.h"

namespace halving {

// A field as RFC 4180 wants it: in quotes where it holds a comma, a quote or a line end.
std::string CsvField(absl::string_view text);

// The columns of a study's results, and its rows. First Note() all trials, then write them: the
// metrics' names are not known before.
//
// Columns: trial, round, state, epochs, error, from_epoch, train_seconds, worker, end_time (RFC
// 3339, UTC), study_epochs, then the parameters in the study's order, then the metrics by name. A
// parameter or metric whose column name is taken gets "config." or "metrics." before it. Numbers
// are exact; lines end in \n.
//
// Thread-compatible: one command writes.
class ResultsTable {
 public:
  explicit ResultsTable(const v1::Study& study);

  void Note(const v1::Trial& trial);

  // Whether there is a column for all that the trial has.
  bool Covers(const v1::Trial& trial) const;

  std::string Header() const;
  // One for each result: a trial without a result has no row.
  std::string Rows(const v1::Trial& trial) const;

 private:
  bool IsParameter(const std::string& name) const;

  std::vector<std::string> parameters_;
  std::set<std::string> others_;  // Parameters that only a config knows.
  std::set<std::string> metrics_;
};

// Header and rows.
std::string ResultsCsv(const v1::Study& study, const std::vector<v1::Trial>& trials);

}  // namespace halving

#endif  // HALVING_CLI_CSV_H_
