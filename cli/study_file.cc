#include "cli/study_file.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/text.h"
#include "common/status.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/util/json_util.h"
#include "nlohmann/json.hpp"

namespace halving {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using nlohmann::json;

constexpr size_t kMaxQuoted = 60;  // Characters of a wrong value that a message repeats.

std::string Quote(const json& value) {
  const std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  return ClipToWidth(Printable(text), kMaxQuoted, false);
}

// How many letters must change to make `b` of `a`.
size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

absl::Status Wrong(const std::string& path, const json& value, absl::string_view expected) {
  return absl::InvalidArgumentError(
      absl::StrCat(path, " is ", Quote(value), "; it must be ", expected));
}

absl::Status UnknownField(const std::string& path, const std::string& key, const Descriptor& type) {
  std::vector<std::string> names;
  std::string nearest;
  size_t nearest_distance = 4;  // Farther than this is not a slip of the keyboard.
  for (int i = 0; i < type.field_count(); ++i) {
    names.push_back(std::string(type.field(i)->name()));
    const size_t distance = EditDistance(absl::AsciiStrToLower(key), names.back());
    if (distance < std::min(nearest_distance, names.back().size())) {
      nearest_distance = distance;
      nearest = names.back();
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", Printable(key), "\" is no field of ", path.empty() ? "a study" : path,
                   nearest.empty() ? "." : absl::StrCat("; did you mean \"", nearest, "\"?"),
                   " It has: ", absl::StrJoin(names, ", ")));
}

// Checks an object against its message type before protobuf's own parser sees it: that one accepts
// "NaN", drops null elements silently, and names C++ types in its messages. Every error names the
// field by its path.
absl::Status CheckMessage(const json& value, const Descriptor& type, const std::string& path);

absl::Status CheckEnum(const json& value, const FieldDescriptor& field, const std::string& path) {
  std::vector<std::string> names;
  for (int i = 0; i < field.enum_type()->value_count(); ++i) {
    names.push_back(std::string(field.enum_type()->value(i)->name()));
    if (value.is_string() && value.get<std::string>() == names.back()) return absl::OkStatus();
  }
  names.erase(names.begin());  // UNSPECIFIED: leaving the field out says it better.
  return Wrong(path, value, absl::StrCat("one of ", absl::StrJoin(names, ", ")));
}

absl::Status CheckWholeNumber(const json& value, const std::string& path) {
  int64_t parsed = 0;
  uint64_t parsed_unsigned = 0;  // A seed may be beyond int64.
  const bool text =
      value.is_string() && (absl::SimpleAtoi(value.get<std::string>(), &parsed) ||
                            absl::SimpleAtoi(value.get<std::string>(), &parsed_unsigned));
  const bool whole = value.is_number_float() &&
                     std::floor(value.get<double>()) == value.get<double>() &&
                     std::fabs(value.get<double>()) < 0x1p53;
  if (text || whole || value.is_number_integer()) return absl::OkStatus();
  return Wrong(path, value, "a whole number");
}

absl::Status CheckFinite(const json& value, const std::string& path) {
  double parsed = 0;
  const bool text = value.is_string() && absl::SimpleAtod(value.get<std::string>(), &parsed);
  if (value.is_number()) parsed = value.get<double>();
  if ((text || value.is_number()) && std::isfinite(parsed)) return absl::OkStatus();
  return Wrong(path, value, "a finite number");
}

absl::Status CheckDuration(const json& value, const std::string& path) {
  double seconds = 0;
  if (value.is_string()) {
    const std::string text = value.get<std::string>();
    if (absl::EndsWith(text, "s") && absl::SimpleAtod(text.substr(0, text.size() - 1), &seconds)) {
      return absl::OkStatus();
    }
  }
  return Wrong(path, value, "seconds as text, such as \"90s\" or \"0.5s\"");
}

// One element of a field.
absl::Status CheckElement(const json& value, const FieldDescriptor& field,
                          const std::string& path) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      const std::string type = std::string(field.message_type()->full_name());
      if (type == "google.protobuf.Duration") return CheckDuration(value, path);
      if (type == "google.protobuf.Value") return absl::OkStatus();
      if (type == "google.protobuf.Struct") {
        return value.is_object() ? absl::OkStatus() : Wrong(path, value, "an object, {...}");
      }
      return CheckMessage(value, *field.message_type(), path);
    }
    case FieldDescriptor::CPPTYPE_ENUM:
      return CheckEnum(value, field, path);
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      return CheckFinite(value, path);
    case FieldDescriptor::CPPTYPE_STRING:
      return value.is_string() ? absl::OkStatus() : Wrong(path, value, "text in quotes");
    case FieldDescriptor::CPPTYPE_BOOL:
      return value.is_boolean() ? absl::OkStatus() : Wrong(path, value, "true or false");
    default:
      return CheckWholeNumber(value, path);
  }
}

absl::Status CheckField(const json& value, const FieldDescriptor& field, const std::string& path) {
  if (value.is_null()) return absl::OkStatus();  // As good as left out.
  if (!field.is_repeated()) return CheckElement(value, field, path);
  if (!value.is_array()) return Wrong(path, value, "a list, [...]");
  for (size_t i = 0; i < value.size(); ++i) {
    const std::string element = absl::StrCat(path, "[", i, "]");
    if (value[i].is_null()) return Wrong(element, value[i], "something");
    HV_RETURN_IF_ERROR(CheckElement(value[i], field, element));
  }
  return absl::OkStatus();
}

absl::Status CheckMessage(const json& value, const Descriptor& type, const std::string& path) {
  if (!value.is_object()) {
    return Wrong(path.empty() ? "the study" : path, value, "an object, {...}");
  }
  for (const auto& [key, element] : value.items()) {
    const FieldDescriptor* field = type.FindFieldByName(key);
    if (field == nullptr) field = type.FindFieldByCamelcaseName(key);
    if (field == nullptr) return UnknownField(path, key, type);
    HV_RETURN_IF_ERROR(
        CheckField(element, *field, absl::StrCat(path, path.empty() ? "" : ".", key)));
  }
  return absl::OkStatus();
}

// The first key that one object holds twice, of which a parser would silently take the last.
class DuplicateKeys {
 public:
  bool operator()(int, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start) open_.emplace_back();
    if (event == json::parse_event_t::object_end) open_.pop_back();
    if (event == json::parse_event_t::key) {
      const std::string key = parsed.get<std::string>();
      if (!open_.back().insert(key).second && first_.empty()) first_ = key;
    }
    return true;
  }
  const std::string& first() const { return first_; }

 private:
  std::vector<std::set<std::string>> open_;  // The keys of the objects we are in.
  std::string first_;
};

// "parse error at line 3, column 5: syntax error ..." -> "3:5: syntax error ...".
std::string TellSyntaxError(const std::string& what) {
  const std::string marker = "at line ";
  const size_t line = what.find(marker);
  const size_t column = what.find(", column ");
  const size_t rest = what.find(": ", column == std::string::npos ? 0 : column);
  if (line == std::string::npos || column == std::string::npos || rest == std::string::npos) {
    return what.substr(std::min(what.size(), what.find("] ") + 2));
  }
  const size_t from = line + marker.size();
  const size_t after = column + std::string(", column ").size();
  return absl::StrCat(what.substr(from, column - from), ":", what.substr(after, rest - after),
                      ": not JSON: ", what.substr(rest + 2));
}

absl::StatusOr<json> ParseJson(const std::string& text) {
  DuplicateKeys duplicates;
  try {
    json parsed = json::parse(text, std::ref(duplicates));
    if (!duplicates.first().empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "\"", Printable(duplicates.first()), "\" stands twice in one object; keep one of them"));
    }
    return parsed;
  } catch (const json::exception& error) {
    std::string message = TellSyntaxError(error.what());
    // The parser stops at the first letter, quoted last.
    if (absl::EndsWith(message, "N'") || absl::EndsWith(message, "I'")) {
      message += ". JSON has no NaN or Infinity";
    }
    return absl::InvalidArgumentError(message);
  }
}

absl::StatusOr<v1::StudySpec> ToSpec(const std::string& text) {
  HV_ASSIGN_OR_RETURN(const json parsed, ParseJson(text));
  const bool wrapped = parsed.is_object() && parsed.contains("study");
  v1::CreateStudyRequest request;
  const json whole = wrapped ? parsed : json{{"study", parsed}};
  if (wrapped) {
    HV_RETURN_IF_ERROR(CheckMessage(whole, *request.descriptor(), ""));
  } else {
    HV_RETURN_IF_ERROR(CheckMessage(parsed, *v1::StudySpec::descriptor(), ""));
  }
  const auto status = google::protobuf::util::JsonStringToMessage(whole.dump(), &request);
  if (!status.ok()) return absl::InvalidArgumentError(std::string(status.message()));
  return request.study();
}

}  // namespace

absl::StatusOr<v1::StudySpec> ParseStudy(const std::string& text, const std::string& source) {
  absl::StatusOr<v1::StudySpec> spec = ToSpec(text);
  if (spec.ok()) return spec;
  // A place, 3:5, follows the file's name as compilers write it.
  const bool placed = absl::ascii_isdigit(static_cast<unsigned char>(spec.status().message()[0]));
  return absl::InvalidArgumentError(
      absl::StrCat(Printable(source), placed ? ":" : ": ", Printable(spec.status().message())));
}

absl::StatusOr<v1::StudySpec> ReadStudy(const std::string& path, std::istream& in) {
  std::ostringstream text;  // Copying a buffer, unlike iterating over it, does not throw.
  if (path == "-") {
    text << in.rdbuf();
    return ParseStudy(text.str(), "standard input");
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (file) text << file.rdbuf();
  if (!file || (text.str().empty() && errno != 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot read ", Printable(path), ": ",
                     errno != 0 ? std::strerror(errno) : "it cannot be opened"));
  }
  return ParseStudy(text.str(), path);
}

}  // namespace halving
