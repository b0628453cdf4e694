#include "server/dashboard/http_head.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace halving {
namespace {

using Refusal = std::optional<HttpRefusal>;

// Those that are acted on. Each may come once, else who stands between could act on another one.
const std::set<std::string>& KnownHeaders() {
  static const auto* const kKnown = new std::set<std::string>{
      "accept", "authorization", "content-encoding", "content-length",    "content-type",
      "expect", "host",          "if-none-match",    "transfer-encoding", "x-halving",
  };
  return *kKnown;
}

HttpRefusal Bad(const std::string& why) { return {400, absl::InvalidArgumentError(why)}; }

bool IsTokenChar(char c) {
  return absl::ascii_isalnum(c) || absl::StrContains("!#$%&'*+-.^_`|~", c);
}

bool IsPrintable(char c) { return c >= ' ' && c <= '~'; }

// As the standard has it: no overlong form, no surrogate, nothing beyond U+10FFFF.
bool IsUtf8(absl::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t more = lead < 0x80 ? 0 : lead < 0xC2 ? 9 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    if (more > 3 || lead > 0xF4 || i + more >= text.size()) return false;
    for (size_t k = 1; k <= more; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      const bool first = k == 1;
      const unsigned low = first && lead == 0xE0 ? 0xA0 : first && lead == 0xF0 ? 0x90 : 0x80;
      const unsigned high = first && lead == 0xED ? 0x9F : first && lead == 0xF4 ? 0x8F : 0xBF;
      if (next < low || next > high) return false;
    }
    i += more + 1;
  }
  return true;
}

// None: a % that begins no escape.
std::optional<std::string> Unescaped(absl::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain += text[i];
      continue;
    }
    if (i + 2 >= text.size() || !absl::ascii_isxdigit(text[i + 1]) ||
        !absl::ascii_isxdigit(text[i + 2])) {
      return std::nullopt;
    }
    plain += absl::HexStringToBytes(text.substr(i + 1, 2));
    i += 2;
  }
  return plain;
}

// Whether each part between slashes is a name, whatever stands for what.
bool IsPlainPath(absl::string_view escaped, absl::string_view plain) {
  if (std::count(escaped.begin(), escaped.end(), '/') !=
      std::count(plain.begin(), plain.end(), '/'))
    return false;
  if (absl::StrContains(plain, '\\')) return false;
  if (std::any_of(plain.begin(), plain.end(), [](char c) { return absl::ascii_iscntrl(c); }))
    return false;
  const std::vector<absl::string_view> parts = absl::StrSplit(plain, '/');
  return std::none_of(parts.begin(), parts.end(),
                      [](absl::string_view part) { return part == "." || part == ".."; });
}

}  // namespace

std::string HttpHead::header(const std::string& name) const {
  const auto found = headers_.find(name);
  return found == headers_.end() ? "" : found->second;
}

Refusal HttpHead::ParseTarget(absl::string_view target, const HttpHeadLimits& limits) {
  if (!absl::StartsWith(target, "/")) {
    return Bad("the request's target is no path of this server; it must begin with a slash");
  }
  if (absl::StrContains(target, '#')) return Bad("the request's target has a fragment");
  const std::pair<absl::string_view, absl::string_view> cut =
      absl::StrSplit(target, absl::MaxSplits('?', 1));
  const std::optional<std::string> path = Unescaped(cut.first);
  const std::optional<std::string> query = Unescaped(cut.second);
  if (!path.has_value() || !query.has_value()) {
    return Bad("the request's target has a % without two hexadecimal digits behind it");
  }
  if (!IsUtf8(*path) || !IsUtf8(*query) || absl::StrContains(*query, '\0')) {
    return Bad("the request's target is not UTF-8 text");
  }
  if (!IsPlainPath(cut.first, *path)) {
    return Bad("the path has a part that is no name: dots only, a hidden slash, or a control code");
  }
  if (path->size() > limits.path_bytes) {
    return HttpRefusal{414, absl::InvalidArgumentError(absl::StrCat(
                                "the path is too long: ", path->size(), " bytes; at most ",
                                limits.path_bytes, " are served"))};
  }
  target_ = std::string(target);
  path_ = *path;
  return std::nullopt;
}

Refusal HttpHead::ParseRequestLine(absl::string_view line, const HttpHeadLimits& limits) {
  static constexpr absl::string_view kMethods[] = {"GET", "HEAD", "POST", "DELETE", "OPTIONS"};
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  if (words.size() != 3 || !std::all_of(line.begin(), line.end(), IsPrintable)) {
    return Bad("the request's first line is not METHOD TARGET VERSION");
  }
  if (words[2] != "HTTP/1.1" && words[2] != "HTTP/1.0") {
    return HttpRefusal{505,
                       absl::InvalidArgumentError("only HTTP/1.1 and HTTP/1.0 are spoken here")};
  }
  if (std::find(std::begin(kMethods), std::end(kMethods), words[0]) == std::end(kMethods)) {
    return HttpRefusal{501, absl::InvalidArgumentError(
                                "the method is not one of GET, HEAD, POST, DELETE, OPTIONS")};
  }
  method_ = std::string(words[0]);
  return ParseTarget(words[1], limits);
}

Refusal HttpHead::AddHeader(absl::string_view line) {
  const size_t colon = line.find(':');
  const absl::string_view raw_name = line.substr(0, colon);
  if (colon == absl::string_view::npos || raw_name.empty() ||
      !std::all_of(raw_name.begin(), raw_name.end(), IsTokenChar)) {
    return Bad("a header is not NAME: VALUE on one line");
  }
  const absl::string_view value = absl::StripAsciiWhitespace(line.substr(colon + 1));
  const bool clean = std::none_of(value.begin(), value.end(),
                                  [](char c) { return absl::ascii_iscntrl(c) && c != '\t'; });
  if (!clean) return Bad("a header's value has a control code");
  const std::string name = absl::AsciiStrToLower(raw_name);
  if (!KnownHeaders().contains(name)) return std::nullopt;
  if (!std::all_of(value.begin(), value.end(), IsPrintable)) {
    return Bad(absl::StrCat("the header ", name, " has something other than printable ASCII"));
  }
  const bool added = headers_.emplace(name, value).second;
  return added ? std::nullopt : Refusal(Bad(absl::StrCat("the header ", name, " comes twice")));
}

Refusal HttpHead::CheckBody(const HttpHeadLimits& limits) {
  if (headers_.contains("transfer-encoding")) {
    return HttpRefusal{
        headers_.contains("content-length") ? 400 : 411,
        absl::InvalidArgumentError("a body is taken whole only: send Content-Length, "
                                   "and no Transfer-Encoding")};
  }
  const std::string encoding = absl::AsciiStrToLower(header("content-encoding"));
  if (!encoding.empty() && encoding != "identity") {
    return HttpRefusal{
        415, absl::InvalidArgumentError("a body is taken as it is only: send no Content-Encoding")};
  }
  const std::string expect = absl::AsciiStrToLower(header("expect"));
  awaits_continue_ = expect == "100-continue";
  if (!expect.empty() && !awaits_continue_) {
    return HttpRefusal{417, absl::InvalidArgumentError("no Expect but 100-continue is met")};
  }
  const auto length = headers_.find("content-length");
  if (length == headers_.end()) return std::nullopt;
  // SimpleAtoi() takes signs and blanks.
  const std::string& digits = length->second;
  uint64_t bytes = 0;
  if (digits.empty() || !std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit)) {
    return Bad("the Content-Length is not a whole number");
  }
  if (!absl::SimpleAtoi(digits, &bytes) || bytes > limits.body_bytes) {
    return HttpRefusal{413, absl::InvalidArgumentError(
                                absl::StrCat("the body is of ", digits.substr(0, 20),
                                             " bytes; at most ", limits.body_bytes, " are taken"))};
  }
  if (bytes > 0 && method_ != "POST" && method_ != "DELETE") {
    return Bad(absl::StrCat("a ", method_, " has no body"));
  }
  body_bytes_ = bytes;
  return std::nullopt;
}

Refusal HttpHead::Parse(absl::string_view text, const HttpHeadLimits& limits, HttpHead* head) {
  if (!absl::ConsumeSuffix(&text, "\r\n\r\n")) return Bad("the request's head does not end");
  const std::vector<absl::string_view> lines = absl::StrSplit(text, "\r\n");
  for (const absl::string_view line : lines) {
    if (line.find_first_of("\r\n") != absl::string_view::npos) {
      return Bad("a line of the request's head does not end with CR LF");
    }
  }
  if (lines.size() - 1 > limits.headers) {
    return HttpRefusal{431, absl::InvalidArgumentError(
                                absl::StrCat("the request has ", lines.size() - 1,
                                             " headers; at most ", limits.headers, " are taken"))};
  }
  if (Refusal refusal = head->ParseRequestLine(lines[0], limits)) return refusal;
  for (size_t i = 1; i < lines.size(); ++i) {
    if (Refusal refusal = head->AddHeader(lines[i])) return refusal;
  }
  if (!head->headers_.contains("host")) return Bad("the request has no Host");
  return head->CheckBody(limits);
}

std::string HttpHead::Rewritten() const {
  std::string text = absl::StrCat(method_, " ", target_, " HTTP/1.1\r\n");
  for (const auto& [name, value] : headers_) {
    // That one was met already.
    if (name == "expect") continue;
    absl::StrAppend(&text, name, ": ", absl::StrReplaceAll(value, {{"%", "%25"}}), "\r\n");
  }
  return text + "\r\n";
}

}  // namespace halving
