// What --version says: which build this is, and on what it runs.
#ifndef HALVING_COMMON_BUILD_INFO_H_
#define HALVING_COMMON_BUILD_INFO_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace halving {

// The commit that was built, with "-dirty" behind it when the sources had changes that no commit
// has; "unknown" when it was not built from a git clone. The one thing in a program that differs
// from commit to commit: it has a file of its own, so that nothing else is compiled again.
absl::string_view BuildCommit();

struct LibraryVersion {
  std::string name;
  std::string version;
};

// `first_line`, which names the program and its version, the commit, and each library, on lines of
// their own.
std::string VersionText(absl::string_view first_line, const std::vector<LibraryVersion>& libraries);

// Abseil, OpenSSL. The latter, as all where the library can be asked, is the one it runs with,
// which need not be the one it was built with.
std::vector<LibraryVersion> BaseVersions();

}  // namespace halving

#endif  // HALVING_COMMON_BUILD_INFO_H_
