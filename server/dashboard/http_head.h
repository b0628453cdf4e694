// The head of an HTTP request, read strictly.
#ifndef HALVING_SERVER_DASHBOARD_HTTP_HEAD_H_
#define HALVING_SERVER_DASHBOARD_HTTP_HEAD_H_

#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace halving {

// Why a request is not served.
struct HttpRefusal {
  int status = 400;
  absl::Status why;
};

struct HttpHeadLimits {
  size_t bytes = 16 << 10;
  size_t headers = 64;
  size_t path_bytes = 1024;
  size_t body_bytes = 8 << 20;
};

// What a request's head says, where nobody could read it in another way: one Host, a body of a
// known length that is neither encoded nor chunked, a path that names what it seems to name.
// Immutable.
class HttpHead {
 public:
  // `text`: from the request's first byte to the empty line that ends its head, that line included.
  static std::optional<HttpRefusal> Parse(absl::string_view text, const HttpHeadLimits& limits,
                                          HttpHead* head);

  const std::string& method() const { return method_; }
  // Decoded, without the query.
  const std::string& path() const { return path_; }
  // "" if there is none. Names in lower case; only headers that this server knows are kept.
  std::string header(const std::string& name) const;
  size_t body_bytes() const { return body_bytes_; }
  bool awaits_continue() const { return awaits_continue_; }
  // The head written anew, of nothing but what was understood, for a parser that is less strict and
  // takes escapes in values for what they stand for, as httplib does.
  std::string Rewritten() const;

 private:
  std::optional<HttpRefusal> ParseRequestLine(absl::string_view line, const HttpHeadLimits& limits);
  std::optional<HttpRefusal> ParseTarget(absl::string_view target, const HttpHeadLimits& limits);
  std::optional<HttpRefusal> AddHeader(absl::string_view line);
  std::optional<HttpRefusal> CheckBody(const HttpHeadLimits& limits);

  std::string method_;
  std::string target_;
  std::string path_;
  std::map<std::string, std::string> headers_;
  size_t body_bytes_ = 0;
  bool awaits_continue_ = false;
};

}  // namespace halving

#endif  // HALVING_SERVER_DASHBOARD_HTTP_HEAD_H_
