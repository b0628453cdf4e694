// Manual pages, as man(1) reads them, made from the command tree.
#ifndef HALVING_CLI_MAN_PAGE_H_
#define HALVING_CLI_MAN_PAGE_H_

#include <string>

#include "cli/command_tree.h"
#include "cli/console.h"

namespace halving {

// halving(1), and one page for each command, such as halving-watch(1).
std::string ManPage(const CommandTree& tree);
std::string ManPage(const CommandDoc& command);

// Writes all of them into a folder, which must be there.
int ManCommand(const CommandTree& tree, const std::string& folder, Console* console);

}  // namespace halving

#endif  // HALVING_CLI_MAN_PAGE_H_
