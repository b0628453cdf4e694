#include "server/dashboard/http_server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/clock.h"
#include "common/host_port.h"
#include "server/dashboard/json.h"
#include "spdlog/spdlog.h"

namespace halving {
namespace {

constexpr int kMostStreams = 64;
// For what is no stream: each takes milliseconds.
constexpr int kOtherThreads = 16;
constexpr size_t kMostBody = 8 << 20;
constexpr size_t kMostPath = 1024;
constexpr time_t kReadTimeoutSeconds = 5;
constexpr time_t kWriteTimeoutSeconds = 10;
// A page that does not read is not waited for.
constexpr absl::Duration kFarewell = absl::Seconds(2);
constexpr absl::Duration kListenAgainAfter = absl::Seconds(1);
constexpr char kJsonType[] = "application/json";
constexpr char kContentSecurityPolicy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src "
    "'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

int HttpStatus(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kInvalidArgument:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
      return 409;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return 503;
    default:
      return 500;
  }
}

bool IsAddress(const std::string& host) {
  in6_addr address;
  if (inet_pton(AF_INET, host.c_str(), &address) == 1) return true;
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  return bracketed && inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &address) == 1;
}

std::string WithoutPort(const std::string& host) {
  const size_t bracket = host.rfind(']');
  const size_t colon = host.rfind(':');
  const bool has_port =
      colon != std::string::npos && (bracket == std::string::npos || colon > bracket);
  return absl::AsciiStrToLower(has_port ? host.substr(0, colon) : host);
}

// Of the request that this thread serves: httplib hands on nothing of ours.
thread_local HttpCaller serving_caller;

// httplib lets what a provider throws end the process.
bool SendNext(EventStream* stream, httplib::DataSink& sink) {
  try {
    const std::string text = stream->Next();
    if (!sink.write(text.data(), text.size())) return false;
    if (stream->over()) sink.done();
    return true;
  } catch (const std::exception& error) {
    spdlog::error("a page's stream is broken off: {}", error.what());
    return false;
  }
}

}  // namespace

void HttpServer::Send(httplib::Response& response, int status, const std::string& type,
                      SharedText text) {
  response.status = status;
  if (text->empty()) return response.set_content("", type);
  response.set_content_provider(text->size(), type,
                                [text](size_t offset, size_t length, httplib::DataSink& sink) {
                                  if (offset > text->size() || length > text->size() - offset)
                                    return false;
                                  return sink.write(text->data() + offset, length);
                                });
}

void HttpServer::SendError(httplib::Response& response, const absl::Status& status) {
  if (absl::IsUnauthenticated(status)) response.set_header("WWW-Authenticate", "Bearer");
  Send(response, HttpStatus(status.code()), kJsonType,
       std::make_shared<const std::string>(ErrorJson(status)));
}

HttpServer::HttpServer(const Options& options) : authorize_(options.authorize) {
  for (const std::string& host : options.hosts) hosts_.insert(absl::AsciiStrToLower(host));
  hosts_.insert("localhost");
  std::array<char, 256> name = {};
  if (gethostname(name.data(), name.size() - 1) == 0) {
    hosts_.insert(absl::AsciiStrToLower(name.data()));
  }
  SetHandlers();
}

HttpServer::~HttpServer() { Stop(); }

void HttpServer::SetHandlers() {
  server_.new_task_queue = [] { return new httplib::ThreadPool(kMostStreams + kOtherThreads); };
  // Not SO_REUSEPORT, its default: with it two servers share a port, and nobody knows.
  server_.set_socket_options([](socket_t fd) {
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  });
  server_.set_tcp_nodelay(true);
  // A connection that waits for its next request would hold a thread.
  server_.set_keep_alive_max_count(1);
  server_.set_read_timeout(kReadTimeoutSeconds);
  server_.set_write_timeout(kWriteTimeoutSeconds);
  server_.set_payload_max_length(kMostBody);
  server_.set_default_headers({{"Content-Security-Policy", kContentSecurityPolicy},
                               {"X-Content-Type-Options", "nosniff"},
                               {"X-Frame-Options", "DENY"},
                               {"Referrer-Policy", "no-referrer"},
                               {"Cross-Origin-Opener-Policy", "same-origin"},
                               {"Cross-Origin-Resource-Policy", "same-origin"},
                               {"Cache-Control", "no-cache"}});
  server_.set_pre_routing_handler([this](const auto& request, auto& response) {
    // httplib would serve a range of what a provider gives without asking how much there is.
    const_cast<httplib::Request&>(request).ranges.clear();
    return Admit(request, response) ? httplib::Server::HandlerResponse::Unhandled
                                    : httplib::Server::HandlerResponse::Handled;
  });
  server_.set_error_handler([](const httplib::Request& request, httplib::Response& response) {
    if (!response.body.empty() || response.content_provider_) return;
    const int status = response.status;
    const std::string what = absl::StrCat(request.method, " ", request.path);
    SendError(response, status == 404 ? absl::NotFoundError(absl::StrCat("there is no ", what))
                                      : absl::InvalidArgumentError(absl::StrCat(
                                            what, " cannot be served: HTTP status ", status)));
    response.status = status;
  });
  server_.set_exception_handler([](const auto&, auto& response, std::exception_ptr) {
    SendError(response, absl::InternalError("the server could not answer; its log may say why"));
  });
}

bool HttpServer::IsOurs(const std::string& host) const {
  const std::string name = WithoutPort(host);
  return IsAddress(name) || hosts_.contains(name);
}

bool HttpServer::Admit(const httplib::Request& request, httplib::Response& response) const {
  const auto refuse = [&response](const std::string& why) {
    SendError(response, absl::PermissionDeniedError(why));
    return false;
  };
  const std::string host = request.get_header_value("Host");
  if (!IsOurs(host)) {
    return refuse(absl::StrCat("the host \"", host,
                               "\" is no name of this server; use its address, or start it with "
                               "--http-host NAME"));
  }
  if (request.path.size() > kMostPath) {
    SendError(response, absl::InvalidArgumentError("the path is too long"));
    return false;
  }
  const bool reads = request.method == "GET" || request.method == "HEAD";
  serving_caller = {};
  if (authorize_ && (!reads || NeedsToken(request.path))) {
    absl::StatusOr<HttpCaller> caller =
        authorize_({.method = request.method,
                    .path = request.path,
                    .authorization = request.get_header_value("Authorization"),
                    .peer = request.remote_addr});
    if (!caller.ok()) {
      SendError(response, caller.status());
      return false;
    }
    serving_caller = *std::move(caller);
  }
  if (reads) return true;
  if (request.get_header_value("X-Halving") != "1") {
    return refuse("a call that changes something needs the header \"X-Halving: 1\"");
  }
  // The body has not been read yet.
  const std::string length = request.get_header_value("Content-Length");
  const bool has_body = !length.empty() && length != "0";
  if (has_body && !absl::StartsWith(request.get_header_value("Content-Type"), kJsonType)) {
    return refuse(absl::StrCat("the body's Content-Type is \"",
                               request.get_header_value("Content-Type"), "\"; it must be ",
                               kJsonType));
  }
  return true;
}

bool HttpServer::NeedsToken(const std::string& path) const {
  if (open_.contains(path)) return false;
  return guarded_.contains(path) || absl::StartsWith(path, "/api/") || path == "/api" ||
         absl::StrContains(path, '.');
}

JsonRequest HttpServer::Read(const httplib::Request& request) {
  JsonRequest read{.body = request.body,
                   .authorization = request.get_header_value("Authorization"),
                   .caller = serving_caller};
  for (size_t i = 1; i < request.matches.size(); ++i) read.path.push_back(request.matches[i]);
  read.query.insert(request.params.begin(), request.params.end());
  return read;
}

void HttpServer::Serve(const JsonApi::Route& route) {
  const auto handler = [run = route.handler](const httplib::Request& request,
                                             httplib::Response& response) {
    absl::StatusOr<std::string> json = run(Read(request));
    if (!json.ok()) return SendError(response, json.status());
    Send(response, 200, kJsonType, std::make_shared<const std::string>(*std::move(json)));
  };
  if (route.method == "GET") server_.Get(route.pattern, handler);
  // Without one, a POST need not even say that it has none.
  const auto without_body = [handler](const auto& request, auto& response,
                                      const httplib::ContentReader&) {
    handler(request, response);
  };
  if (route.method == "POST" && route.has_body) server_.Post(route.pattern, handler);
  if (route.method == "POST" && !route.has_body) server_.Post(route.pattern, without_body);
  if (route.method == "DELETE") server_.Delete(route.pattern, without_body);
}

void HttpServer::Get(const std::string& path, httplib::Server::Handler handler) {
  guarded_.insert(path);
  server_.Get(path, std::move(handler));
}

void HttpServer::GetOpen(const std::string& path, httplib::Server::Handler handler) {
  open_.insert(path);
  server_.Get(absl::StrReplaceAll(path, {{".", "\\."}}), std::move(handler));
}

void HttpServer::GetPages(httplib::Server::Handler handler) {
  server_.Get("/(?!api/)[^.]*", std::move(handler));
}

void HttpServer::Stream(const std::string& pattern, OpenStream open) {
  server_.Get(pattern, [this, open = std::move(open)](const httplib::Request& request,
                                                      httplib::Response& response) {
    if (!TakeStream()) {
      response.set_header("Retry-After", "5");
      return SendError(response, absl::UnavailableError(absl::StrCat(
                                     kMostStreams,
                                     " pages follow this server already, the most "
                                     "that it serves; ask again now and then instead")));
    }
    absl::StatusOr<std::unique_ptr<EventStream>> opened = open(Read(request));
    if (!opened.ok()) {
      LeaveStream();
      return SendError(response, opened.status());
    }
    const std::shared_ptr<EventStream> stream = *std::move(opened);
    response.set_chunked_content_provider(
        "text/event-stream",
        [stream](size_t, httplib::DataSink& sink) { return SendNext(stream.get(), sink); },
        [this](bool) { LeaveStream(); });
  });
}

absl::Status HttpServer::Start(const std::string& listen) {
  const std::optional<HostPort> at = ParseHostPort(listen);
  if (!at.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--http is \"", listen, "\"; it must be HOST:PORT, such as 127.0.0.1:7080, or off"));
  }
  errno = 0;
  const int port = at->port == 0                              ? server_.bind_to_any_port(at->host)
                   : server_.bind_to_port(at->host, at->port) ? at->port
                                                              : -1;
  if (port < 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot serve HTTP on ", listen, ": ",
                     errno == 0 ? "no such address on this machine" : std::strerror(errno),
                     ". Stop what listens there, or choose another --http, or --http off"));
  }
  address_ = absl::StrCat(at->shown, ":", port);
  thread_ = std::thread([this, host = at->host, port] { Listen(host, port); });
  return absl::OkStatus();
}

// httplib stops listening when the system is out of something other than file descriptors.
void HttpServer::Listen(const std::string& host, int port) {
  bool bound = true;
  while (!stopping_) {
    if (bound) {
      server_.ListenForMany();
      server_.listen_after_bind();
    }
    if (stopping_) break;
    spdlog::warn("HTTP connections cannot be taken for now; trying again");
    halving::SleepFor(kListenAgainAfter);
    bound = server_.bind_to_port(host, port);
  }
  ended_ = true;
}

bool HttpServer::TakeStream() {
  MutexLock lock(&mu_);
  if (streams_ >= kMostStreams) return false;
  ++streams_;
  return true;
}

void HttpServer::LeaveStream() {
  MutexLock lock(&mu_);
  --streams_;
  left_.NotifyAll();
}

void HttpServer::Stop() {
  if (!thread_.joinable()) return;
  const absl::Time deadline = Clock::Real()->Now() + kFarewell;
  {
    MutexLock lock(&mu_);
    while (streams_ > 0 && Clock::Real()->Now() < deadline) {
      left_.WaitFor(&mu_, deadline - Clock::Real()->Now());
    }
  }
  stopping_ = true;
  while (!ended_) {
    // It passes by a server that does not run yet.
    if (server_.is_running()) server_.stop();
    halving::SleepFor(absl::Milliseconds(1));
  }
  thread_.join();
}

}  // namespace halving
