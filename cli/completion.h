// Completion of command lines in shells. The shells' scripts know no command: they hand the words
// to `halving __complete`, which answers from the command tree.
#ifndef HALVING_CLI_COMPLETION_H_
#define HALVING_CLI_COMPLETION_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "cli/command_tree.h"
#include "cli/console.h"

namespace halving {

// What may be put for the last of some words.
struct Completion {
  std::vector<std::pair<std::string, std::string>> candidates;  // And what each means.
  WordKind kind = WordKind::kOther;                             // What else may stand there.
  std::string prefix;  // Of what else: "--study=", where the word has begun so.
  std::string server;  // That the words name; empty: none.
  std::string study;   // The same.
};

// `words` are those after "halving"; the last one, perhaps empty, is to be completed.
Completion CompleteWords(const CommandTree& tree, const std::vector<std::string>& words);

// Prints for `words` a candidate a line, with a tab and what it means, then ":file", ":folder" or
// ":none": what else the shell may offer. Names of studies, and the best and the running trials of
// one, are asked of the server, which has a second; whatever fails is silent.
int CompleteCommand(const CommandTree& tree, const std::vector<std::string>& words,
                    Console* console);

// The shells that there is a script for, and where each wants it.
std::vector<std::pair<std::string, std::string>> CompletionShells();

// The script for one of those.
absl::string_view CompletionScript(absl::string_view shell);

}  // namespace halving

#endif  // HALVING_CLI_COMPLETION_H_
