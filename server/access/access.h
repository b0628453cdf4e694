// Access: who is calling, and whether he may.
#ifndef HALVING_SERVER_ACCESS_ACCESS_H_
#define HALVING_SERVER_ACCESS_ACCESS_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "server/access/token_store.h"

namespace halving {

// Who calls. Where no token is needed everybody is an admin.
struct Caller {
  std::string token;  // Its name; empty: none was needed.
  std::string id;     // Of the token.
  Role role = Role::kAdmin;
  std::string owner;  // Whose studies he reaches; empty: all.
};

// Thread-safe. What it refuses with says what was seen and what to do, and never a secret.
class Access {
 public:
  struct Options {
    bool needs_tokens = false;
    double max_calls_per_second = 0;  // Of each token that has no rate of its own; 0: any number.
  };

  // Opens the tokens in `data_dir`. Where tokens are needed and no admin's is there that reaches
  // the whole server, makes one, and writes its text to admin.token beside them.
  static absl::StatusOr<std::unique_ptr<Access>> Open(const std::string& data_dir, Clock* clock,
                                                      const Options& options);
  // Adds one, and writes its text to admin.token. For a server that does not run.
  static absl::Status MakeAdminToken(const std::string& data_dir, Clock* clock);

  static std::string AdminTokenFile(const std::string& data_dir);

  bool needs_tokens() const { return options_.needs_tokens; }

  // Of a header "Bearer <token>". UNAUTHENTICATED: there is none, or it is not valid.
  absl::StatusOr<Caller> Identify(absl::string_view header) const ABSL_LOCKS_EXCLUDED(mu_);
  // PERMISSION_DENIED: no rule allows it.
  static absl::Status MayCall(const Caller& caller, absl::string_view path);
  // UNAUTHENTICATED: his token was revoked or has expired since: for calls that take long.
  absl::Status StillValid(const Caller& caller) const ABSL_LOCKS_EXCLUDED(mu_);
  // Both, for one more call. When there were too many lately: UNAVAILABLE for calls that workers
  // make, since they try those again until they are answered, else RESOURCE_EXHAUSTED.
  absl::StatusOr<Caller> Admit(absl::string_view header, absl::string_view path)
      ABSL_LOCKS_EXCLUDED(mu_);

  // ---- the tokens, as AdminService has them
  struct NewToken {
    std::string name;
    Role role = Role::kReader;
    std::string owner;
    absl::Duration lifetime = absl::InfiniteDuration();
    double max_calls_per_second = 0;
  };
  struct CreatedToken {
    TokenRecord record;
    std::string text;  // Shown this once.
  };
  absl::StatusOr<CreatedToken> Create(const NewToken& token) ABSL_LOCKS_EXCLUDED(store_mu_, mu_);
  // FAILED_PRECONDITION: it is the last one that could make others.
  absl::Status Revoke(const std::string& name) ABSL_LOCKS_EXCLUDED(store_mu_, mu_);
  struct ListedToken {
    TokenRecord record;
    absl::Time last_used = absl::InfinitePast();  // Since the server's start.
  };
  std::vector<ListedToken> List() const ABSL_LOCKS_EXCLUDED(store_mu_, mu_);

 private:
  // One token in use. What changes with each call needs no lock.
  struct Entry {
    TokenRecord record;
    std::atomic<int64_t> last_used_ns = 0;
    std::atomic<int64_t> paid_until_ns = 0;  // When the calls so far are paid off, at its rate.
  };

  Access(TokenStore store, Clock* clock, const Options& options);
  absl::StatusOr<std::shared_ptr<Entry>> Find(absl::string_view header) const
      ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status CountCall(Entry* entry, absl::StatusCode refusal) const;
  void Index() ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_mu_) ABSL_LOCKS_EXCLUDED(mu_);

  Clock* const clock_;
  const Options options_;
  // Held while the disk is waited for, which no call may be.
  mutable Mutex store_mu_ ABSL_ACQUIRED_BEFORE(mu_);
  TokenStore store_ ABSL_GUARDED_BY(store_mu_);
  mutable Mutex mu_;
  absl::flat_hash_map<std::string, std::shared_ptr<Entry>> by_id_ ABSL_GUARDED_BY(mu_);
};

}  // namespace halving

#endif  // HALVING_SERVER_ACCESS_ACCESS_H_
