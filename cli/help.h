// Help: the command tree as text for people.
#ifndef HALVING_CLI_HELP_H_
#define HALVING_CLI_HELP_H_

#include <string>
#include <utility>
#include <vector>

#include "cli/command_tree.h"
#include "cli/style.h"

namespace halving {

// What holds for all commands and is told once.
struct HelpTopic {
  std::string name;                                          // As in `halving help NAME`.
  std::string about;                                         // One line without a full stop.
  std::vector<std::pair<std::string, std::string>> entries;  // A term and what it means.
  std::string more;  // Sentences, or indented lines of commands; may be empty.
};

// exit-codes, environment and formats.
const std::vector<HelpTopic>& HelpTopics();
const HelpTopic& ExitCodesTopic();
const HelpTopic& EnvironmentTopic();

// Of all commands in their groups; of one of them; of a topic.
std::string RenderHelp(const CommandTree& tree, const RenderOptions& options);
std::string RenderHelp(const CommandTree& tree, const CommandDoc& command,
                       const RenderOptions& options);
std::string RenderHelp(const HelpTopic& topic, const RenderOptions& options);

// "halving trial NAME ID [flags]".
std::string UsageLine(const CommandDoc& command);

// "-o, --output FORMAT"; `padded`: as if there were a short name.
std::string FlagTerm(const WordDoc& flag, bool padded);

// What it is, with its values, its default and the variable that gives it.
std::string FlagMeaning(const WordDoc& flag);

}  // namespace halving

#endif  // HALVING_CLI_HELP_H_
