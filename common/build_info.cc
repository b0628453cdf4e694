#include "common/build_info.h"

#include <openssl/crypto.h>

#include "absl/base/config.h"
#include "absl/strings/str_cat.h"

namespace halving {

std::string VersionText(absl::string_view first_line,
                        const std::vector<LibraryVersion>& libraries) {
  std::string text = absl::StrCat(first_line, "\ncommit ", BuildCommit());
  for (const LibraryVersion& library : libraries) {
    absl::StrAppend(&text, "\n", library.name, " ", library.version);
  }
  return text;
}

std::vector<LibraryVersion> BaseVersions() {
#ifdef ABSL_LTS_RELEASE_VERSION
  const std::string abseil =
      absl::StrCat(ABSL_LTS_RELEASE_VERSION, ".", ABSL_LTS_RELEASE_PATCH_LEVEL);
#else
  const std::string abseil = "of no release";
#endif
  return {{"Abseil", abseil}, {"OpenSSL", OpenSSL_version(OPENSSL_VERSION_STRING)}};
}

}  // namespace halving
