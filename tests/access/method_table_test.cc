// docs/security.md shows the rules as they are.
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/access/method_rules.h"

namespace halving {
namespace {

std::string YesOrNo(bool yes) { return yes ? "yes" : "-"; }

TEST(MethodTableTest, TheDocumentShowsEveryRuleAndNoOther) {
  std::vector<std::string> expected;
  for (const MethodRule& rule : MethodRules()) {
    if (absl::StartsWith(rule.path, "/http/")) continue;
    expected.push_back(absl::StrCat("| `", rule.path.substr(1), "` | ", YesOrNo(rule.reader), " | ",
                                    YesOrNo(rule.worker), " | yes | ", YesOrNo(!rule.whole_server),
                                    " |"));
  }
  std::ifstream document(SECURITY_DOCUMENT);
  std::vector<std::string> shown;
  bool in_table = false;
  for (std::string line; std::getline(document, line);) {
    if (line == "<!-- methods -->") in_table = true;
    if (in_table && absl::StartsWith(line, "| `")) shown.push_back(line);
    if (in_table && line.empty()) break;
  }
  EXPECT_THAT(shown, testing::ElementsAreArray(expected));
}

}  // namespace
}  // namespace halving
