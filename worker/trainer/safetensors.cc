#include "worker/trainer/safetensors.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/status.h"
#include "nlohmann/json.hpp"
#include "worker/trainer/field_reader.h"

namespace halving {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little,
              "tensors are written as they lie in memory, and the format is little-endian");

constexpr size_t kLengthBytes = 8;
constexpr char kMetadataKey[] = "__metadata__";
// Tensors start on a multiple of this, so that a reader may map the file.
constexpr size_t kAlignmentBytes = 8;
// The header is an object of objects of lists.
constexpr int kMaxDepth = 3;

struct Dtype {
  const char* name;
  uint64_t bytes;
};
constexpr Dtype kDtypes[] = {
    {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1},
    {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},
    {"U32", 4},  {"F32", 4}, {"F64", 8}, {"I64", 8},     {"U64", 8},
};

// Where one tensor lies: [begin, end) of the data after the header.
struct Place {
  uint64_t begin = 0;
  uint64_t end = 0;
  std::string name;
};

absl::Status Bad(absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat("not a safetensors file: ", problem));
}

absl::Status BadTensor(const std::string& name, absl::string_view problem) {
  const json quoted = name;
  return Bad(absl::StrCat("tensor ", DescribeJson(quoted), " ", problem));
}

std::optional<uint64_t> ElementBytes(absl::string_view dtype) {
  for (const Dtype& known : kDtypes) {
    if (dtype == known.name) return known.bytes;
  }
  return std::nullopt;
}

// The size in bytes of a tensor, or none if it does not fit into 63 bits.
std::optional<uint64_t> TensorBytes(uint64_t element_bytes, const std::vector<int64_t>& shape) {
  // A size of 0 anywhere makes it empty, however large the others are.
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  uint64_t bytes = element_bytes;
  for (const int64_t size : shape) {
    if (bytes > std::numeric_limits<int64_t>::max() / static_cast<uint64_t>(size)) {
      return std::nullopt;
    }
    bytes *= static_cast<uint64_t>(size);
  }
  return bytes;
}

// Notices what a parsed object no longer shows: that a key came twice, which a reader in another
// language might resolve otherwise.
class HeaderWatch {
 public:
  bool operator()(int depth, json::parse_event_t event, const json& parsed) {
    if (depth > kMaxDepth && problem_.empty()) problem_ = "its header is nested too deeply";
    if (!problem_.empty()) return false;  // Nothing more is kept, so it costs no memory either.
    if (event == json::parse_event_t::object_start) keys_.emplace_back();
    if (event == json::parse_event_t::object_end) keys_.pop_back();
    if (event == json::parse_event_t::key &&
        !keys_.back().insert(parsed.get<std::string>()).second) {
      problem_ = absl::StrCat("its header has ", DescribeJson(parsed), " twice");
    }
    return problem_.empty();
  }
  const std::string& problem() const { return problem_; }

 private:
  std::vector<std::set<std::string>> keys_;  // Of the objects that are open.
  std::string problem_;
};

absl::StatusOr<json> ParseHeader(absl::string_view header) {
  // The reference asks for this, so that no file can pass for another format's as well.
  if (header.empty() || header[0] != '{') return Bad("its header does not start with {");
  HeaderWatch watch;
  json parsed = json::parse(header.begin(), header.end(), std::ref(watch),
                            /*allow_exceptions=*/false);
  if (!watch.problem().empty()) return Bad(watch.problem());
  if (!parsed.is_object()) return Bad("its header is not JSON");
  return parsed;
}

absl::StatusOr<std::map<std::string, std::string>> ParseMetadata(const json& value) {
  if (!value.is_object()) return Bad("__metadata__ must be an object");
  std::map<std::string, std::string> metadata;
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) return Bad("__metadata__ must hold strings only");
    metadata[key] = text.get<std::string>();
  }
  return metadata;
}

// A list of whole numbers from 0 to 2^63 - 1.
std::optional<std::vector<int64_t>> WholeNumbers(const json& list) {
  if (!list.is_array()) return std::nullopt;
  std::vector<int64_t> numbers;
  for (const json& number : list) {
    if (!number.is_number_unsigned()) return std::nullopt;
    const uint64_t value = number.get<uint64_t>();
    if (value > std::numeric_limits<int64_t>::max()) return std::nullopt;
    numbers.push_back(static_cast<int64_t>(value));
  }
  return numbers;
}

// Reads one entry of the header into `tensor` (all but its data), and says where its data lie.
absl::StatusOr<Place> ParseEntry(const std::string& name, const json& entry, RawTensor* tensor) {
  if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") ||
      !entry.contains("shape") || !entry.contains("data_offsets") || !entry["dtype"].is_string()) {
    return BadTensor(name, "must have dtype, shape and data_offsets, and nothing else");
  }
  const std::optional<uint64_t> element_bytes =
      ElementBytes(entry["dtype"].get_ref<const std::string&>());
  if (!element_bytes.has_value()) {
    return BadTensor(name, absl::StrCat("has the unknown dtype ", DescribeJson(entry["dtype"])));
  }
  tensor->dtype = entry["dtype"].get<std::string>();
  std::optional<std::vector<int64_t>> shape = WholeNumbers(entry["shape"]);
  if (!shape.has_value()) return BadTensor(name, "has a shape that is no list of sizes");
  tensor->shape = *std::move(shape);
  const std::optional<uint64_t> bytes = TensorBytes(*element_bytes, tensor->shape);
  if (!bytes.has_value()) return BadTensor(name, "has a shape too large for any machine");

  const std::optional<std::vector<int64_t>> offsets = WholeNumbers(entry["data_offsets"]);
  if (!offsets.has_value() || offsets->size() != 2 || (*offsets)[0] > (*offsets)[1]) {
    return BadTensor(name, "must have data_offsets of two numbers, the second not below the first");
  }
  const Place place{static_cast<uint64_t>((*offsets)[0]), static_cast<uint64_t>((*offsets)[1]),
                    name};
  if (place.end - place.begin != *bytes) {
    return BadTensor(name, absl::StrCat("has ", place.end - place.begin, " bytes between its ",
                                        "data_offsets; its dtype and shape ask for ", *bytes));
  }
  return place;
}

// Tensors must lie one after the other and fill the data, so that no byte is read twice or unseen.
absl::Status CheckPlaces(std::vector<Place>* places, uint64_t data_bytes) {
  std::sort(places->begin(), places->end(), [](const Place& a, const Place& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  uint64_t at = 0;
  for (const Place& place : *places) {
    if (place.begin != at) {
      return BadTensor(place.name, absl::StrCat("starts at ", place.begin, "; expected ", at,
                                                ", where the one before it ends"));
    }
    at = place.end;
  }
  if (at != data_bytes) {
    return Bad(absl::StrCat("its tensors end at ", at, ", but ", data_bytes,
                            " bytes follow the header; the file is ",
                            at > data_bytes ? "cut short" : "too long"));
  }
  return absl::OkStatus();
}

uint64_t LittleEndian64(absl::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    value |= uint64_t{static_cast<uint8_t>(bytes[i])} << (8 * i);
  }
  return value;
}

}  // namespace

absl::StatusOr<Safetensors> ParseSafetensors(absl::string_view bytes) {
  if (bytes.size() < kLengthBytes) {
    return Bad(absl::StrCat("it has ", bytes.size(), " bytes, less than the length of a header"));
  }
  const uint64_t header_bytes = LittleEndian64(bytes);
  bytes.remove_prefix(kLengthBytes);
  if (header_bytes > kMaxSafetensorsHeaderBytes) {
    return Bad(absl::StrCat("it announces a header of ", header_bytes, " bytes; at most ",
                            kMaxSafetensorsHeaderBytes, " are read"));
  }
  if (header_bytes > bytes.size()) {
    return Bad(absl::StrCat("it announces a header of ", header_bytes, " bytes, but ", bytes.size(),
                            " follow; the file is cut short"));
  }
  HV_ASSIGN_OR_RETURN(const json header, ParseHeader(bytes.substr(0, header_bytes)));
  const absl::string_view data = bytes.substr(header_bytes);

  Safetensors file;
  std::vector<Place> places;
  for (const auto& [name, entry] : header.items()) {
    if (name == kMetadataKey) {
      HV_ASSIGN_OR_RETURN(file.metadata, ParseMetadata(entry));
      continue;
    }
    HV_ASSIGN_OR_RETURN(Place place, ParseEntry(name, entry, &file.tensors[name]));
    places.push_back(std::move(place));
  }
  HV_RETURN_IF_ERROR(CheckPlaces(&places, data.size()));
  for (const Place& place : places) {
    file.tensors[place.name].data = std::string(data.substr(place.begin, place.end - place.begin));
  }
  return file;
}

std::string SerializeSafetensors(const Safetensors& file) {
  // Largest elements first, so that each tensor is aligned to its own; then by name.
  std::vector<std::pair<uint64_t, std::string>> order;
  for (const auto& [name, tensor] : file.tensors) {
    const uint64_t element_bytes = ElementBytes(tensor.dtype).value_or(0);
    HV_CHECK(name != kMetadataKey && element_bytes > 0 &&
             TensorBytes(element_bytes, tensor.shape) == tensor.data.size())
        << "tensor " << name << " of dtype " << tensor.dtype << " has " << tensor.data.size()
        << " bytes, which its shape does not ask for";
    order.emplace_back(kAlignmentBytes - element_bytes, name);
  }
  std::sort(order.begin(), order.end());

  json header = json::object();
  if (!file.metadata.empty()) header[kMetadataKey] = file.metadata;
  uint64_t at = 0;
  for (const auto& [rank, name] : order) {
    const RawTensor& tensor = file.tensors.at(name);
    header[name] = {{"dtype", tensor.dtype},
                    {"shape", tensor.shape},
                    {"data_offsets", {at, at + tensor.data.size()}}};
    at += tensor.data.size();
  }
  std::string text = header.dump(-1, ' ', false, json::error_handler_t::replace);
  text.append((kAlignmentBytes - text.size() % kAlignmentBytes) % kAlignmentBytes, ' ');

  std::string bytes;
  bytes.reserve(kLengthBytes + text.size() + at);
  for (size_t i = 0; i < kLengthBytes; ++i) {
    bytes.push_back(static_cast<char>((uint64_t{text.size()} >> (8 * i)) & 0xff));
  }
  bytes += text;
  for (const auto& [rank, name] : order) bytes += file.tensors.at(name).data;
  return bytes;
}

}  // namespace halving
