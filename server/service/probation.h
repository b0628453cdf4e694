// Probation: what a connection may send before one of its calls was let in.
#ifndef HALVING_SERVER_SERVICE_PROBATION_H_
#define HALVING_SERVER_SERVICE_PROBATION_H_

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "common/unique_fd.h"
#include "grpcpp/support/server_interceptor.h"

namespace halving {

// gRPC reads header blocks without end, and streams that are opened and reset at once, before it
// knows whose they are, and keeps what it reads (1.51: gigabytes, by one connection). So each
// connection is looked at from beside, often, until a first call of it was let in: by then it
// needs some kilobytes, and one that sends far more is cut off. Bytes are counted below TLS.
//
// Thread-safe.
class Probation {
 public:
  Probation();
  ~Probation();
  Probation(const Probation&) = delete;
  Probation& operator=(const Probation&) = delete;

  // Takes an accepted socket under watch, which stays the caller's.
  void Begin(int fd) ABSL_LOCKS_EXCLUDED(mu_);
  // Of the connection from there, as gRPC names it: "ipv4:10.0.0.5:1234".
  void End(const std::string& peer) ABSL_LOCKS_EXCLUDED(mu_);
  // Connections under watch.
  int count() const { return count_.load(std::memory_order_relaxed); }

  // Of a server's calls: makes none, but ends the probation of who calls. gRPC makes interceptors
  // for a call that its credentials have let in.
  std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> EndAtCalls();

 private:
  struct Newcomer {
    UniqueFd fd;  // Of its own, so that nobody else's is cut off.
    absl::Time over_since = absl::InfiniteFuture();
  };

  void Loop() ABSL_LOCKS_EXCLUDED(mu_);
  // Cuts off who sent too much; forgets who has gone.
  void Look() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  std::atomic<int> count_ = 0;
  Mutex mu_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  absl::flat_hash_map<std::string, Newcomer> newcomers_ ABSL_GUARDED_BY(mu_);  // By peer.
  std::thread thread_;
};

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_PROBATION_H_
