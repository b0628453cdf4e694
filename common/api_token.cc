#include "common/api_token.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/crypto.h"
#include "common/random.h"

namespace halving {
namespace {

constexpr absl::string_view kPrefix = "hv_";
constexpr size_t kIdDigits = 12;
constexpr size_t kSecretDigits = 64;

bool IsHex(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c)) || (c >= 'a' && c <= 'f');
  });
}

}  // namespace

std::string ApiToken::Text() const { return absl::StrCat(kPrefix, id, "_", secret); }

ApiToken MakeApiToken() {
  return {.id = absl::BytesToHexString(SecureRandomBytes(kIdDigits / 2)),
          .secret = absl::BytesToHexString(SecureRandomBytes(kSecretDigits / 2))};
}

std::optional<ApiToken> ParseApiToken(absl::string_view text) {
  if (text.size() != kPrefix.size() + kIdDigits + 1 + kSecretDigits ||
      !absl::ConsumePrefix(&text, kPrefix) || text[kIdDigits] != '_') {
    return std::nullopt;
  }
  const absl::string_view id = text.substr(0, kIdDigits);
  const absl::string_view secret = text.substr(kIdDigits + 1);
  if (!IsHex(id) || !IsHex(secret)) return std::nullopt;
  return ApiToken{.id = std::string(id), .secret = std::string(secret)};
}

std::optional<ApiToken> ParseBearer(absl::string_view header) {
  constexpr absl::string_view kScheme = "bearer ";
  if (!absl::StartsWithIgnoreCase(header, kScheme)) return std::nullopt;
  return ParseApiToken(absl::StripAsciiWhitespace(header.substr(kScheme.size())));
}

std::string HashOf(const ApiToken& token) { return Sha256(token.Text()); }

}  // namespace halving
