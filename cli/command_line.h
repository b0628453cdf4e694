// CommandLine: the commands as they are declared to CLI11, with what CLI11 has no place for: how
// their help is grouped, examples, and which words a shell may complete.
#ifndef HALVING_CLI_COMMAND_LINE_H_
#define HALVING_CLI_COMMAND_LINE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "cli/client.h"
#include "cli/command_tree.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "common/server_link.h"

namespace halving {

// What the words of all commands are read into; each command uses a few.
struct Parsed {
  using Action = std::function<int(Client*, Console*)>;

  std::string server = "127.0.0.1:7070";
  LinkOptions link;
  std::string timeout = "30s";
  std::string color = "auto";
  Action action;  // Of the chosen command.

  std::string file;
  std::string name;
  std::string word;  // A shell, a folder, a topic: of the commands about the command line.
  int64_t trial_id = 0;
  std::string format;  // Empty: text.
  bool json = false;   // The older ways to say it.
  bool csv = false;
  std::string output;  // A file.
  std::string interval = "1s";
  std::vector<std::string> states;

  std::string new_name;
  std::string warm_start;
  bool yes = false;
  TrialsOptions trials;
  WorkersOptions workers;
  TopOptions top;
  TokenOptions token;
  LogsOptions logs;
  PlotOptions plot;
  bool curves = false;
  v1::Limits limits;
  int64_t max_evaluations = 0;
  int64_t max_rounds = 0;
  int64_t max_total_epochs = 0;
  std::string max_wall_time;
  double target_error = 0;
  std::string no_improvement;

  // What -o, --json and --csv say.
  Format OutputFormat() const;
};

// Values of a word, and what each means.
using Values = std::vector<std::pair<std::string, std::string>>;

// Thread-compatible: the one who parses owns it. Neither copied nor moved: callbacks point into it.
class CommandLine {
 public:
  struct About {
    absl::string_view group;  // One of kGroups.
    std::string name;
    std::string about;
    std::string examples;
    std::string details = {};
  };

  CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  CLI::App* app() { return &app_; }
  Parsed* parsed() { return &parsed_; }

  // Declares a command. `run` is called once all words were read, to say what to do; it may throw
  // CLI::ValidationError.
  CLI::App* Add(const About& about, std::function<Parsed::Action()> run);

  // Words that several commands have.
  void AddStudy(CLI::App* command);
  void AddStudyFile(CLI::App* command);
  void AddTrialId(CLI::App* command);
  // -o FORMAT; where json is among them, --json too, and --csv likewise.
  void AddFormats(CLI::App* command, const Values& formats);
  // Of a command that answers with a study.
  void AddStudyFormats(CLI::App* command);
  // A flag for an output file.
  void AddOutputFile(CLI::App* command, const std::string& about);
  CLI::Option* AddCount(CLI::App* command, const std::string& flag, int64_t* value,
                        const std::string& about);
  CLI::Option* AddDuration(CLI::App* command, const std::string& flag, std::string* value,
                           const std::string& about);
  // One of `values`, which are called `what` in messages.
  CLI::Option* AddChoice(CLI::App* command, const std::string& flag, std::string* value,
                         const std::string& what, const Values& values, const std::string& about);

  // Says what a shell may put there.
  void Complete(const CLI::Option* option, WordKind kind) { hints_[option].kind = kind; }
  void Complete(const CLI::Option* option, const Values& values) { hints_[option].values = values; }

  // All of it as data. Later declarations are not in it.
  CommandTree Tree() const;

 private:
  struct Hint {
    WordKind kind = WordKind::kOther;
    Values values;
  };

  void AddGlobalFlags();
  CommandDoc Describe(const CLI::App& app) const;
  WordDoc Describe(const CLI::Option& option) const;

  Parsed parsed_;
  CLI::App app_;
  std::map<const CLI::App*, About> about_;
  std::map<const CLI::Option*, Hint> hints_;
};

// Says that `word` is no command, and which may have been meant. Returns the exit code.
int RefuseCommand(const CommandTree& tree, const std::string& word, Console* console);

// Each declares the commands of one group.
void DeclareCreating(CommandLine* line);
void DeclareLooking(CommandLine* line);
void DeclareTrials(CommandLine* line);  // Looking, too: at trials.
void DeclareChanging(CommandLine* line);
void DeclareOperating(CommandLine* line);
void DeclareTokens(CommandLine* line);  // Operating, too.
void DeclareMore(CommandLine* line);

}  // namespace halving

#endif  // HALVING_CLI_COMMAND_LINE_H_
