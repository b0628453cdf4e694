// CommandTree: what there is to say on the command line, as data. Help, man pages and completion
// are made from it, so that none of them can know a command or a flag that the others do not.
#ifndef HALVING_CLI_COMMAND_TREE_H_
#define HALVING_CLI_COMMAND_TREE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace halving {

// What may stand for a word, other than listed values.
enum class WordKind { kOther, kStudy, kTrial, kFile, kFolder };

// A flag, or a word that stands without one.
struct WordDoc {
  std::string short_name;  // "-o", or empty. Of a word without a flag both names are empty.
  std::string long_name;   // "--output".
  std::string value;       // "FILE"; empty: the flag stands alone.
  std::string about;
  std::string default_value;  // Empty: none to tell of.
  std::string environment;    // The variable that gives it, too.
  bool required = false;
  bool repeated = false;
  WordKind kind = WordKind::kOther;
  std::vector<std::pair<std::string, std::string>> values;  // And what each means; none: any.
};

struct CommandDoc {
  std::string name;  // Empty: the program itself.
  std::string group;
  std::string about;     // One line without a full stop.
  std::string details;   // Sentences; may be empty.
  std::string examples;  // Lines of "halving ...".
  std::vector<WordDoc> arguments;
  std::vector<WordDoc> flags;
};

struct CommandTree {
  CommandDoc program;  // Its flags may stand with every command.
  std::vector<CommandDoc> commands;
};

// The groups, in the order in which a study meets them.
inline constexpr absl::string_view kGroups[] = {"Create", "Look", "Change", "Operate", "More"};

// nullptr where there is none of that name.
const CommandDoc* FindCommand(const CommandTree& tree, absl::string_view name);

// The flag that `word`, "-o", "--output" or "--output=x", names; nullptr where there is none.
const WordDoc* FindFlag(const std::vector<WordDoc>& flags, absl::string_view word);

// Where in `words` the command stands, behind the program's own flags; words.size() without one.
size_t CommandIndex(const CommandTree& tree, const std::vector<std::string>& words);

// The candidate that was most likely meant by a misspelt `word`; empty when none is close.
std::string Nearest(absl::string_view word, const std::vector<std::string>& candidates);

}  // namespace halving

#endif  // HALVING_CLI_COMMAND_TREE_H_
