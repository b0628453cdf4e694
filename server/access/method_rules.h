// Which role may call which method: the one table of it.
#ifndef HALVING_SERVER_ACCESS_METHOD_RULES_H_
#define HALVING_SERVER_ACCESS_METHOD_RULES_H_

#include <vector>

#include "absl/strings/string_view.h"

namespace halving {

// An admin may call all that has a rule. What has none nobody may call, if tokens are needed.
struct MethodRule {
  absl::string_view path;  // "/package.Service/Method".
  bool reader = false;
  bool worker = false;
  bool whole_server = false;  // Not for the token of an owner.
};

// docs/security.md shows it; a test compares both, and the contract's methods with it.
const std::vector<MethodRule>& MethodRules();

// nullptr when there is none.
const MethodRule* FindRule(absl::string_view path);

}  // namespace halving

#endif  // HALVING_SERVER_ACCESS_METHOD_RULES_H_
