// HttpConnections: the sockets of an HTTP server, whatever clients do with them.
#ifndef HALVING_SERVER_DASHBOARD_HTTP_CONNECTIONS_H_
#define HALVING_SERVER_DASHBOARD_HTTP_CONNECTIONS_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "common/thread_pool.h"
#include "common/unique_fd.h"
#include "server/dashboard/http_access.h"
#include "server/dashboard/http_head.h"
#include "server/dashboard/http_tls.h"

namespace halving {

struct HttpLimits {
  int connections = 512;
  int connections_of_an_address = 256;         // An IPv6 network of 64 bits counts as one.
  absl::Duration receive = absl::Seconds(10);  // Of a whole request, with the TLS handshake.
  absl::Duration send = absl::Seconds(20);     // Of a whole answer, and of one event of a stream.
  absl::Duration linger = absl::Seconds(1);    // Of a client that does not hang up.
  HttpHeadLimits head;
  size_t received_bytes = 64 << 20;  // Of all requests that are not complete.
  size_t waiting_bytes = 256 << 20;  // Of all answers that their clients have not taken.
};

// One request, from its first byte to the last one of its answer.
class HttpExchange {
 public:
  const HttpHead& head() const { return head_; }
  absl::string_view body() const { return absl::string_view(in_).substr(head_bytes_); }
  const std::string& peer() const { return peer_; }
  // Why it must be answered with an error; the head need not be one then.
  const std::optional<HttpRefusal>& refusal() const { return refusal_; }
  const HttpCaller& caller() const { return caller_; }

  // What is written from now on is sent at once, by who writes it.
  void BeginStream() { streams_ = true; }
  // False: the client is gone, or does not read.
  bool Write(absl::string_view bytes);

 private:
  friend class HttpConnections;
  enum class State { kGreeting, kReceiving, kSending, kLingering, kOver };

  HttpExchange(const HttpLimits& limits, std::string peer)
      : limits_(limits), peer_(std::move(peer)) {}
  bool WriteNow(absl::string_view bytes);

  const HttpLimits& limits_;
  const std::string peer_;
  std::string network_;
  UniqueFd arrived_;        // Until it is a wire.
  bool is_polled_ = false;  // Of the one thread: else a worker has all the rest.
  size_t counted_ = 0;      // Of HttpConnections::received_bytes_.
  std::unique_ptr<HttpWire> wire_;
  State state_ = State::kGreeting;
  absl::Time deadline_;
  short events_ = 0;  // What poll() is to wait for.
  std::string in_;
  size_t head_bytes_ = 0;  // 0 until the head is there.
  HttpHead head_;
  std::optional<HttpRefusal> refusal_;
  HttpCaller caller_;
  std::string out_;
  size_t sent_ = 0;
  bool streams_ = false;
};

// One thread receives all requests and sends all answers, so that a client that is slow holds some
// memory for some seconds, and no thread. Threads of their own answer requests that are there
// whole, and write streams. Beyond the limits connections are closed. Thread-safe.
class HttpConnections {
 public:
  // Whether to go on with a request, of which there is the head; sets the caller. By the one
  // thread.
  using Admit = std::function<std::optional<HttpRefusal>(const HttpHead& head,
                                                         const std::string& peer, HttpCaller*)>;
  // Writes the answer. By one of the `threads`; it may throw.
  using Answer = std::function<void(HttpExchange*)>;

  HttpConnections(const HttpLimits& limits, int threads, Admit admit, Answer answer);
  ~HttpConnections();

  // `tls` may be null; else it must have been loaded.
  void Start(std::unique_ptr<HttpTls> tls);
  // Takes a connection over.
  void Add(UniqueFd fd) ABSL_LOCKS_EXCLUDED(mu_);
  // Takes no more. Requests under way are answered, and answers get until `patience` is over to be
  // taken; what is no whole request yet is dropped.
  void Stop(absl::Duration patience) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  using Exchange = std::shared_ptr<HttpExchange>;
  using State = HttpExchange::State;
  using Outcome = HttpWire::Outcome;

  void Loop();
  // False when there is nothing left to be done.
  bool TakeIn(std::vector<Exchange>* polled) ABSL_LOCKS_EXCLUDED(mu_);
  void Await(const std::vector<Exchange>& polled, std::vector<bool>* ready);
  void Step(const Exchange& exchange, bool ready);
  void Greet(const Exchange& exchange);
  void Receive(const Exchange& exchange);
  void TakeHead(const Exchange& exchange, size_t searched);
  void Serve(const Exchange& exchange) ABSL_LOCKS_EXCLUDED(mu_);
  void Refuse(const Exchange& exchange, HttpRefusal refusal);
  void Send(const Exchange& exchange);
  void Linger(const Exchange& exchange);
  void Overdue(const Exchange& exchange);
  void Shed(const std::vector<Exchange>& polled);
  // Whether there is nothing to be done for now.
  bool IsHeldUp(const Exchange& exchange, Outcome outcome);
  void Discount(HttpExchange* exchange, size_t bytes);
  void Forget(const Exchange& exchange) ABSL_LOCKS_EXCLUDED(mu_);
  void Return(const Exchange& exchange) ABSL_LOCKS_EXCLUDED(mu_);
  void Wake();

  const HttpLimits limits_;
  const Admit admit_;
  const Answer answer_;
  std::unique_ptr<HttpTls> tls_;
  UniqueFd wake_;
  size_t received_bytes_ = 0;  // Of who is the one thread.
  ThreadPool workers_;
  std::thread thread_;

  Mutex mu_;
  std::vector<Exchange> arrived_ ABSL_GUARDED_BY(mu_);  // New ones, and ones that are answered.
  std::set<Exchange> serving_ ABSL_GUARDED_BY(mu_);
  int open_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<std::string, int> open_by_network_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  absl::Time end_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
};

}  // namespace halving

#endif  // HALVING_SERVER_DASHBOARD_HTTP_CONNECTIONS_H_
