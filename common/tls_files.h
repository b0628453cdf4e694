// TLS certificates and keys as files: read, checked, and read again when they change.
#ifndef HALVING_COMMON_TLS_FILES_H_
#define HALVING_COMMON_TLS_FILES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/mutex.h"

namespace halving {

// Paths of PEM files; an empty one: there is none.
struct TlsFiles {
  std::string cert;  // A certificate, and those between it and the CA.
  std::string key;   // Its key.
  std::string ca;    // The CAs that the other side's certificate may be of.
};

// What was in them, checked.
struct TlsMaterial {
  std::string cert_pem;
  std::string key_pem;
  std::string ca_pem;
  absl::Time expires = absl::InfiniteFuture();  // Of the certificate.
};

// INVALID_ARGUMENT, with the file and what is wrong with it: it is not there, it is no PEM, the key
// is another certificate's, it is encrypted, one of cert and key is missing, or the certificate is
// valid before or after `now` only.
absl::StatusOr<TlsMaterial> LoadTls(const TlsFiles& files, absl::Time now);

// Looks at the files now and then, and keeps what was good last: a half-written pair, or one that
// is wrong, is told once and not taken. Thread-safe.
class TlsWatcher {
 public:
  struct Options {
    absl::Duration interval = absl::Seconds(5);
    std::function<void(const std::string&)> inform;
    std::function<void(const std::string&)> warn;
  };
  // What there is, and a number that grows with each change.
  struct Current {
    std::shared_ptr<const TlsMaterial> material;
    uint64_t generation = 0;
  };

  // The errors of LoadTls().
  static absl::StatusOr<std::unique_ptr<TlsWatcher>> Start(const TlsFiles& files, Options options);
  ~TlsWatcher();
  TlsWatcher(const TlsWatcher&) = delete;
  TlsWatcher& operator=(const TlsWatcher&) = delete;

  const TlsFiles& files() const { return files_; }
  Current current() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  TlsWatcher(const TlsFiles& files, Options options, TlsMaterial material);
  void Loop() ABSL_LOCKS_EXCLUDED(mu_);
  void Look() ABSL_LOCKS_EXCLUDED(mu_);

  const TlsFiles files_;
  const Options options_;
  std::string told_;             // The last problem, of the thread.
  bool told_of_expiry_ = false;  // Likewise.

  mutable Mutex mu_;
  CondVar stop_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  Current current_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace halving

#endif  // HALVING_COMMON_TLS_FILES_H_
