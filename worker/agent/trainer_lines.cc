#include "worker/agent/trainer_lines.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"
#include "worker/agent/text.h"

namespace halving {
namespace {

using nlohmann::json;

constexpr const char* kKeys[] = {"epoch", "checkpoint", "done", "failed"};
constexpr size_t kMaxReasonBytes = 8192;
constexpr const char* kOutOfMemory[] = {"CUDA out of memory",
                                        "CUDA error: out of memory",
                                        "OutOfMemoryError",
                                        "CUBLAS_STATUS_ALLOC_FAILED",
                                        "CUDNN_STATUS_ALLOC_FAILED",
                                        "RESOURCE_EXHAUSTED",
                                        "can't allocate memory",
                                        "Cannot allocate memory",
                                        "std::bad_alloc",
                                        "MemoryError"};

// The value of a name for what is not finite, as Python, C and JavaScript print them.
std::optional<double> NonFinite(absl::string_view name) {
  const bool negative = absl::ConsumePrefix(&name, "-");
  if (!negative) absl::ConsumePrefix(&name, "+");
  if (absl::EqualsIgnoreCase(name, "nan")) return std::numeric_limits<double>::quiet_NaN();
  if (absl::EqualsIgnoreCase(name, "inf") || absl::EqualsIgnoreCase(name, "infinity")) {
    const double infinity = std::numeric_limits<double>::infinity();
    return negative ? -infinity : infinity;
  }
  return std::nullopt;
}

// Index just past the string that begins at line[start], a quote.
size_t EndOfString(absl::string_view line, size_t start) {
  size_t at = start + 1;
  while (at < line.size() && line[at] != '"') at += line[at] == '\\' ? 2 : 1;
  return std::min(at + 1, line.size());
}

// JSON has no bare NaN; in quotes it is a string, which ReadNumber() takes. Strings stay as is.
std::string QuoteNonFinite(absl::string_view line) {
  std::string quoted;
  quoted.reserve(line.size() + 16);
  for (size_t at = 0; at < line.size();) {
    size_t end = at;
    if (line[at] == '"') {
      end = EndOfString(line, at);
      absl::StrAppend(&quoted, line.substr(at, end - at));
    } else if (absl::ascii_isalnum(line[at]) || line[at] == '-' || line[at] == '+') {
      while (end < line.size() && (absl::ascii_isalnum(line[end]) || line[end] == '-' ||
                                   line[end] == '+' || line[end] == '.')) {
        ++end;
      }
      const absl::string_view token = line.substr(at, end - at);
      const absl::string_view quote = NonFinite(token).has_value() ? "\"" : "";
      absl::StrAppend(&quoted, quote, token, quote);
    } else {
      quoted.push_back(line[end++]);
    }
    at = end;
  }
  return quoted;
}

// Whether a line that is not valid JSON was meant as one of ours: silence about it would lose a
// result.
bool BeginsLikeOurs(absl::string_view line) {
  line = absl::StripLeadingAsciiWhitespace(absl::StripPrefix(line, "{"));
  for (const char* key : kKeys) {
    if (absl::StartsWith(line, absl::StrCat("\"", key, "\""))) return true;
  }
  return false;
}

// A list or object is not quoted, since dump() recurses: its nesting may be deeper than the stack.
std::string Described(const json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  return Quoted(value.dump(-1, ' ', false, json::error_handler_t::replace));
}

absl::Status Wrong(absl::string_view what, const json& value, absl::string_view expected) {
  return absl::InvalidArgumentError(
      absl::StrCat(what, " is ", Described(value), ", not ", expected));
}

absl::Status ReadNumber(const json& object, const std::string& key, double* number) {
  const auto it = object.find(key);
  if (it == object.end()) {
    return absl::InvalidArgumentError(absl::StrCat("\"", key, "\" is missing"));
  }
  if (it->is_null()) {
    *number = std::numeric_limits<double>::quiet_NaN();
    return absl::OkStatus();
  }
  if (it->is_number()) {
    *number = it->get<double>();
    return absl::OkStatus();
  }
  if (it->is_string()) {
    if (const auto value = NonFinite(it->get_ref<const std::string&>()); value.has_value()) {
      *number = *value;
      return absl::OkStatus();
    }
  }
  return Wrong(absl::StrCat("\"", key, "\""), *it, "a number, null, NaN or Infinity");
}

absl::Status ReadEpoch(const json& object, int64_t* epoch) {
  const auto it = object.find("epoch");
  if (it == object.end()) return absl::InvalidArgumentError("\"epoch\" is missing");
  if (it->is_number_integer() && (!it->is_number_unsigned() || it->get<uint64_t>() <= INT64_MAX)) {
    *epoch = it->get<int64_t>();
    return absl::OkStatus();
  }
  // Some languages print every number with a point.
  if (it->is_number_float() && std::fabs(it->get<double>()) <= 0x1.0p53 &&
      std::nearbyint(it->get<double>()) == it->get<double>()) {
    *epoch = static_cast<int64_t>(it->get<double>());
    return absl::OkStatus();
  }
  return Wrong("\"epoch\"", *it, "a whole number");
}

absl::Status ReadBool(const json& object, const std::string& key, bool* value) {
  const auto it = object.find(key);
  if (it == object.end()) return absl::OkStatus();
  if (!it->is_boolean()) return Wrong(absl::StrCat("\"", key, "\""), *it, "true or false");
  *value = it->get<bool>();
  return absl::OkStatus();
}

absl::Status ReadMetrics(const json& done, DoneLine* line) {
  const auto it = done.find("metrics");
  if (it == done.end() || it->is_null()) return absl::OkStatus();
  if (!it->is_object()) return Wrong("\"metrics\"", *it, "an object");
  for (const auto& [name, unused] : it->items()) {
    double value = 0;
    if (absl::Status s = ReadNumber(*it, name, &value); !s.ok()) return s;
    if (line->metrics.size() >= kMaxMetrics || name.size() > kMaxMetricNameBytes) {
      ++line->dropped_metrics;
    } else {
      line->metrics[name] = value;
    }
  }
  return absl::OkStatus();
}

absl::Status ReadReason(const json& failed, std::string* reason) {
  const auto it = failed.find("reason");
  if (it == failed.end() || it->is_null()) {
    *reason = "the trainer gave no reason";
    return absl::OkStatus();
  }
  if (!it->is_string()) return Wrong("\"reason\"", *it, "a string");
  *reason = FirstOf(it->get_ref<const std::string&>(), kMaxReasonBytes);
  return absl::OkStatus();
}

absl::Status ReadFlags(const json& failed, FailedLine* line) {
  if (absl::Status s = ReadBool(failed, "retryable", &line->retryable); !s.ok()) return s;
  absl::Status s = ReadBool(failed, "unusable_checkpoint", &line->unusable_checkpoint);
  if (!s.ok()) return s;
  return ReadBool(failed, "out_of_memory", &line->out_of_memory);
}

// `object` holds the one key of ours, `key`.
absl::Status ReadOurs(const json& object, absl::string_view key, TrainerLine* line) {
  if (key == "epoch") {
    EpochLine epoch;
    if (absl::Status s = ReadEpoch(object, &epoch.epoch); !s.ok()) return s;
    if (absl::Status s = ReadNumber(object, "error", &epoch.error); !s.ok()) return s;
    *line = epoch;
    return absl::OkStatus();
  }
  const json& inner = object.at(std::string(key));
  if (!inner.is_object()) return Wrong(absl::StrCat("\"", key, "\""), inner, "an object");
  if (key == "checkpoint") {
    CheckpointLine checkpoint;
    if (absl::Status s = ReadEpoch(inner, &checkpoint.epoch); !s.ok()) return s;
    *line = checkpoint;
  } else if (key == "done") {
    DoneLine done;
    if (absl::Status s = ReadNumber(inner, "error", &done.error); !s.ok()) return s;
    if (absl::Status s = ReadMetrics(inner, &done); !s.ok()) return s;
    *line = std::move(done);
  } else {
    FailedLine failed;
    if (absl::Status s = ReadReason(inner, &failed.reason); !s.ok()) return s;
    if (absl::Status s = ReadFlags(inner, &failed); !s.ok()) return s;
    *line = std::move(failed);
  }
  return absl::OkStatus();
}

MalformedLine Malformed(absl::string_view why, absl::string_view line) {
  return {absl::StrCat("the trainer printed ", Quoted(line), ": ", why)};
}

}  // namespace

TrainerLine ParseTrainerLine(absl::string_view line) {
  line = absl::StripAsciiWhitespace(line);
  const LogLine log = {ValidUtf8(line)};
  if (!absl::StartsWith(line, "{")) return log;
  const json object = json::parse(QuoteNonFinite(log.text), nullptr, /*allow_exceptions=*/false);
  if (object.is_discarded()) {
    if (!BeginsLikeOurs(line)) return log;
    return Malformed("that is not valid JSON", line);
  }
  std::string ours;
  for (const char* key : kKeys) {
    if (!object.contains(key)) continue;
    if (!ours.empty()) {
      return Malformed(absl::StrCat("it holds both \"", ours, "\" and \"", key, "\""), line);
    }
    ours = key;
  }
  if (ours.empty()) return log;
  TrainerLine result;
  if (const absl::Status s = ReadOurs(object, ours, &result); !s.ok()) {
    return Malformed(absl::string_view(s.message()), line);
  }
  return result;
}

bool SaysOutOfMemory(absl::string_view stderr_text) {
  return std::any_of(std::begin(kOutOfMemory), std::end(kOutOfMemory),
                     [&](const char* words) { return absl::StrContains(stderr_text, words); });
}

}  // namespace halving
