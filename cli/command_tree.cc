#include "cli/command_tree.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace halving {
namespace {

// Letters to put in, take out, change, or swap with their neighbour.
size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<std::vector<size_t>> cost(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1,
                             cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace

const CommandDoc* FindCommand(const CommandTree& tree, absl::string_view name) {
  for (const CommandDoc& command : tree.commands) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

const WordDoc* FindFlag(const std::vector<WordDoc>& flags, absl::string_view word) {
  const absl::string_view name = word.substr(0, word.find('='));
  for (const WordDoc& flag : flags) {
    if (!name.empty() && (name == flag.short_name || name == flag.long_name)) return &flag;
  }
  return nullptr;
}

size_t CommandIndex(const CommandTree& tree, const std::vector<std::string>& words) {
  size_t at = 0;
  for (; at < words.size() && absl::StartsWith(words[at], "-"); ++at) {
    const WordDoc* flag = FindFlag(tree.program.flags, words[at]);
    if (flag != nullptr && !flag->value.empty() && !absl::StrContains(words[at], "=")) ++at;
  }
  return std::min(at, words.size());
}

std::string Nearest(absl::string_view word, const std::vector<std::string>& candidates) {
  const std::string lower = absl::AsciiStrToLower(word);
  std::string nearest;
  // Beyond a third of the letters it is another word.
  size_t least = std::min<size_t>(2, (lower.size() + 1) / 3) + 1;
  if (lower.size() > 64) return "";
  for (const std::string& candidate : candidates) {
    size_t distance = Distance(lower, candidate);
    // One who stops early means what begins so.
    if (lower.size() >= 3 && absl::StartsWith(candidate, lower)) distance = 1;
    if (distance >= least) continue;
    least = distance;
    nearest = candidate;
  }
  return nearest;
}

}  // namespace halving
