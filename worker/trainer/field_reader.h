// FieldReader: takes typed, range-checked fields out of a JSON object.
#ifndef HALVING_WORKER_TRAINER_FIELD_READER_H_
#define HALVING_WORKER_TRAINER_FIELD_READER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace halving {

// How a JSON value is quoted in an error message: short, on one line, and never recursive, since
// what a stranger sends may be nested deeper than the stack.
std::string DescribeJson(const nlohmann::json& value);

// The largest whole number that JSON readers agree on, 2^53.
inline constexpr int64_t kMaxJsonInteger = int64_t{1} << 53;

// FieldReader reads the fields of one JSON object, names what is wrong with them, and notices those
// that nobody asked for. It keeps the first problem only; a reader with a problem goes on answering
// with defaults, so that callers ask once, at the end. A field that is null counts as not given.
//
// Thread-compatible: each lives in one function. The object must outlive it.
class FieldReader {
 public:
  // `name` is how messages call the object, e.g. "config" gives "config.batch_size is ...".
  FieldReader(absl::string_view name, const nlohmann::json& object);

  // A whole number, written without a point. Without a `fallback` the field is required.
  int64_t Integer(absl::string_view field, int64_t min, int64_t max,
                  std::optional<int64_t> fallback = std::nullopt);

  // The same, where not being given is a value of its own.
  std::optional<int64_t> OptionalInteger(absl::string_view field, int64_t min, int64_t max);

  // A finite number for which `accepts` holds; `allowed` says so in words.
  double Number(absl::string_view field, absl::string_view allowed,
                absl::FunctionRef<bool(double)> accepts,
                std::optional<double> fallback = std::nullopt);

  // True or false, and nothing that is like one of them.
  bool Boolean(absl::string_view field, bool fallback);

  // A string, not empty.
  std::string String(absl::string_view field, std::optional<std::string> fallback = std::nullopt);

  // A string that may be empty, which is what it is when it is not given.
  std::string OptionalString(absl::string_view field);

  // One of `choices`.
  std::string OneOf(absl::string_view field, const std::vector<std::string>& choices,
                    const std::string& fallback);

  // An object; an empty one when it is not given.
  nlohmann::json Object(absl::string_view field);

  // Records a problem of the caller's own about a field, if it is the first one.
  void Refuse(absl::string_view field, absl::string_view problem);

  // INVALID_ARGUMENT with the first problem. `Finish` also refuses a field that nothing above asked
  // for: a misspelt hyper-parameter must not go unnoticed.
  absl::Status status() const { return status_; }
  absl::Status Finish() const;

 private:
  const nlohmann::json* Find(absl::string_view field);  // Null: not given.
  void RefuseValue(absl::string_view field, const nlohmann::json* value, absl::string_view allowed);

  const std::string name_;
  const nlohmann::json& object_;
  std::vector<std::string> asked_;
  absl::Status status_;
};

}  // namespace halving

#endif  // HALVING_WORKER_TRAINER_FIELD_READER_H_
