// Text as people read it: numbers, durations and times, and foreign strings made harmless.
#ifndef HALVING_CLI_TEXT_H_
#define HALVING_CLI_TEXT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace halving {

// `text` with every control character (C0, DEL, C1), every character that reorders or breaks a
// line, and every byte that is no UTF-8 written as an escape such as \n, \x1b or \u202e: what a
// server or a worker sends must not be able to drive the terminal of whoever looks at it.
std::string Printable(absl::string_view text);

// Columns that `text` takes on a terminal. Colours (ESC [ ... m) take none, wide characters two.
int DisplayWidth(absl::string_view text);

// `text` cut to `width_columns`, with an ellipsis in place of what is missing; a cut colour is
// ended. 0 means no limit.
std::string ClipToWidth(absl::string_view text, int width_columns, bool unicode);

// `text` in lines of at most so many columns, cut at blanks; a longer word has a line of its own.
std::vector<std::string> Wrapped(absl::string_view text, int width_columns);

// Four significant digits: "0.2700", "12.34", "1.234e+05"; "NaN", "inf", "-inf".
std::string FormatError(double error);

// The shortest text that reads back as the same double: for files.
std::string FormatExact(double number);

// "0.4s", "32s", "1m 32s", "3h 05m", "2d 04h".
std::string HumanDuration(absl::Duration duration);

// "2024-05-01 12:33:01" in that zone.
std::string HumanTime(absl::Time time, absl::TimeZone zone);

// "1 trial", "2 trials".
std::string Plural(int64_t count, absl::string_view noun);

// One line of JSON, keys sorted, whole numbers without a point; Printable.
std::string FormatConfig(const google::protobuf::Struct& config);

// The same for a table: "batch_size=64 learning_rate=0.0623", other than whole numbers with four
// significant digits.
std::string FormatConfigShort(const google::protobuf::Struct& config);

// "90m", "1h30m", "1.5s", or a bare number of seconds. INVALID_ARGUMENT for anything else, for
// what is negative and for what is infinite.
absl::StatusOr<absl::Duration> ParseHumanDuration(const std::string& text);

absl::Duration FromProto(const google::protobuf::Duration& duration);
absl::Time FromProto(const google::protobuf::Timestamp& timestamp);
google::protobuf::Duration ToProto(absl::Duration duration);

}  // namespace halving

#endif  // HALVING_CLI_TEXT_H_
