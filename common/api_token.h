// Tokens: the secrets that callers of a server show, "hv_<id>_<secret>".
#ifndef HALVING_COMMON_API_TOKEN_H_
#define HALVING_COMMON_API_TOKEN_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace halving {

// A token in its two parts. The id is no secret: it finds the token, and logs may name it. Only a
// hash of the secret is kept.
struct ApiToken {
  std::string id;      // 12 hexadecimal digits.
  std::string secret;  // 64.

  std::string Text() const;
};

// From the system's randomness: 256 bits of secret.
ApiToken MakeApiToken();

// nullopt for anything but the text of one.
std::optional<ApiToken> ParseApiToken(absl::string_view text);

// The same out of "Bearer <text>", as calls carry it.
std::optional<ApiToken> ParseBearer(absl::string_view header);

// 32 bytes. Plain SHA-256: a secret of 256 random bits cannot be guessed, so a slow hash, which
// protects passwords, would only make calls slow.
std::string HashOf(const ApiToken& token);

}  // namespace halving

#endif  // HALVING_COMMON_API_TOKEN_H_
