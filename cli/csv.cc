#include "cli/csv.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/names.h"
#include "cli/text.h"
#include "common/struct_json.h"

namespace halving {
namespace {

constexpr absl::string_view kFixedColumns[] = {"trial",    "round",       "state",         "epochs",
                                               "error",    "from_epoch",  "train_seconds", "worker",
                                               "end_time", "study_epochs"};

std::string ConfigValue(const google::protobuf::Struct& config, const std::string& name) {
  const auto found = config.fields().find(name);
  if (found == config.fields().end()) return "";
  if (found->second.kind_case() == google::protobuf::Value::kStringValue) {
    return found->second.string_value();
  }
  return ValueToJson(found->second).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void AppendRow(const std::vector<std::string>& fields, std::string* csv) {
  std::vector<std::string> quoted;
  quoted.reserve(fields.size());
  for (const std::string& field : fields) quoted.push_back(CsvField(field));
  absl::StrAppend(csv, absl::StrJoin(quoted, ","), "\n");
}

}  // namespace

std::string CsvField(absl::string_view text) {
  if (text.find_first_of(",\"\r\n") == absl::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

ResultsTable::ResultsTable(const v1::Study& study) {
  for (const v1::Parameter& parameter : study.spec().parameters()) {
    parameters_.push_back(parameter.name());
  }
}

bool ResultsTable::IsParameter(const std::string& name) const {
  return std::find(parameters_.begin(), parameters_.end(), name) != parameters_.end();
}

void ResultsTable::Note(const v1::Trial& trial) {
  for (const auto& [name, value] : trial.config().fields()) {
    if (!IsParameter(name)) others_.insert(name);
  }
  for (const v1::RungResult& result : trial.results()) {
    for (const auto& [name, value] : result.metrics()) metrics_.insert(name);
  }
}

bool ResultsTable::Covers(const v1::Trial& trial) const {
  for (const auto& [name, value] : trial.config().fields()) {
    if (!IsParameter(name) && others_.count(name) == 0) return false;
  }
  for (const v1::RungResult& result : trial.results()) {
    for (const auto& [name, value] : result.metrics()) {
      if (metrics_.count(name) == 0) return false;
    }
  }
  return true;
}

std::string ResultsTable::Header() const {
  std::vector<std::string> header(std::begin(kFixedColumns), std::end(kFixedColumns));
  const auto add_column = [&](absl::string_view kind, const std::string& name) {
    const bool taken = std::find(header.begin(), header.end(), name) != header.end();
    header.push_back(taken ? absl::StrCat(kind, ".", name) : name);
  };
  for (const std::string& name : parameters_) add_column("config", name);
  for (const std::string& name : others_) add_column("config", name);
  for (const std::string& name : metrics_) add_column("metrics", name);
  std::string csv;
  AppendRow(header, &csv);
  return csv;
}

std::string ResultsTable::Rows(const v1::Trial& trial) const {
  std::string csv;
  for (const v1::RungResult& result : trial.results()) {
    std::vector<std::string> row = {
        absl::StrCat(trial.id()),
        absl::StrCat(trial.round()),
        StateName(trial.state()),
        absl::StrCat(result.epochs()),
        FormatExact(result.error()),
        absl::StrCat(result.from_epoch()),
        result.has_train_time() ? FormatExact(absl::ToDoubleSeconds(FromProto(result.train_time())))
                                : "",
        result.worker_id(),
        absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", FromProto(result.end_time()), absl::UTCTimeZone()),
        absl::StrCat(result.study_epochs())};
    for (const std::string& name : parameters_) row.push_back(ConfigValue(trial.config(), name));
    for (const std::string& name : others_) row.push_back(ConfigValue(trial.config(), name));
    for (const std::string& name : metrics_) {
      const auto found = result.metrics().find(name);
      row.push_back(found == result.metrics().end() ? "" : FormatExact(found->second));
    }
    AppendRow(row, &csv);
  }
  return csv;
}

std::string ResultsCsv(const v1::Study& study, const std::vector<v1::Trial>& trials) {
  ResultsTable table(study);
  for (const v1::Trial& trial : trials) table.Note(trial);
  std::string csv = table.Header();
  for (const v1::Trial& trial : trials) csv += table.Rows(trial);
  return csv;
}

}  // namespace halving
