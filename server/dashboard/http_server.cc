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

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/clock.h"
#include "common/host_port.h"
#include "common/status.h"
#include "server/dashboard/json.h"
#include "spdlog/spdlog.h"

namespace halving {
namespace {

constexpr int kMostStreams = 64;
// For what is no stream: each takes milliseconds.
constexpr int kOtherThreads = 16;
// A right that was taken away ends a stream after that.
constexpr absl::Duration kAskAgainAfter = absl::Seconds(10);
// A page that does not read is not waited for.
constexpr absl::Duration kFarewell = absl::Seconds(2);
constexpr absl::Duration kListenAgainAfter = absl::Seconds(1);
constexpr char kStrictTransportSecurity[] = "max-age=31536000";
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

// What this thread answers: httplib hands on nothing of ours.
thread_local HttpExchange* serving = nullptr;

// Connections are taken over at once: there is nothing to wait for.
class NoQueue : public httplib::TaskQueue {
 public:
  void enqueue(std::function<void()> task) override { task(); }
  void shutdown() override {}
};

// What httplib reads a request from, and writes its answer to.
class ExchangeStream : public httplib::Stream {
 public:
  explicit ExchangeStream(HttpExchange* exchange) : exchange_(exchange) {
    const bool head_only = exchange->head().method() == "HEAD";
    // What was refused was perhaps not understood.
    head_ = !exchange->refusal().has_value()
                ? exchange->head().Rewritten()
                : absl::StrCat(head_only ? "HEAD" : "GET", " / HTTP/1.1\r\n\r\n");
    left_ = head_;
    if (!exchange->refusal().has_value()) body_ = exchange->body();
  }

  bool is_readable() const override { return true; }
  bool is_writable() const override { return !gone_; }
  ssize_t read(char* bytes, size_t size) override {
    absl::string_view* from = left_.empty() ? &body_ : &left_;
    const size_t count = from->copy(bytes, size);
    from->remove_prefix(count);
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* bytes, size_t size) override {
    gone_ = gone_ || !exchange_->Write({bytes, size});
    return gone_ ? -1 : static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    ip = exchange_->peer();
    port = 0;
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override {
    ip.clear();
    port = 0;
  }
  // It asks only whether the number is too high for select().
  socket_t socket() const override { return 0; }

 private:
  HttpExchange* const exchange_;
  std::string head_;
  absl::string_view left_;  // Of the head.
  absl::string_view body_;
  bool gone_ = false;
};

// A stream goes on while its caller may follow it.
class GuardedStream {
 public:
  GuardedStream(std::unique_ptr<EventStream> stream, Authorize authorize)
      : stream_(std::move(stream)), authorize_(std::move(authorize)) {
    call_ = {.method = serving->head().method(),
             .path = serving->head().path(),
             .authorization = serving->head().header("authorization"),
             .peer = serving->peer()};
  }

  bool over() const { return refused_ || stream_->over(); }
  std::string Next() {
    const absl::Time now = Clock::Real()->Now();
    if (authorize_ && now >= ask_at_) {
      refused_ = !authorize_(call_).ok();
      ask_at_ = now + kAskAgainAfter;
    }
    return refused_ ? "event: bye\ndata: {}\n\n" : stream_->Next();
  }

 private:
  const std::unique_ptr<EventStream> stream_;
  const Authorize authorize_;
  HttpCall call_;
  absl::Time ask_at_ = Clock::Real()->Now() + kAskAgainAfter;
  bool refused_ = false;
};

// httplib lets what a provider throws end the process.
bool SendNext(GuardedStream* stream, httplib::DataSink& sink) {
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

ListeningServer::ListeningServer(std::function<void(UniqueFd)> take) : take_(std::move(take)) {
  new_task_queue = [] { return new NoQueue(); };
}

HttpServer::HttpServer(const Options& options)
    : options_(options),
      connections_(
          options.limits, kMostStreams + kOtherThreads,
          [this](const HttpHead& head, const std::string& peer, HttpCaller* caller) {
            return Admit(head, peer, caller);
          },
          [this](HttpExchange* exchange) { Answer(exchange); }),
      server_([this](UniqueFd fd) { connections_.Add(std::move(fd)); }) {
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
  // Not SO_REUSEPORT, its default: with it two servers share a port, and nobody knows.
  server_.set_socket_options([](socket_t fd) {
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  });
  server_.set_tcp_nodelay(true);
  // What comes has been measured already.
  server_.set_payload_max_length(options_.limits.head.body_bytes);
  httplib::Headers headers = {{"Content-Security-Policy", kContentSecurityPolicy},
                              {"X-Content-Type-Options", "nosniff"},
                              {"X-Frame-Options", "DENY"},
                              {"Referrer-Policy", "no-referrer"},
                              {"Cross-Origin-Opener-Policy", "same-origin"},
                              {"Cross-Origin-Resource-Policy", "same-origin"},
                              {"Cache-Control", "no-cache"}};
  if (options_.tls) headers.emplace("Strict-Transport-Security", kStrictTransportSecurity);
  server_.set_default_headers(std::move(headers));
  server_.set_pre_routing_handler([](const auto&, auto& response) {
    const std::optional<HttpRefusal>& refusal = serving->refusal();
    if (!refusal.has_value()) return httplib::Server::HandlerResponse::Unhandled;
    SendError(response, refusal->why);
    response.status = refusal->status;
    return httplib::Server::HandlerResponse::Handled;
  });
  server_.set_post_routing_handler([](const auto&, auto& response) {
    if (response.is_chunked_content_provider_) serving->BeginStream();
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

void HttpServer::Answer(HttpExchange* exchange) {
  serving = exchange;
  const absl::Cleanup done = [] { serving = nullptr; };
  ExchangeStream stream(exchange);
  server_.Answer(&stream);
}

std::optional<HttpRefusal> HttpServer::Admit(const HttpHead& head, const std::string& peer,
                                             HttpCaller* caller) const {
  const auto refuse = [](const absl::Status& why) {
    return HttpRefusal{HttpStatus(why.code()), why};
  };
  const std::string host = head.header("host");
  if (!IsOurs(host)) {
    return refuse(absl::PermissionDeniedError(absl::StrCat(
        "the host \"", host,
        "\" is no name of this server; use its address, or start it with --http-host NAME")));
  }
  const bool reads = head.method() == "GET" || head.method() == "HEAD";
  if (options_.authorize && (!reads || NeedsToken(head.path()))) {
    absl::StatusOr<HttpCaller> known =
        options_.authorize({.method = head.method(),
                            .path = head.path(),
                            .authorization = head.header("authorization"),
                            .peer = peer});
    if (!known.ok()) return refuse(known.status());
    *caller = *std::move(known);
  }
  if (reads) return std::nullopt;
  if (head.header("x-halving") != "1") {
    return refuse(absl::PermissionDeniedError(
        "a call that changes something needs the header \"X-Halving: 1\""));
  }
  const std::string type = head.header("content-type");
  if (head.body_bytes() > 0 && !absl::StartsWith(type, kJsonType)) {
    return refuse(absl::PermissionDeniedError(
        absl::StrCat("the body's Content-Type is \"", type, "\"; it must be ", kJsonType)));
  }
  return std::nullopt;
}

bool HttpServer::NeedsToken(const std::string& path) const {
  if (open_.contains(path)) return false;
  return guarded_.contains(path) || absl::StartsWith(path, "/api/") || path == "/api" ||
         absl::StrContains(path, '.');
}

JsonRequest HttpServer::Read(const httplib::Request& request) {
  JsonRequest read{.body = request.body,
                   .authorization = serving->head().header("authorization"),
                   .caller = serving->caller()};
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
    const auto stream = std::make_shared<GuardedStream>(*std::move(opened), options_.authorize);
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
  std::unique_ptr<HttpTls> tls;
  if (options_.tls) {
    tls = std::make_unique<HttpTls>(options_.tls);
    HV_RETURN_IF_ERROR(tls->Load());
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
  connections_.Start(std::move(tls));
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
  connections_.Stop(kFarewell);
  while (!ended_) {
    // It passes by a server that does not run yet.
    if (server_.is_running()) server_.stop();
    halving::SleepFor(absl::Milliseconds(1));
  }
  thread_.join();
}

}  // namespace halving
