#include "cli/arguments.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cli/names.h"
#include "cli/text.h"
#include "common/server_address.h"

namespace halving {
namespace {

constexpr size_t kMaxNameLength = 64;

// "a", "a and b", "a, b and c".
std::string Listed(const std::vector<std::string>& words) {
  if (words.size() < 2) return absl::StrJoin(words, "");
  return absl::StrCat(absl::StrJoin(words.begin(), words.end() - 1, ", "), " and ", words.back());
}

}  // namespace

std::string CheckName(const std::string& name) {
  const auto allowed = [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '-';
  };
  if (!name.empty() && name.size() <= kMaxNameLength &&
      std::all_of(name.begin(), name.end(), allowed)) {
    return "";
  }
  return absl::StrCat("\"", Printable(name),
                      "\" names no study; names are 1 to 64 letters, digits, _ and -");
}

std::string CheckCount(const std::string& text) {
  int64_t count = 0;
  if (absl::SimpleAtoi(text, &count) && count >= 1) return "";
  return absl::StrCat("\"", Printable(text), "\" is no count; it must be a whole number from 1 up");
}

std::optional<v1::WarmStart> ParseWarmStart(const std::string& text) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits(':', 1));
  v1::WarmStart warm_start;
  warm_start.set_study(parts.first);
  int32_t trials = 0;
  const bool counted = absl::StrContains(text, ":");
  if (!CheckName(parts.first).empty()) return std::nullopt;
  if (counted && (!absl::SimpleAtoi(parts.second, &trials) || trials < 1)) return std::nullopt;
  warm_start.set_trials(trials);
  return warm_start;
}

std::string CheckWarmStart(const std::string& text) {
  if (ParseWarmStart(text).has_value()) return "";
  return absl::StrCat("\"", Printable(text),
                      "\" must be the name of a study, or NAME:N for its best N configs");
}

std::optional<v1::NoImprovement> ParseNoImprovement(const std::string& text) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits(':', 1));
  v1::NoImprovement limit;
  int64_t trials = 0;
  double delta = 0;
  if (!absl::SimpleAtoi(parts.first, &trials) || trials < 1) return std::nullopt;
  if (absl::StrContains(text, ":") && !absl::SimpleAtod(parts.second, &delta)) return std::nullopt;
  if (!std::isfinite(delta) || delta < 0) return std::nullopt;
  limit.set_trials(trials);
  limit.set_delta(delta);
  return limit;
}

std::string CheckNoImprovement(const std::string& text) {
  if (ParseNoImprovement(text).has_value()) return "";
  return absl::StrCat("\"", Printable(text),
                      "\" must be a number of trials from 1 up, or TRIALS:DELTA, such as 20:0.001");
}

std::string CheckDuration(const std::string& text) {
  return std::string(ParseHumanDuration(text).status().message());
}

std::string CheckPositiveDuration(const std::string& text) {
  const absl::StatusOr<absl::Duration> duration = ParseHumanDuration(text);
  if (!duration.ok()) return std::string(duration.status().message());
  return *duration >= absl::Milliseconds(1) ? "" : "it must be at least 1ms";
}

std::string CheckServer(const std::string& server) {
  return std::string(NormalizeServer(server).status().message());
}

std::string CheckOneOf(const std::string& text, const std::string& what,
                       const std::vector<std::string>& values) {
  if (std::find(values.begin(), values.end(), text) != values.end()) return "";
  return absl::StrCat("\"", Printable(text), "\" is no ", what, "; there ",
                      values.size() > 1 ? "are " : "is only ", Listed(values));
}

std::vector<std::string> TrialStateNames() {
  std::vector<std::string> names;
  for (int state = v1::TRIAL_STATE_QUEUED; state <= v1::TrialState_MAX; ++state) {
    names.push_back(absl::AsciiStrToLower(StateName(static_cast<v1::TrialState>(state))));
  }
  return names;
}

v1::TrialState ParseTrialState(const std::string& name) {
  v1::TrialState state = v1::TRIAL_STATE_UNSPECIFIED;
  v1::TrialState_Parse(absl::StrCat("TRIAL_STATE_", absl::AsciiStrToUpper(name)), &state);
  return state;
}

}  // namespace halving
