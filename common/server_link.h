// ServerLink: how a program of ours reaches a server: its address, TLS, and the token it shows.
#ifndef HALVING_COMMON_SERVER_LINK_H_
#define HALVING_COMMON_SERVER_LINK_H_

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/mutex.h"
#include "common/tls_files.h"
#include "grpcpp/channel.h"
#include "grpcpp/support/channel_arguments.h"

namespace halving {

// As flags and the environment say it; common/link_flags.h declares them.
struct LinkOptions {
  bool tls = false;  // With the system's CAs; files.ca means TLS, too.
  TlsFiles files;
  std::string token_file;
  bool insecure = false;  // Plaintext beyond loopback is all right.
};

// The token of a caller: HALVING_TOKEN, or a file that is read again when it changes, so that a
// token can be replaced without a restart. Thread-safe.
class TokenSource {
 public:
  // nullptr when there is none. INVALID_ARGUMENT: what is there is no token, or the file cannot be
  // read; the text is not in the message.
  static absl::StatusOr<std::shared_ptr<TokenSource>> Open(const std::string& file);

  // "Bearer hv_...". Of a file that cannot be read now, what was in it before.
  std::string Header() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  TokenSource(std::string file, std::string header)
      : file_(std::move(file)), header_(std::move(header)) {}

  const std::string file_;  // Empty: from the environment.
  Mutex mu_;
  std::string header_ ABSL_GUARDED_BY(mu_);
  std::string seen_ ABSL_GUARDED_BY(mu_);  // Which file, of what time, was looked at.
};

// Thread-safe.
class ServerLink {
 public:
  // Plaintext, and no token: for tests and measurements.
  explicit ServerLink(std::string address) : address_(std::move(address)) {}
  // `server` as NormalizeServer() gives it. INVALID_ARGUMENT, with the flag: a file is not what it
  // should be, or a token or results would travel in clear text.
  static absl::StatusOr<std::shared_ptr<ServerLink>> Make(const std::string& server,
                                                          const LinkOptions& options);

  const std::string& address() const { return address_; }
  // A channel whose calls all show the token.
  std::shared_ptr<grpc::Channel> Open(const grpc::ChannelArguments& arguments) const;

 private:
  std::string address_;
  LinkOptions options_;
  std::shared_ptr<TokenSource> token_;
};

}  // namespace halving

#endif  // HALVING_COMMON_SERVER_LINK_H_
