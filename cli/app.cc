#include "cli/app.h"

#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/command_line.h"
#include "cli/completion.h"
#include "cli/help.h"
#include "cli/man_page.h"
#include "cli/text.h"
#include "common/server_address.h"

namespace halving {
namespace {

// The chosen command; nullptr before there is one.
const CommandDoc* Chosen(const CommandTree& tree, const std::vector<std::string>& arguments) {
  const size_t at = CommandIndex(tree, arguments);
  return at < arguments.size() ? FindCommand(tree, arguments[at]) : nullptr;
}

std::string FlagHint(const CommandTree& tree, const CommandDoc& command, const std::string& word) {
  std::vector<std::string> names;
  for (const WordDoc& flag : command.flags) names.push_back(flag.long_name);
  for (const WordDoc& flag : tree.program.flags) names.push_back(flag.long_name);
  return Nearest(word.substr(0, word.find('=')), names);
}

// What went wrong, and what to do.
int Refuse(const CLI::ParseError& error, CommandLine* line,
           const std::vector<std::string>& arguments, Console* console) {
  const CommandTree tree = line->Tree();
  const CommandDoc* command = Chosen(tree, arguments);
  const std::string help =
      command == nullptr ? "halving --help" : absl::StrCat("halving ", command->name, " --help");
  std::string message = error.what();
  std::string meant;
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError)) {
    const std::vector<std::string> extras = line->app()->remaining(true);
    if (!extras.empty()) {
      message = absl::StrCat("\"", extras.front(), "\" was not expected",
                             command == nullptr ? "" : absl::StrCat(" by ", command->name));
      if (absl::StartsWith(extras.front(), "--")) {
        meant = FlagHint(tree, command == nullptr ? tree.program : *command, extras.front());
      }
    }
  }
  *console->err << "error: " << Printable(message)
                << "\nhint: " << (meant.empty() ? "" : absl::StrCat("did you mean ", meant, "? "))
                << "`" << help << "` tells what there is\n";
  return kExitUsage;
}

void ApplyColor(const std::string& color, Console* console) {
  if (color == "always") console->options.color = true;
  if (color == "never") console->options.color = false;
}

// Of --help and --version, which end the reading before the values were stored.
int Inform(const CLI::ParseError& error, CommandLine* line,
           const std::vector<std::string>& arguments, Console* console) {
  if (error.get_name() != "CallForHelp") {
    return line->app()->exit(error, *console->out, *console->err) == 0 ? kExitOk : kExitUsage;
  }
  const auto colors = line->app()->get_option("--color")->results();
  if (!colors.empty()) ApplyColor(colors.back(), console);
  const CommandTree tree = line->Tree();
  const CommandDoc* command = Chosen(tree, arguments);
  *console->out << (command == nullptr ? RenderHelp(tree, console->options)
                                       : RenderHelp(tree, *command, console->options));
  return kExitOk;
}

// The commands that are for shells and builds; not in the tree.
std::optional<int> RunHidden(const CommandTree& tree, const std::vector<std::string>& arguments,
                             Console* console) {
  if (arguments.empty()) return std::nullopt;
  if (arguments.front() == "__complete") {
    return CompleteCommand(tree, {arguments.begin() + 1, arguments.end()}, console);
  }
  if (arguments.front() != "__man") return std::nullopt;
  if (arguments.size() == 2) return ManCommand(tree, arguments.back(), console);
  *console->err << "error: __man takes a folder to write manual pages into\n";
  return kExitUsage;
}

int RunChosen(Parsed* parsed, Console* console) {
  ApplyColor(parsed->color, console);
  const absl::StatusOr<std::shared_ptr<ServerLink>> link =
      ServerLink::Make(*NormalizeServer(parsed->server), parsed->link);
  if (!link.ok()) {
    *console->err << "error: " << Printable(link.status().message()) << "\n";
    return kExitUsage;
  }
  Client client(**link, *ParseHumanDuration(parsed->timeout));
  const int code = parsed->action(&client, console);
  console->out->flush();
  if (code == kExitOk && !*console->out) {
    *console->err << "error: standard output could not be written\n";
    return kExitFailed;
  }
  return code;
}

}  // namespace

int RunCommandLine(const std::vector<std::string>& arguments, Console* console) {
  CommandLine line;
  const CommandTree tree = line.Tree();
  if (const std::optional<int> code = RunHidden(tree, arguments, console)) return *code;
  const size_t at = CommandIndex(tree, arguments);
  if (at < arguments.size() && FindCommand(tree, arguments[at]) == nullptr) {
    return RefuseCommand(tree, arguments[at], console);
  }
  try {
    // As CLI11 wants it.
    line.app()->parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return Inform(error, &line, arguments, console);
    return Refuse(error, &line, arguments, console);
  }
  if (!line.parsed()->action) {
    *console->err << RenderHelp(tree, console->options);
    return kExitUsage;
  }
  return RunChosen(line.parsed(), console);
}

}  // namespace halving
