// Results as comma-separated values, for spreadsheets and data frames.
#ifndef HALVING_CLI_CSV_H_
#define HALVING_CLI_CSV_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "halving/v1/study.pb.h"

namespace halving {

// A field as RFC 4180 wants it: in quotes where it holds a comma, a quote or a line end.
std::string CsvField(absl::string_view text);

// One row for each result of each trial, after a row of column names: trial, round, state, epochs,
// error, from_epoch, train_seconds, worker, end_time (RFC 3339, UTC), study_epochs, then the
// parameters in the study's order, then the metrics by name. A parameter or metric whose column
// name is taken gets "config." or "metrics." before it. Numbers are exact; lines end in \n. Trials
// without a result have no row.
std::string ResultsCsv(const v1::Study& study, const std::vector<v1::Trial>& trials);

}  // namespace halving

#endif  // HALVING_CLI_CSV_H_
