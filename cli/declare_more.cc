// The commands about the command line itself, as they are written.
#include "absl/strings/str_cat.h"
#include "cli/command_line.h"
#include "cli/completion.h"
#include "cli/help.h"

namespace halving {
namespace {

int HelpCommand(const CommandTree& tree, const std::string& word, Console* console) {
  if (word.empty()) {
    *console->out << RenderHelp(tree, console->options);
    return kExitOk;
  }
  if (const CommandDoc* command = FindCommand(tree, word); command != nullptr) {
    *console->out << RenderHelp(tree, *command, console->options);
    return kExitOk;
  }
  for (const HelpTopic& topic : HelpTopics()) {
    if (topic.name != word) continue;
    *console->out << RenderHelp(topic, console->options);
    return kExitOk;
  }
  return RefuseCommand(tree, word, console);
}

}  // namespace

void DeclareMore(CommandLine* line) {
  Parsed* p = line->parsed();
  CLI::App* help = line->Add({"More", "help", "Explain a command, or what holds for all of them",
                              "  halving help watch\n"
                              "  halving help exit-codes"},
                             [line, p] {
                               return [line, p](Client*, Console* console) {
                                 return HelpCommand(line->Tree(), p->word, console);
                               };
                             });
  help->add_option("COMMAND", p->word, "A command, or exit-codes, environment or formats");

  CLI::App* completion = line->Add(
      {"More", "completion", "Print a script that completes commands in a shell",
       "  source <(halving completion bash)\n"
       "  halving completion zsh > ~/.zsh/completions/_halving\n"
       "  halving completion fish > ~/.config/fish/completions/halving.fish",
       "It completes commands, flags, their values, names of studies and running trials, for which "
       "it asks the server. `cmake --install` puts the scripts where the shells look for them."},
      [p] {
        return [p](Client*, Console* console) {
          *console->out << CompletionScript(p->word);
          return static_cast<int>(kExitOk);
        };
      });
  line->AddChoice(completion, "SHELL", &p->word, "shell that there is a script for",
                  CompletionShells(), "The shell, with how it takes the script at once")
      ->required();
}

}  // namespace halving
