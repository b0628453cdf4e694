#include "cli/app.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/text.h"
#include "cli/watch.h"
#include "common/server_address.h"
#include "common/version.h"

namespace halving {
namespace {

using Action = std::function<int(Client*, Console*)>;

constexpr size_t kMaxNameLength = 64;

// What the options of all subcommands are read into; each subcommand uses a few.
struct Parsed {
  std::string server = "127.0.0.1:7070";
  std::string timeout = "30s";
  Action action;  // Of the chosen subcommand.

  std::string file;
  std::string name;
  std::string new_name;
  std::string warm_start;
  int64_t trial_id = 0;
  bool json = false;
  bool yes = false;
  std::string interval = "1s";
  TrialsOptions trials;
  std::vector<std::string> states;
  PlotOptions plot;
  bool curves = false;
  std::string output;
  v1::Limits limits;
  int64_t max_evaluations = 0;
  int64_t max_rounds = 0;
  int64_t max_total_epochs = 0;
  std::string max_wall_time;
  double target_error = 0;
  std::string no_improvement;
};

// CLI11's validators return a message, empty when all is well.
std::string CheckName(const std::string& name) {
  const auto allowed = [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '-';
  };
  if (!name.empty() && name.size() <= kMaxNameLength &&
      std::all_of(name.begin(), name.end(), allowed)) {
    return "";
  }
  return absl::StrCat("\"", Printable(name),
                      "\" names no study; names are 1 to 64 letters, digits, _ and -");
}

std::string CheckCount(const std::string& text) {
  int64_t count = 0;
  if (absl::SimpleAtoi(text, &count) && count >= 1) return "";
  return absl::StrCat("\"", Printable(text), "\" is no count; it must be a whole number from 1 up");
}

// "OTHER" or "OTHER:N". nullopt for anything else.
std::optional<v1::WarmStart> ParseWarmStart(const std::string& text) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits(':', 1));
  v1::WarmStart warm_start;
  warm_start.set_study(parts.first);
  int32_t trials = 0;
  const bool counted = absl::StrContains(text, ":");
  if (!CheckName(parts.first).empty()) return std::nullopt;
  if (counted && (!absl::SimpleAtoi(parts.second, &trials) || trials < 1)) return std::nullopt;
  warm_start.set_trials(trials);
  return warm_start;
}

std::string CheckWarmStart(const std::string& text) {
  if (ParseWarmStart(text).has_value()) return "";
  return absl::StrCat("\"", Printable(text),
                      "\" must be the name of a study, or NAME:N for its best N configs");
}

// "TRIALS" or "TRIALS:DELTA". nullopt for anything else.
std::optional<v1::NoImprovement> ParseNoImprovement(const std::string& text) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits(':', 1));
  v1::NoImprovement limit;
  int64_t trials = 0;
  double delta = 0;
  if (!absl::SimpleAtoi(parts.first, &trials) || trials < 1) return std::nullopt;
  if (absl::StrContains(text, ":") && !absl::SimpleAtod(parts.second, &delta)) return std::nullopt;
  if (!std::isfinite(delta) || delta < 0) return std::nullopt;
  limit.set_trials(trials);
  limit.set_delta(delta);
  return limit;
}

std::string CheckNoImprovement(const std::string& text) {
  if (ParseNoImprovement(text).has_value()) return "";
  return absl::StrCat("\"", Printable(text),
                      "\" must be a number of trials from 1 up, or TRIALS:DELTA, such as 20:0.001");
}

std::string CheckDuration(const std::string& text) {
  return std::string(ParseHumanDuration(text).status().message());
}

std::string CheckPositiveDuration(const std::string& text) {
  const absl::StatusOr<absl::Duration> duration = ParseHumanDuration(text);
  if (!duration.ok()) return std::string(duration.status().message());
  return *duration >= absl::Milliseconds(1) ? "" : "it must be at least 1ms";
}

std::string CheckServer(const std::string& server) {
  return std::string(NormalizeServer(server).status().message());
}

// UNSPECIFIED for what is no state's name.
v1::TrialState ParseTrialState(const std::string& name) {
  v1::TrialState state = v1::TRIAL_STATE_UNSPECIFIED;
  v1::TrialState_Parse(absl::StrCat("TRIAL_STATE_", absl::AsciiStrToUpper(name)), &state);
  return state;
}

std::string CheckTrialState(const std::string& name) {
  if (ParseTrialState(name) != v1::TRIAL_STATE_UNSPECIFIED) return "";
  return absl::StrCat("\"", Printable(name),
                      "\" is no state of a trial; the states are queued, running, waiting, "
                      "eliminated, completed, failed and stopped");
}

// A subcommand whose examples, lines of "halving ...", close its help.
CLI::App* AddCommand(CLI::App* app, const std::string& name, const std::string& about,
                     const std::string& examples) {
  CLI::App* command = app->add_subcommand(name, about);
  command->footer(absl::StrCat("Examples:\n", examples,
                               "\n\nOf all commands: --server HOST:PORT, --timeout DURATION."));
  command->fallthrough();  // --server may stand anywhere.
  return command;
}

void AddName(CLI::App* command, Parsed* parsed) {
  command->add_option("NAME", parsed->name, "The study's name")
      ->required()
      ->check(CLI::Validator(CheckName, ""))
      ->type_name("");
}

void AddFile(CLI::App* command, Parsed* parsed) {
  command
      ->add_option(
          "FILE", parsed->file,
          "JSON of a CreateStudyRequest, {\"study\": {...}}, or of the study alone; - reads "
          "standard input")
      ->required()
      ->type_name("");
}

void AddMakingCommands(CLI::App* app, Parsed* p) {
  CLI::App* plan = AddCommand(app, "plan", "Show what a study would do, without creating it",
                              "  halving plan lenet.json\n"
                              "  jq '.study.halving.eta = 3' lenet.json | halving plan -");
  AddFile(plan, p);
  plan->callback([p] {
    p->action = [p](Client* client, Console* console) {
      return PlanCommand(p->file, client, console);
    };
  });

  CLI::App* create = AddCommand(app, "create", "Create a study and start handing out its trials",
                                "  halving create lenet.json\n"
                                "  halving create lenet.json --name lenet-2\n"
                                "  halving create - < lenet.json\n"
                                "  halving create wider.json --warm-start lenet:10\n"
                                "Creating an equal study again changes nothing and succeeds.");
  AddFile(create, p);
  create->add_option("--name", p->new_name, "Name it this, whatever the file says")
      ->check(CLI::Validator(CheckName, ""))
      ->type_name("NAME");
  create
      ->add_option("--warm-start", p->warm_start,
                   "Begin with the best configs of that study (N: so many at most, 5 unless "
                   "given), whatever the file says")
      ->check(CLI::Validator(CheckWarmStart, ""))
      ->type_name("OTHER[:N]");
  create->callback([p] {
    v1::StudySpec instead;
    instead.set_name(p->new_name);
    if (!p->warm_start.empty()) *instead.mutable_warm_start() = *ParseWarmStart(p->warm_start);
    p->action = [p, instead](Client* client, Console* console) {
      return CreateCommand(p->file, instead, client, console);
    };
  });
}

void AddStatusCommands(CLI::App* app, Parsed* p) {
  CLI::App* list = AddCommand(app, "list", "List the studies", "  halving list");
  list->callback([p] { p->action = ListCommand; });

  CLI::App* status =
      AddCommand(app, "status", "Show how a study stands: rungs, best trial, running trials",
                 "  halving status lenet\n"
                 "  halving status lenet --json | jq .best.config");
  AddName(status, p);
  status->add_flag("--json", p->json, "The StudyStatus message as JSON");
  status->callback([p] {
    p->action = [p](Client* client, Console* console) {
      return StatusCommand(p->name, p->json, client, console);
    };
  });

  CLI::App* watch = AddCommand(app, "watch", "Follow a study until it ends",
                               "  halving watch lenet\n"
                               "  halving watch lenet --interval 1m >> lenet.log\n"
                               "Reconnects when the server goes away. Ends with 0 when the study "
                               "COMPLETED, 3 when it was STOPPED or has FAILED.");
  AddName(watch, p);
  watch->add_option("--interval", p->interval, "Show a change at most this often")
      ->check(CLI::Validator(CheckDuration, ""))
      ->capture_default_str()
      ->type_name("DURATION");
  watch->callback([p] {
    p->action = [p](Client* client, Console* console) {
      return WatchCommand(p->name, *ParseHumanDuration(p->interval), client, console);
    };
  });

  CLI::App* workers =
      AddCommand(app, "workers", "List the workers and what each is doing", "  halving workers");
  workers->callback([p] { p->action = WorkersCommand; });
}

void AddTrialsCommand(CLI::App* app, Parsed* p) {
  CLI::App* trials =
      AddCommand(app, "trials", "List a study's trials",
                 "  halving trials lenet --by-error --limit 10\n"
                 "  halving trials lenet --state failed\n"
                 "  halving trials lenet --csv > lenet.csv\n"
                 "CSV has one row for each result of a trial; JSON one line for each trial.");
  AddName(trials, p);
  trials->add_flag("--by-error", p->trials.by_error, "Best first: highest rung, lowest error");
  trials
      ->add_option("--state", p->states,
                   "Only trials in this state: queued, running, waiting, eliminated, completed, "
                   "failed or stopped; may be repeated")
      ->check(CLI::Validator(CheckTrialState, ""))
      ->type_name("STATE")
      ->expected(1)
      ->take_all();
  trials->add_option("--limit", p->trials.limit, "No more than this many")
      ->check(CLI::Validator(CheckCount, ""))
      ->type_name("N");
  CLI::Option* csv = trials->add_flag("--csv", p->trials.csv, "Results as comma-separated values");
  trials->add_flag("--json", p->trials.json, "Trial messages as JSON lines")->excludes(csv);
  trials->callback([p] {
    for (const std::string& state : p->states) p->trials.states.push_back(ParseTrialState(state));
    p->action = [p](Client* client, Console* console) {
      return TrialsCommand(p->name, p->trials, client, console);
    };
  });
}

void AddTrialCommand(CLI::App* app, Parsed* p) {
  CLI::App* trial = AddCommand(app, "trial", "Show one trial: results, curve, last failure",
                               "  halving trial lenet 7\n"
                               "  halving trial lenet 7 --json | jq .config");
  AddName(trial, p);
  trial->add_option("ID", p->trial_id, "The trial's number, from 1")
      ->required()
      ->check(CLI::Validator(CheckCount, ""))
      ->type_name("");
  trial->add_flag("--json", p->json, "The Trial message as JSON");
  trial->callback([p] {
    p->action = [p](Client* client, Console* console) {
      return TrialCommand(p->name, p->trial_id, p->json, client, console);
    };
  });
}

void AddPlotCommand(CLI::App* app, Parsed* p) {
  CLI::App* plot = AddCommand(app, "plot", "Draw a study's errors over epochs, as an SVG file",
                              "  halving plot lenet\n"
                              "  halving plot lenet --log -o errors.svg\n"
                              "  halving plot lenet -o - | rsvg-convert > lenet.png");
  AddName(plot, p);
  plot->add_option("-o,--output", p->output,
                   "Where to write it; - is standard output; NAME.svg unless given")
      ->type_name("FILE");
  plot->add_flag("--log", p->plot.log, "A logarithmic error axis");
  plot->add_flag("--curves", p->curves,
                 "Draw each trial along its curve, epoch by epoch (one call for each trial)");
  plot->callback([p] {
    p->action = [p](Client* client, Console* console) {
      const std::string path = p->output.empty() ? absl::StrCat(p->name, ".svg") : p->output;
      return PlotCommand(p->name, path, p->curves, p->plot, client, console);
    };
  });
}

void AddChangeCommand(CLI::App* app, const std::string& name, const std::string& about,
                      int (*run)(const std::string&, Client*, Console*), Parsed* p) {
  CLI::App* command = AddCommand(app, name, about, absl::StrCat("  halving ", name, " lenet"));
  AddName(command, p);
  command->callback([p, run] {
    p->action = [p, run](Client* client, Console* console) {
      return run(p->name, client, console);
    };
  });
}

void AddChangeCommands(CLI::App* app, Parsed* p) {
  AddChangeCommand(app, "pause", "Hand out nothing more for now; running trials go on",
                   PauseCommand, p);
  AddChangeCommand(app, "resume", "Hand out trials again after a pause", ResumeCommand, p);
  AddChangeCommand(app, "stop", "End a study at once; its results are kept", StopCommand, p);

  CLI::App* remove = AddCommand(app, "delete", "Remove an ended study with its results",
                                "  halving delete lenet\n"
                                "  halving delete lenet --yes\n"
                                "Asks first; without a terminal to ask on it needs --yes.");
  AddName(remove, p);
  remove->add_flag("-y,--yes", p->yes, "Do not ask");
  remove->callback([p] {
    p->action = [p](Client* client, Console* console) {
      return DeleteCommand(p->name, p->yes, client, console);
    };
  });
}

void AddExtendCommand(CLI::App* app, Parsed* p) {
  CLI::App* extend = AddCommand(app, "extend", "Raise a study's limits; a COMPLETED one goes on",
                                "  halving extend lenet --max-evaluations 60\n"
                                "  halving extend lenet --max-wall-time 2h --target-error 0.1");
  AddName(extend, p);
  const auto add_count = [&](const std::string& flag, int64_t* value, const std::string& about) {
    return extend->add_option(flag, *value, about)
        ->check(CLI::Validator(CheckCount, ""))
        ->type_name("N");
  };
  add_count("--max-evaluations", &p->max_evaluations, "Evaluations in all");
  add_count("--max-rounds", &p->max_rounds, "Rounds in all");
  add_count("--max-total-epochs", &p->max_total_epochs, "Epochs in all");
  extend->add_option("--max-wall-time", p->max_wall_time, "Time running in all, such as 2h30m")
      ->check(CLI::Validator(CheckPositiveDuration, ""))
      ->type_name("DURATION");
  CLI::Option* target =
      extend->add_option("--target-error", p->target_error, "End at a result as low as this")
          ->type_name("ERROR");
  extend
      ->add_option("--no-improvement", p->no_improvement,
                   "End when so many trials at max_epochs improve nothing, or not by DELTA")
      ->check(CLI::Validator(CheckNoImprovement, ""))
      ->type_name("TRIALS[:DELTA]");
  extend->callback([p, extend, target] {
    if (extend->count_all() - 1 == extend->count("NAME")) {
      throw CLI::ValidationError("extend",
                                 "say which limit to raise, such as --max-evaluations 60");
    }
    if (!std::isfinite(p->target_error)) {
      throw CLI::ValidationError("--target-error", "it must be a finite number");
    }
    // 0 and unset are the same for counts.
    p->limits.set_max_evaluations(p->max_evaluations);
    p->limits.set_max_rounds(p->max_rounds);
    p->limits.set_max_total_epochs(p->max_total_epochs);
    if (!p->max_wall_time.empty()) {
      *p->limits.mutable_max_wall_time() = ToProto(*ParseHumanDuration(p->max_wall_time));
    }
    if (!p->no_improvement.empty()) {
      *p->limits.mutable_no_improvement() = *ParseNoImprovement(p->no_improvement);
    }
    if (target->count() > 0) p->limits.set_target_error(p->target_error);
    p->action = [p](Client* client, Console* console) {
      return ExtendCommand(p->name, p->limits, client, console);
    };
  });
}

void AddCheckpointCommand(CLI::App* app, Parsed* p) {
  CLI::App* checkpoint = AddCommand(
      app, "checkpoint", "Fetch a trial's newest checkpoint: the trained model",
      "  halving checkpoint lenet -o best.safetensors\n"
      "  halving checkpoint lenet --trial 7\n"
      "The best trial's unless --trial says which. Of trials that are over, the best keep\n"
      "theirs (keep_checkpoints in the study file, 3 by default).");
  AddName(checkpoint, p);
  checkpoint->add_option("--trial", p->trial_id, "The trial's number, from 1")
      ->check(CLI::Validator(CheckCount, ""))
      ->type_name("ID");
  checkpoint
      ->add_option("-o,--output", p->output,
                   "Where to write it; replaced only by a whole one; NAME.checkpoint unless given")
      ->type_name("FILE");
  checkpoint->callback([p] {
    p->action = [p](Client* client, Console* console) {
      return CheckpointCommand(p->name, p->trial_id, p->output, client, console);
    };
  });
}

void AddBackupCommand(CLI::App* app, Parsed* p) {
  CLI::App* backup =
      AddCommand(app, "backup", "Fetch a copy of the server's journal, while it goes on",
                 "  halving backup halving-$(date +%F).db\n"
                 "`halving-server verify FILE` reads it whole; `halving-server restore FILE "
                 "--data-dir DIR`\n"
                 "makes a data directory of it. It is as secret as the data directory.");
  backup->add_option("FILE", p->output, "Where to write it; replaced only by a whole copy")
      ->required()
      ->type_name("");
  backup->callback([p] {
    p->action = [p](Client* client, Console* console) {
      return BackupCommand(p->output, client, console);
    };
  });
}

void AddGlobalOptions(CLI::App* app, Parsed* p) {
  app->require_subcommand(0, 1);  // Asked for below, or a misspelt one would not be named.
  app->failure_message([](const CLI::App*, const CLI::Error& error) {
    return absl::StrCat(
        "error: ", Printable(error.what()),
        "\nhint: `halving --help` and `halving COMMAND --help` tell what there is\n");
  });
  app->set_version_flag("--version", absl::StrCat("halving ", kVersion));
  app->add_option("--server", p->server, "Where halving-server listens, as HOST:PORT")
      ->envname("HALVING_SERVER")
      ->check(CLI::Validator(CheckServer, ""))
      ->capture_default_str()
      ->type_name("ADDRESS");
  app->add_option("--timeout", p->timeout, "How long to wait for an answer")
      ->check(CLI::Validator(CheckPositiveDuration, ""))
      ->capture_default_str()
      ->type_name("DURATION");
  app->footer(
      "Examples:\n"
      "  halving plan lenet.json      what would it cost?\n"
      "  halving create lenet.json    start it\n"
      "  halving watch lenet          follow it until it ends\n"
      "  halving plot lenet           a picture: lenet.svg\n"
      "  halving trials lenet --csv   everything, for a spreadsheet\n"
      "\n"
      "Exit codes: 0 well; 1 the server refused or could not be reached, or you said no; 2 a "
      "mistake in the "
      "command\n"
      "line or the study file; 3 (watch) the study was STOPPED or has FAILED.\n"
      "`halving COMMAND --help` tells more of each command.");
}

}  // namespace

int RunCommandLine(const std::vector<std::string>& arguments, Console* console) {
  Parsed parsed;
  CLI::App app("halving: create, follow and read studies of a halving-server.", "halving");
  app.get_formatter()->column_width(28);
  AddGlobalOptions(&app, &parsed);
  AddMakingCommands(&app, &parsed);
  AddStatusCommands(&app, &parsed);
  AddTrialsCommand(&app, &parsed);
  AddTrialCommand(&app, &parsed);
  AddPlotCommand(&app, &parsed);
  AddCheckpointCommand(&app, &parsed);
  AddChangeCommands(&app, &parsed);
  AddExtendCommand(&app, &parsed);
  AddBackupCommand(&app, &parsed);
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // As CLI11 wants it.
    app.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    return app.exit(error, *console->out, *console->err) == 0 ? kExitOk : kExitUsage;
  }
  if (!parsed.action) {
    *console->err << app.help();
    return kExitUsage;
  }
  Client client(*NormalizeServer(parsed.server), *ParseHumanDuration(parsed.timeout));
  const int code = parsed.action(&client, console);
  console->out->flush();
  if (code == kExitOk && !*console->out) {
    *console->err << "error: standard output could not be written\n";
    return kExitFailed;
  }
  return code;
}

}  // namespace halving
