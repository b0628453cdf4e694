// HttpServer: cpp-httplib with the manners that a server of ours needs.
#ifndef HALVING_SERVER_DASHBOARD_HTTP_SERVER_H_
#define HALVING_SERVER_DASHBOARD_HTTP_SERVER_H_

#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "common/mutex.h"
#include "common/unique_fd.h"
#include "httplib.h"
#include "server/dashboard/event_stream.h"
#include "server/dashboard/http_access.h"
#include "server/dashboard/http_connections.h"
#include "server/dashboard/http_tls.h"
#include "server/dashboard/json_api.h"
#include "server/dashboard/study_feed.h"

namespace halving {

// httplib's, which listens, routes and writes answers; but connections are taken and read by
// somebody else. Its queue of those that wait to be taken is longer than its own five.
class ListeningServer : public httplib::Server {
 public:
  explicit ListeningServer(std::function<void(UniqueFd)> take);

  // Once it is bound.
  void ListenForMany() { ::listen(svr_sock_, SOMAXCONN); }
  void Answer(httplib::Stream* stream) {
    bool closed = true;
    process_request(*stream, /*close_connection=*/true, closed, nullptr);
  }

 private:
  bool process_and_close_socket(socket_t socket) override {
    take_(UniqueFd(socket));
    return true;
  }

  const std::function<void(UniqueFd)> take_;
};

// Answers come with headers that keep foreign pages out, errors as JSON, and no request for a host
// that is not this one is served: docs/http.md, "What it refuses". It knows no study. Thread-safe
// once it is started.
class HttpServer {
 public:
  struct Options {
    std::set<std::string> hosts;  // Names of it beside its addresses, localhost and the machine's.
    Authorize authorize;          // None: everybody may do everything.
    HttpLimits limits;
    TlsSource tls;  // None: plain HTTP.
  };
  explicit HttpServer(const Options& options);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // ---- before Start()
  void Serve(const JsonApi::Route& route);
  // With a status, headers and a body as `handler` sets them by Send().
  void Get(const std::string& path, httplib::Server::Handler handler);
  // The same, but anybody may.
  void GetOpen(const std::string& path, httplib::Server::Handler handler);
  // Anybody may, at all paths that look like a page's and that nothing else serves.
  void GetPages(httplib::Server::Handler handler);
  // 503 while there are as many streams as it has threads for.
  using OpenStream =
      std::function<absl::StatusOr<std::unique_ptr<EventStream>>(const JsonRequest&)>;
  void Stream(const std::string& pattern, OpenStream open);

  // INVALID_ARGUMENT: `listen` is no host:port, or TLS's certificate or key cannot be used.
  // UNAVAILABLE: it cannot be bound.
  absl::Status Start(const std::string& listen);
  // host:port as bound.
  const std::string& address() const { return address_; }
  // Waits for requests under way, but for no client; streams must have been told to end. They get a
  // moment to say so to their pages.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

  // Sends a text that outlives the answer. Not by set_content(), which compresses with the highest
  // effort: half a second of a core for a script.
  static void Send(httplib::Response& response, int status, const std::string& type,
                   SharedText text);
  static void SendError(httplib::Response& response, const absl::Status& status);
  // What the request that this thread serves was made with, and by whom.
  static JsonRequest Read(const httplib::Request& request);

 private:
  // Why the request is not served, if so.
  std::optional<HttpRefusal> Admit(const HttpHead& head, const std::string& peer,
                                   HttpCaller* caller) const;
  void Answer(HttpExchange* exchange);
  bool NeedsToken(const std::string& path) const;
  bool IsOurs(const std::string& host) const;
  void SetHandlers();
  void Listen(const std::string& host, int port);
  // Whether there is room for one more stream, which is then taken.
  bool TakeStream() ABSL_LOCKS_EXCLUDED(mu_);
  void LeaveStream() ABSL_LOCKS_EXCLUDED(mu_);

  const Options options_;
  std::set<std::string> hosts_;
  std::set<std::string> open_;     // Paths that anybody may get,
  std::set<std::string> guarded_;  // and that look like a page's, but need a right.
  HttpConnections connections_;
  ListeningServer server_;
  std::thread thread_;
  std::string address_;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> ended_ = false;  // The thread has.

  Mutex mu_;
  CondVar left_;
  int streams_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace halving

#endif  // HALVING_SERVER_DASHBOARD_HTTP_SERVER_H_
