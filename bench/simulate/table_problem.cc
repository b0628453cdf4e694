#include "bench/simulate/table_problem.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status.h"

namespace halving {
namespace {

constexpr int64_t kMaxPlace = 9999;
constexpr int64_t kMaxConfigs = 1'000'000;
constexpr int64_t kEta = 3;

template <typename... Parts>
absl::Status Invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

struct Table {
  std::vector<std::string> names;
  size_t epochs = 0;
  // Of each config.
  std::vector<std::string> where;
  std::vector<std::vector<int64_t>> places;
  std::vector<std::vector<double>> errors;
};

absl::Status ReadHeader(absl::string_view line, const std::string& where, Table* table) {
  for (const absl::string_view field : absl::StrSplit(line, ',')) {
    const bool is_epoch = !field.empty() && absl::ascii_isdigit(field[0]);
    if (!is_epoch && table->epochs == 0 && !field.empty()) {
      table->names.emplace_back(field);
    } else if (is_epoch && field == absl::StrCat(table->epochs + 1)) {
      ++table->epochs;
    } else {
      return Invalid(where, ":1: column \"", field, "\" after ", table->names.size(),
                     " parameters and ", table->epochs,
                     " epochs; need the names of the parameters, then 1, 2, 3, ...");
    }
  }
  if (table->names.empty() || table->epochs == 0) {
    return Invalid(where, ":1: ", table->names.size(), " parameters and ", table->epochs,
                   " epochs; need at least one of each");
  }
  return absl::OkStatus();
}

absl::Status ReadLine(absl::string_view line, const std::string& at, Table* table) {
  const std::vector<absl::string_view> fields = absl::StrSplit(line, ',');
  const size_t parameters = table->names.size();
  if (fields.size() != parameters + table->epochs) {
    return Invalid(at, ": ", fields.size(), " fields; the first line has ",
                   parameters + table->epochs);
  }
  std::vector<int64_t> places(parameters);
  for (size_t i = 0; i < parameters; ++i) {
    if (absl::SimpleAtoi(fields[i], &places[i]) && places[i] >= 0 && places[i] <= kMaxPlace) {
      continue;
    }
    return Invalid(at, ": ", table->names[i], " is \"", fields[i],
                   "\"; need the place of its value, 0 to ", kMaxPlace);
  }
  std::vector<double> errors(table->epochs);
  for (size_t i = 0; i < errors.size(); ++i) {
    const absl::string_view field = fields[parameters + i];
    if (absl::SimpleAtod(field, &errors[i])) continue;
    return Invalid(at, ": the error after epoch ", i + 1, " is \"", field,
                   "\"; need a number or nan");
  }
  table->where.push_back(at);
  table->places.push_back(std::move(places));
  table->errors.push_back(std::move(errors));
  return absl::OkStatus();
}

absl::StatusOr<Table> ReadTable(absl::string_view csv, const std::string& where) {
  Table table;
  size_t number = 0;
  for (absl::string_view line : absl::StrSplit(csv, '\n')) {
    ++number;
    line = absl::StripTrailingAsciiWhitespace(line);
    if (number == 1) {
      HV_RETURN_IF_ERROR(ReadHeader(line, where, &table));
    } else if (!line.empty()) {
      HV_RETURN_IF_ERROR(ReadLine(line, absl::StrCat(where, ":", number), &table));
    }
  }
  if (table.places.empty()) return Invalid(where, ": no line with errors after the names");
  return table;
}

// How many values each parameter has.
absl::StatusOr<std::vector<int64_t>> GridSizes(const Table& table, const std::string& where) {
  std::vector<int64_t> sizes(table.names.size(), 1);
  for (const std::vector<int64_t>& places : table.places) {
    for (size_t i = 0; i < sizes.size(); ++i) sizes[i] = std::max(sizes[i], places[i] + 1);
  }
  int64_t configs = 1;
  for (const int64_t size : sizes) {
    if (size > kMaxConfigs / configs) return Invalid(where, ": a grid of over ", kMaxConfigs);
    configs *= size;
  }
  if (configs != static_cast<int64_t>(table.places.size())) {
    return Invalid(where, ": ", table.places.size(), " configs; the grid that they span has ",
                   configs, ", and each must be there once");
  }
  return sizes;
}

size_t IndexOf(const std::vector<int64_t>& sizes, const Config& places) {
  int64_t index = 0;
  for (size_t i = 0; i < sizes.size(); ++i) index = index * sizes[i] + std::llround(places[i]);
  return static_cast<size_t>(index);
}

// Looks errors up. Immutable.
class TableProblem : public Problem {
 public:
  // `errors`: by IndexOf().
  TableProblem(ProblemFacts facts, std::vector<int64_t> sizes,
               std::vector<std::vector<double>> errors)
      : Problem(std::move(facts)), sizes_(std::move(sizes)), errors_(std::move(errors)) {
    Finish();
  }

  double Error(const Config& config, int64_t epochs, uint64_t) const override {
    return errors_[IndexOf(sizes_, config)][static_cast<size_t>(epochs) - 1];
  }

 private:
  const std::vector<int64_t> sizes_;
  const std::vector<std::vector<double>> errors_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<const Problem>> ParseTableProblem(const std::string& name,
                                                                 absl::string_view csv,
                                                                 const std::string& where) {
  HV_ASSIGN_OR_RETURN(const Table table, ReadTable(csv, where));
  HV_ASSIGN_OR_RETURN(std::vector<int64_t> sizes, GridSizes(table, where));
  ProblemFacts facts{
      .name = name,
      .ladder = {.min_epochs = 1, .max_epochs = static_cast<int64_t>(table.epochs), .eta = kEta}};
  for (size_t i = 0; i < sizes.size(); ++i) {
    facts.parameters.push_back({table.names[i], IntRange{.min = 0, .max = sizes[i] - 1}});
  }
  std::vector<std::vector<double>> errors(table.errors.size());
  double lowest = std::numeric_limits<double>::infinity();
  size_t finite = 0;
  for (size_t i = 0; i < table.places.size(); ++i) {
    const Config config(table.places[i].begin(), table.places[i].end());
    std::vector<double>& cell = errors[IndexOf(sizes, config)];
    if (!cell.empty()) return Invalid(table.where[i], ": this config was there before");
    cell = table.errors[i];
    if (std::isfinite(cell.back())) ++finite;
    if (cell.back() >= lowest || !std::isfinite(cell.back())) continue;
    lowest = cell.back();
    facts.best = config;
  }
  if (2 * finite <= errors.size()) {
    return Invalid(where, ": ", finite, " of ", errors.size(),
                   " configs end with a number; need over half, since the median is the scale");
  }
  return std::make_unique<TableProblem>(std::move(facts), std::move(sizes), std::move(errors));
}

absl::StatusOr<std::unique_ptr<const Problem>> ReadTableProblem(const std::string& name,
                                                                const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::NotFoundError(absl::StrCat(
        "cannot read ", path, "; record it with bench/record_curves.py, or name it with --table"));
  }
  const std::string csv{std::istreambuf_iterator<char>(file), {}};
  return ParseTableProblem(name, csv, path);
}

}  // namespace halving
