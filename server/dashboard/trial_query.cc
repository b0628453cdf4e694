#include "server/dashboard/trial_query.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status.h"
#include "halving/v1/study.pb.h"

namespace halving {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t kMostRows = 200;
constexpr char kConfigPrefix[] = "config.";

std::optional<std::string> Last(const QueryParams& params, const std::string& name) {
  const auto [first, end] = params.equal_range(name);
  return first == end ? std::nullopt : std::optional(std::prev(end)->second);
}

absl::StatusOr<int64_t> ParseCount(const QueryParams& params, const std::string& name,
                                   int64_t otherwise, int64_t most) {
  const std::optional<std::string> text = Last(params, name);
  if (!text.has_value()) return otherwise;
  int64_t count = 0;
  if (absl::SimpleAtoi(*text, &count) && count >= 0 && count <= most) return count;
  return absl::InvalidArgumentError(
      absl::StrCat(name, " is \"", *text, "\"; it must be a whole number from 0 to ", most));
}

absl::StatusOr<std::set<TrialState>> ParseStates(const QueryParams& params) {
  std::set<TrialState> states;
  const auto [first, end] = params.equal_range("state");
  for (auto at = first; at != end; ++at) {
    v1::TrialState state = v1::TRIAL_STATE_UNSPECIFIED;
    if (!v1::TrialState_Parse(absl::StrCat("TRIAL_STATE_", at->second), &state) ||
        state == v1::TRIAL_STATE_UNSPECIFIED) {
      return absl::InvalidArgumentError(
          absl::StrCat("state is \"", at->second,
                       "\"; it must be QUEUED, RUNNING, WAITING, ELIMINATED, COMPLETED, FAILED or "
                       "STOPPED"));
    }
    states.insert(static_cast<TrialState>(state));
  }
  return states;
}

// As a person writes a choice: relu, 0.5, true.
bool IsWritten(const ParameterValue& value, const std::string& text) {
  if (const auto* flag = std::get_if<bool>(&value)) return text == (*flag ? "true" : "false");
  if (const auto* word = std::get_if<std::string>(&value)) return text == *word;
  double number = 0;
  return absl::SimpleAtod(text, &number) && number == std::get<double>(value);
}

}  // namespace

absl::StatusOr<PageQuery> ParsePage(const QueryParams& params) {
  PageQuery page;
  HV_ASSIGN_OR_RETURN(page.offset, ParseCount(params, "offset", 0, int64_t{1} << 40));
  HV_ASSIGN_OR_RETURN(page.limit, ParseCount(params, "limit", page.limit, kMostRows));
  return page;
}

absl::StatusOr<TrialQuery> TrialQuery::Parse(const QueryParams& params, const StudyFacts& facts) {
  TrialQuery query;
  HV_ASSIGN_OR_RETURN(query.page_, ParsePage(params));
  HV_ASSIGN_OR_RETURN(query.states_, ParseStates(params));
  const std::string sort = Last(params, "sort").value_or("error");
  HV_ASSIGN_OR_RETURN(query.sort_, ParseColumn(sort, facts));
  const std::string order = Last(params, "order").value_or("asc");
  if (order != "asc" && order != "desc") {
    return absl::InvalidArgumentError(
        absl::StrCat("order is \"", order, "\"; it must be asc or desc"));
  }
  query.descending_ = order == "desc";
  const auto [first, end] = params.equal_range("where");
  for (auto at = first; at != end; ++at) {
    HV_ASSIGN_OR_RETURN(const Condition condition, ParseCondition(at->second, facts));
    query.where_.push_back(condition);
  }
  return query;
}

absl::StatusOr<TrialQuery::Column> TrialQuery::ParseColumn(const std::string& name,
                                                           const StudyFacts& facts) {
  static const auto* fields = new std::map<std::string, Field>{
      {"id", Field::kId},         {"round", Field::kRound}, {"state", Field::kState},
      {"epochs", Field::kEpochs}, {"error", Field::kError}, {"attempts", Field::kAttempts},
      {"time", Field::kTime}};
  const auto field = fields->find(name);
  if (field != fields->end()) return Column{.field = field->second};
  const std::string parameter(absl::StripPrefix(name, kConfigPrefix));
  const std::vector<Parameter>& parameters = facts.space.parameters();
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (parameters[i].name == parameter) return Column{.field = Field::kConfig, .parameter = i};
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", name,
                   "\" is nothing that trials have; there are id, round, state, epochs, error, "
                   "attempts, time, and config.NAME of each parameter"));
}

absl::StatusOr<TrialQuery::Condition> TrialQuery::ParseCondition(const std::string& text,
                                                                 const StudyFacts& facts) {
  const size_t at = text.find_first_of("<>=");
  const absl::Status malformed = absl::InvalidArgumentError(
      absl::StrCat("where is \"", text, "\"; it must be NAME<=NUMBER, NAME>=NUMBER or NAME=VALUE"));
  if (at == std::string::npos || at == 0) return malformed;
  const bool equal = text[at] == '=';
  if (!equal && text.substr(at + 1, 1) != "=") return malformed;
  Condition condition;
  HV_ASSIGN_OR_RETURN(condition.column, ParseColumn(text.substr(0, at), facts));
  condition.relation = equal             ? Relation::kEqual
                       : text[at] == '<' ? Relation::kAtMost
                                         : Relation::kAtLeast;
  const std::string value = text.substr(at + (equal ? 1 : 2));
  const Parameter* parameter = condition.column.field == Field::kConfig
                                   ? &facts.space.parameters()[condition.column.parameter]
                                   : nullptr;
  if (parameter != nullptr && std::holds_alternative<Choice>(parameter->domain)) {
    if (!equal) {
      return absl::InvalidArgumentError(absl::StrCat("where is \"", text, "\"; ", parameter->name,
                                                     " is a choice, which takes = only"));
    }
    const std::vector<ParameterValue>& values = std::get<Choice>(parameter->domain).values;
    const auto found = std::find_if(values.begin(), values.end(),
                                    [&](const auto& v) { return IsWritten(v, value); });
    // One that it never has matches nothing.
    condition.value = static_cast<double>(found - values.begin());
    return condition;
  }
  if (!absl::SimpleAtod(value, &condition.value)) return malformed;
  return condition;
}

double TrialQuery::ValueOf(const MirroredTrial& trial, const Column& column,
                           const StudyFacts& facts) {
  const MirroredResult* last = trial.results.empty() ? nullptr : &trial.results.back();
  switch (column.field) {
    case Field::kId:
      return static_cast<double>(trial.id);
    case Field::kRound:
      return static_cast<double>(trial.round);
    case Field::kState:
      return static_cast<double>(trial.state);
    case Field::kAttempts:
      return trial.attempts;
    case Field::kEpochs:
      return last == nullptr ? kNone : static_cast<double>(facts.rungs[last->rung]);
    case Field::kError:
      return last == nullptr || !std::isfinite(last->error) ? kNone : last->error;
    case Field::kTime:
      return last == nullptr ? kNone : last->seconds;
    case Field::kConfig:
      break;
  }
  const double value = trial.config[column.parameter];
  return value == kInactive ? kNone : value;
}

bool TrialQuery::Matches(const MirroredTrial& trial, const StudyFacts& facts) const {
  if (!states_.empty() && !states_.contains(trial.state)) return false;
  return std::all_of(where_.begin(), where_.end(), [&](const Condition& condition) {
    const double value = ValueOf(trial, condition.column, facts);
    switch (condition.relation) {  // NaN fulfils none.
      case Relation::kAtMost:
        return value <= condition.value;
      case Relation::kAtLeast:
        return value >= condition.value;
      case Relation::kEqual:
        break;
    }
    return value == condition.value;
  });
}

TrialQuery::Row TrialQuery::RowOf(const MirroredTrial& trial, const StudyFacts& facts) const {
  const double sign = descending_ ? -1 : 1;
  double first = sign * ValueOf(trial, sort_, facts);
  double second = 0;
  if (sort_.field == Field::kError) {
    // Best first: the higher rung, then the lower error.
    second = first;
    first = trial.results.empty() ? kNone : -sign * trial.results.back().rung;
  }
  const auto or_zero = [](double value) { return std::isnan(value) ? 0 : value; };
  return {std::isnan(first), or_zero(first), std::isnan(second), or_zero(second), trial.id};
}

TrialQuery::Page TrialQuery::Run(const TrialMirror& mirror) const {
  const StudyFacts& facts = mirror.facts();
  Page page;
  // Up to the end of the page only: a heap with the last of them in front.
  const auto most = static_cast<size_t>(page_.offset + page_.limit);
  std::vector<Row> first;
  mirror.Read([&](const auto& trials, const auto&) {
    page.total = static_cast<int64_t>(trials.size());
    for (const MirroredTrial& trial : trials) {
      if (!Matches(trial, facts)) continue;
      ++page.matched;
      const Row row = RowOf(trial, facts);
      if (first.size() == most) {
        if (most == 0 || first.front() < row) continue;
        std::pop_heap(first.begin(), first.end());
        first.pop_back();
      }
      first.push_back(row);
      std::push_heap(first.begin(), first.end());
    }
    return 0;
  });
  std::sort_heap(first.begin(), first.end());
  for (size_t i = page_.offset; i < first.size(); ++i) page.ids.push_back(std::get<4>(first[i]));
  return page;
}

}  // namespace halving
