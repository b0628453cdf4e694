// Listener: takes connections on one address and hands them on.
#ifndef HALVING_SERVER_SERVICE_LISTENER_H_
#define HALVING_SERVER_SERVICE_LISTENER_H_

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace halving {

// Instead of gRPC's own, which takes no connection ever again once it has run out of file
// descriptors (seen in 1.51); this one waits until there are some. It knows no protocol.
// Thread-compatible.
class Listener {
 public:
  // Called on the listener's thread with a connected socket, which is then the callee's.
  using OnConnection = std::function<void(int listening_fd, int fd)>;

  // Binds host:port (an IPv6 address in brackets; port 0 picks one; a name: all its addresses).
  // INVALID_ARGUMENT: it is no host:port. UNAVAILABLE: it cannot be bound, and why.
  static absl::StatusOr<std::unique_ptr<Listener>> Bind(const std::string& address);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // host:port as bound.
  const std::string& address() const { return address_; }

  void Start(OnConnection on_connection);
  // Ends the thread and closes the sockets: from then on connections are refused.
  void Stop();

 private:
  Listener() = default;

  absl::Status BindAll(const std::string& host, const std::string& port);
  void Loop(const OnConnection& on_connection);
  // False when there are no descriptors for now.
  bool Accept(int listening_fd, const OnConnection& on_connection);
  // Until something is to be done, Stop() included, or for so long; -1: for ever.
  void Wait(bool for_connections, int timeout_ms);
  bool IsStopping();

  std::string address_;
  std::vector<int> fds_;
  int stop_fd_ = -1;
  bool starving_ = false;  // Said once.
  std::thread thread_;
};

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_LISTENER_H_
