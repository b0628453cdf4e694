// HTTPS: how bytes travel on a connection, in the clear or by TLS.
#ifndef HALVING_SERVER_DASHBOARD_HTTP_TLS_H_
#define HALVING_SERVER_DASHBOARD_HTTP_TLS_H_

#include <openssl/ssl.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "common/tls_files.h"
#include "common/unique_fd.h"

namespace halving {

// What a server shows and, where there is a CA, asks of its clients. Asked for each connection, by
// one thread: it must not block.
using TlsSource = std::function<TlsWatcher::Current()>;

// One connection's bytes. Its socket never blocks. Thread-compatible: one thread at a time.
class HttpWire {
 public:
  enum class Outcome { kDone, kWantsRead, kWantsWrite, kOver };

  virtual ~HttpWire() = default;

  int fd() const { return fd_.get(); }
  // Until it is done, nothing can be read or written.
  virtual Outcome Greet() = 0;
  // kDone: `*size` bytes at most, at least one; then `*size` says how many.
  virtual Outcome Read(char* bytes, size_t* size) = 0;
  virtual Outcome Write(const char* bytes, size_t* size) = 0;
  // Says that nothing more will be written.
  virtual void Finish() = 0;

  static std::unique_ptr<HttpWire> Plain(UniqueFd fd);

 protected:
  explicit HttpWire(UniqueFd fd) : fd_(std::move(fd)) {}

 private:
  const UniqueFd fd_;
};

// Makes connections speak TLS 1.2 or 1.3 with the source's identity of the moment: one that has
// changed holds for connections made from then on. Thread-compatible.
class HttpTls {
 public:
  explicit HttpTls(TlsSource source) : source_(std::move(source)) {}

  // INVALID_ARGUMENT: the identity cannot be used.
  absl::Status Load();
  // With the last identity that could be used, if the one of the moment cannot be.
  std::unique_ptr<HttpWire> Wrap(UniqueFd fd);

 private:
  struct FreeContext {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  using Context = std::unique_ptr<SSL_CTX, FreeContext>;

  const TlsSource source_;
  Context context_;
  std::optional<uint64_t> generation_;  // Of the last identity that was looked at.
};

}  // namespace halving

#endif  // HALVING_SERVER_DASHBOARD_HTTP_TLS_H_
