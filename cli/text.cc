#include "cli/text.h"

#include <array>
#include <charconv>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/struct_json.h"

namespace halving {
namespace {

constexpr char32_t kInvalid = 0xFFFFFFFF;

struct Decoded {
  char32_t code_point = kInvalid;
  size_t size_bytes = 1;
};

// The UTF-8 character at `at`; kInvalid and one byte when there is none.
Decoded DecodeAt(absl::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  if (byte(0) < 0x80) return {byte(0), 1};
  const size_t size = byte(0) >= 0xF0 ? 4 : byte(0) >= 0xE0 ? 3 : 2;
  if (byte(0) < 0xC2 || byte(0) > 0xF4 || at + size > text.size()) return {};
  char32_t code = byte(0) & (0x7F >> size);
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    code = (code << 6) | (byte(i) & 0x3F);
  }
  const bool overlong = (size == 3 && code < 0x800) || (size == 4 && code < 0x10000);
  if (overlong || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return {};
  return {code, size};
}

// Characters that move the cursor, reorder the line, or show nothing.
bool IsUnsafe(char32_t code) {
  return code < 0x20 || (code >= 0x7F && code <= 0x9F) || code == 0xAD || code == 0x61C ||
         (code >= 0x200B && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E) ||
         (code >= 0x2060 && code <= 0x206F) || code == 0xFEFF ||
         (code >= 0xFFF9 && code <= 0xFFFB) || code == 0xFFFE || code == 0xFFFF || code >= 0xE0000;
}

std::string Escape(char32_t code) {
  switch (code) {
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      break;
  }
  if (code < 0x80) return absl::StrFormat("\\x%02x", static_cast<uint32_t>(code));
  if (code < 0x10000) return absl::StrFormat("\\u%04x", static_cast<uint32_t>(code));
  return absl::StrFormat("\\U%08x", static_cast<uint32_t>(code));
}

int CodePointWidth(char32_t code) {
  if (code >= 0x300 && code <= 0x36F) return 0;  // Combining accents.
  const bool wide = (code >= 0x1100 && code <= 0x115F) || (code >= 0x2E80 && code <= 0xA4CF) ||
                    (code >= 0xAC00 && code <= 0xD7A3) || (code >= 0xF900 && code <= 0xFAFF) ||
                    (code >= 0xFE30 && code <= 0xFE6F) || (code >= 0xFF00 && code <= 0xFF60) ||
                    (code >= 0x1F300 && code <= 0x1FAFF) || (code >= 0x20000 && code <= 0x3FFFD);
  return wide ? 2 : 1;
}

// The length of the colour sequence at `at`, 0 if there is none.
size_t ColorSize(absl::string_view text, size_t at) {
  if (text[at] != '\x1b' || at + 1 >= text.size() || text[at + 1] != '[') return 0;
  const size_t end = text.find('m', at);
  return end == absl::string_view::npos ? 0 : end - at + 1;
}

std::string NotFinite(double number) {
  if (std::isnan(number)) return "NaN";
  return number > 0 ? "inf" : "-inf";
}

}  // namespace

std::string Printable(absl::string_view text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const Decoded next = DecodeAt(text, at);
    if (next.code_point == kInvalid) {
      absl::StrAppendFormat(&result, "\\x%02x", static_cast<unsigned char>(text[at]));
    } else if (IsUnsafe(next.code_point)) {
      result += Escape(next.code_point);
    } else {
      absl::StrAppend(&result, text.substr(at, next.size_bytes));
    }
    at += next.size_bytes;
  }
  return result;
}

int DisplayWidth(absl::string_view text) {
  int width = 0;
  for (size_t at = 0; at < text.size();) {
    if (const size_t color = ColorSize(text, at); color > 0) {
      at += color;
      continue;
    }
    const Decoded next = DecodeAt(text, at);
    width += CodePointWidth(next.code_point);
    at += next.size_bytes;
  }
  return width;
}

std::string ClipToWidth(absl::string_view text, int width_columns, bool unicode) {
  if (width_columns <= 0 || DisplayWidth(text) <= width_columns) return std::string(text);
  const std::string ellipsis = unicode ? "\u2026" : "...";
  const int room = width_columns - DisplayWidth(ellipsis);
  if (room < 1) return std::string(static_cast<size_t>(width_columns), '.');
  std::string result;
  bool colored = false;
  int width = 0;
  for (size_t at = 0; at < text.size();) {
    if (const size_t color = ColorSize(text, at); color > 0) {
      absl::StrAppend(&result, text.substr(at, color));
      colored = true;
      at += color;
      continue;
    }
    const Decoded next = DecodeAt(text, at);
    width += CodePointWidth(next.code_point);
    if (width > room) break;
    absl::StrAppend(&result, text.substr(at, next.size_bytes));
    at += next.size_bytes;
  }
  return absl::StrCat(result, ellipsis, colored ? "\x1b[0m" : "");
}

std::vector<std::string> Wrapped(absl::string_view text, int width_columns) {
  std::vector<std::string> lines(1);
  for (const absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    const bool fits = DisplayWidth(lines.back()) + 1 + DisplayWidth(word) <= width_columns;
    if (!lines.back().empty() && !fits) lines.emplace_back();
    absl::StrAppend(&lines.back(), lines.back().empty() ? "" : " ", word);
  }
  return lines;
}

std::string FormatError(double error) {
  if (!std::isfinite(error)) return NotFinite(error);
  std::string text = absl::StrFormat("%#.4g", error);
  if (text.back() == '.') text.pop_back();  // "1234." of a number with four digits before it.
  return text;
}

std::string FormatExact(double number) {
  if (!std::isfinite(number)) return NotFinite(number);
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr;
  return std::string(buffer.data(), end);
}

std::string HumanDuration(absl::Duration duration) {
  if (duration < absl::ZeroDuration()) return absl::StrCat("-", HumanDuration(-duration));
  if (duration == absl::InfiniteDuration()) return "inf";
  if (duration < absl::Milliseconds(9950)) {
    return absl::StrFormat("%.1fs", absl::ToDoubleSeconds(duration));
  }
  const int64_t seconds = absl::ToInt64Seconds(duration + absl::Milliseconds(500));
  if (seconds < 60) return absl::StrFormat("%ds", seconds);
  if (seconds < 3600) return absl::StrFormat("%dm %02ds", seconds / 60, seconds % 60);
  if (seconds < 86400) return absl::StrFormat("%dh %02dm", seconds / 3600, seconds / 60 % 60);
  return absl::StrFormat("%dd %02dh", seconds / 86400, seconds / 3600 % 24);
}

std::string HumanTime(absl::Time time, absl::TimeZone zone) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", time, zone);
}

std::string Plural(int64_t count, absl::string_view noun) {
  return absl::StrCat(count, " ", noun, count == 1 ? "" : "s");
}

std::string FormatConfig(const google::protobuf::Struct& config) {
  return Printable(
      StructToJson(config).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

std::string FormatConfigShort(const google::protobuf::Struct& config) {
  const nlohmann::json object = StructToJson(config);  // Sorts the keys.
  std::string text;
  for (const auto& [key, value] : object.items()) {
    const std::string shown =
        value.is_number_float() ? absl::StrFormat("%.4g", value.get<double>())
        : value.is_string()     ? value.get<std::string>()
                            : value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    absl::StrAppend(&text, text.empty() ? "" : " ", key, "=", shown);
  }
  return Printable(text);
}

absl::StatusOr<absl::Duration> ParseHumanDuration(const std::string& text) {
  absl::Duration duration;
  double number = 0;
  absl::string_view days = text;
  if (absl::SimpleAtod(text, &number) && std::isfinite(number)) {
    duration = absl::Seconds(number);
  } else if (absl::ConsumeSuffix(&days, "d") && absl::SimpleAtod(days, &number) &&
             std::isfinite(number)) {
    duration = absl::Hours(24) * number;
  } else if (!absl::ParseDuration(text, &duration)) {
    duration = absl::InfiniteDuration();
  }
  if (duration < absl::ZeroDuration() || duration >= absl::Hours(24 * 365 * 100)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", Printable(text),
                     "\" is no duration; write 30d, 90m, 1h30m, 1.5s, or a number of seconds"));
  }
  return duration;
}

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

absl::Time FromProto(const google::protobuf::Timestamp& timestamp) {
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration result;
  const int64_t seconds = absl::IDivDuration(duration, absl::Seconds(1), &duration);
  result.set_seconds(seconds);
  result.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)));
  return result;
}

}  // namespace halving
