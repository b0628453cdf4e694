// What each subcommand of `halving` does. Each asks through the client, writes to the console and
// returns the process's exit code.
#ifndef HALVING_CLI_COMMANDS_H_
#define HALVING_CLI_COMMANDS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cli/client.h"
#include "cli/console.h"
#include "cli/svg_plot.h"
#include "halving/v1/study.pb.h"

namespace halving {

enum ExitCode : int {
  kExitOk = 0,
  kExitFailed = 1,      // The server refused or could not be reached, or the answer not be written.
  kExitUsage = 2,       // What was asked for makes no sense, or the study file does not.
  kExitEndedEarly = 3,  // watch: the study was STOPPED or has FAILED.
};

// How an answer is written; each command has some of them.
enum class Format { kText, kWide, kJson, kCsv, kName };

struct TrialsOptions {
  std::vector<v1::TrialState> states;  // None: all.
  bool by_error = false;
  int64_t limit = 0;  // 0: all.
  Format format = Format::kText;
};

struct WorkersOptions {
  std::string study;  // Empty: of any, or none.
  bool idle = false;
  std::string sort = "name";
  Format format = Format::kText;
};

struct TopOptions {
  absl::Duration interval = absl::Seconds(1);
  int64_t limit = 100;  // Studies asked for.
};

struct LogsOptions {
  int64_t tail = 0;     // 0: all lines.
  int64_t attempt = 0;  // 0: all attempts.
  bool previous = false;
  bool follow = false;
  bool json = false;
};

struct TokenOptions {
  std::string action;  // create, list or revoke.
  std::string name;
  std::string role;
  std::string owner;
  std::string expires;  // A duration; empty: never.
  double max_rate = 0;  // 0: as the server says.
  std::string file;     // Empty: standard output.
  Format format = Format::kText;
};

// Says on standard error why a call failed and what to do.
int Fail(const absl::Status& status, Client* client, Console* console);

int PlanCommand(const std::string& file, Format format, Client* client, Console* console);
// The name and the warm start of `instead` replace the file's, where they are set.
int CreateCommand(const std::string& file, const v1::StudySpec& instead, Format format,
                  Client* client, Console* console);
int ListCommand(Format format, Client* client, Console* console);
int PauseCommand(const std::string& name, Format format, Client* client, Console* console);
int ResumeCommand(const std::string& name, Format format, Client* client, Console* console);
int StopCommand(const std::string& name, Format format, Client* client, Console* console);
int ExtendCommand(const std::string& name, const v1::Limits& limits, Format format, Client* client,
                  Console* console);
// Asks first, unless `yes`; without a terminal to ask on, it refuses.
int DeleteCommand(const std::string& name, bool yes, Client* client, Console* console);

int StatusCommand(const std::string& name, Format format, Client* client, Console* console);
int TrialsCommand(const std::string& name, const TrialsOptions& options, Client* client,
                  Console* console);
int TrialCommand(const std::string& name, int64_t trial_id, Format format, Client* client,
                 Console* console);
int WorkersCommand(const WorkersOptions& options, Client* client, Console* console);
// `path` may be "-", standard output. `curves` asks for each drawn trial's curve, one call each.
int PlotCommand(const std::string& name, const std::string& path, bool curves,
                const PlotOptions& options, Client* client, Console* console);

// Fetches a trial's newest checkpoint into `path`, which is replaced only by a whole one; trial 0:
// the best one's. Empty `path`: NAME.checkpoint.
int CheckpointCommand(const std::string& name, int64_t trial_id, const std::string& path,
                      Client* client, Console* console);

int TokenCommand(const TokenOptions& options, Client* client, Console* console);

// Fetches a copy of the server's journal into `path`, which is replaced only by a whole one.
int BackupCommand(const std::string& path, Client* client, Console* console);

}  // namespace halving

#endif  // HALVING_CLI_COMMANDS_H_
