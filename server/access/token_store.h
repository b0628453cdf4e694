// TokenStore: the tokens of a server, in a file of its data directory.
#ifndef HALVING_SERVER_ACCESS_TOKEN_STORE_H_
#define HALVING_SERVER_ACCESS_TOKEN_STORE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace halving {

// What a token is for: each role may do what docs/security.md says, and nothing else.
enum class Role { kReader, kWorker, kAdmin };

// "reader", "worker" or "admin".
const char* RoleName(Role role);
absl::StatusOr<Role> ParseRole(const std::string& name);

// A token without its secret.
struct TokenRecord {
  std::string name;
  std::string id;  // Part of its text; no secret.
  Role role = Role::kReader;
  std::string owner;  // It reaches this owner's studies only; empty: all.
  absl::Time created;
  absl::Time expires = absl::InfiniteFuture();
  double max_calls_per_second = 0;  // 0: as the server says.
  std::string hash;                 // 32 bytes; HashOf().
};

// Keeps them in the order they were made. A change is on the disk when it returns; the file is
// whole at all times. Thread-compatible.
class TokenStore {
 public:
  // No file: no tokens. FAILED_PRECONDITION: the file cannot be read, or is not what was written.
  static absl::StatusOr<TokenStore> Open(const std::string& file);

  const std::vector<TokenRecord>& tokens() const { return tokens_; }
  // nullptr when there is none of that name. Valid until the next change.
  const TokenRecord* Find(const std::string& name) const;

  // ALREADY_EXISTS: the name. Else the errors of the file; then nothing has changed.
  absl::Status Add(const TokenRecord& token);
  // NOT_FOUND: no such name. Likewise.
  absl::Status Remove(const std::string& name);

 private:
  explicit TokenStore(std::string file) : file_(std::move(file)) {}
  absl::Status Write(std::vector<TokenRecord> tokens);

  std::string file_;
  std::vector<TokenRecord> tokens_;
};

}  // namespace halving

#endif  // HALVING_SERVER_ACCESS_TOKEN_STORE_H_
