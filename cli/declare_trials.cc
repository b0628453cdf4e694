// The commands of the group Look that show trials and their results, as they are written.
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/arguments.h"
#include "cli/command_line.h"
#include "cli/export.h"
#include "cli/logs.h"

namespace halving {
namespace {

std::string CheckTrialState(const std::string& name) {
  return CheckOneOf(absl::AsciiStrToLower(name), "state of a trial", TrialStateNames());
}

void DeclareTrialList(CommandLine* line) {
  Parsed* p = line->parsed();
  CLI::App* command = line->Add(
      {"Look", "trials", "List a study's trials",
       "  halving trials lenet --by-error --limit 10\n"
       "  halving trials lenet --state failed -o wide\n"
       "  halving trials lenet -o csv > lenet.csv\n"
       "  halving trials lenet -o json | jq -s 'map(.attempts) | add'",
       "CSV has one row for each result of a trial. For studies of many thousand trials `halving "
       "export` keeps less in memory."},
      [p] {
        for (const std::string& state : p->states) {
          p->trials.states.push_back(ParseTrialState(state));
        }
        p->trials.format = p->OutputFormat();
        return [p](Client* client, Console* console) {
          return TrialsCommand(p->name, p->trials, client, console);
        };
      });
  line->AddStudy(command);
  command->add_flag("--by-error", p->trials.by_error, "Best first: highest rung, lowest error");
  CLI::Option* state =
      command
          ->add_option("--state", p->states,
                       absl::StrCat("Only trials in this state: ",
                                    absl::StrJoin(TrialStateNames(), ", "), "; may be repeated"))
          ->check(CLI::Validator(CheckTrialState, ""))
          ->type_name("STATE")
          ->expected(1)
          ->take_all();
  Values states;
  for (const std::string& name : TrialStateNames()) states.emplace_back(name, "");
  line->Complete(state, states);
  line->AddCount(command, "--limit", &p->trials.limit, "No more than this many");
  line->AddFormats(command, {{"wide", "with workers, times, metrics and failures"},
                             {"json", "a Trial message a line"},
                             {"csv", "a row for each result"},
                             {"name", "their numbers only, one a line"}});
}

void DeclareTrial(CommandLine* line) {
  Parsed* p = line->parsed();
  CLI::App* command =
      line->Add({"Look", "trial", "Show one trial: results, curve, last failure",
                 "  halving trial lenet 7\n"
                 "  halving trial lenet 7 -o json | jq .config"},
                [p] {
                  return [p](Client* client, Console* console) {
                    return TrialCommand(p->name, p->trial_id, p->OutputFormat(), client, console);
                  };
                });
  line->AddStudy(command);
  line->AddTrialId(command);
  line->AddFormats(command, {{"json", "the Trial message, with its curve"}});
}

void DeclareLogs(CommandLine* line) {
  Parsed* p = line->parsed();
  CLI::App* command = line->Add(
      {"Look", "logs", "Show what a trial's trainer printed",
       "  halving logs lenet 7\n"
       "  halving logs lenet 7 -f\n"
       "  halving logs lenet 7 --previous --tail 20",
       "The server keeps the last lines of every attempt, some 64 KiB a trial; a running trial's "
       "come in with its worker's reports. Following ends when the trial is no longer RUNNING."},
      [p] {
        p->logs.json = p->OutputFormat() == Format::kJson;
        if (p->logs.json && p->logs.follow) {
          throw CLI::ValidationError("--follow", "it prints lines as they come, and no JSON");
        }
        return [p](Client* client, Console* console) {
          return LogsCommand(p->name, p->trial_id, p->logs, client, console);
        };
      });
  line->AddStudy(command);
  line->AddTrialId(command);
  line->AddCount(command, "-n,--tail", &p->logs.tail, "Only so many of the last lines");
  CLI::Option* attempt =
      line->AddCount(command, "--attempt", &p->logs.attempt, "Only those of this attempt");
  command->add_flag("-p,--previous", p->logs.previous, "Only those of the attempt before the last")
      ->excludes(attempt);
  command->add_flag("-f,--follow", p->logs.follow, "Go on with lines as they come in");
  line->AddFormats(command, {{"json", "the TrialLog message"}});
}

void DeclareExport(CommandLine* line) {
  Parsed* p = line->parsed();
  CLI::App* command = line->Add(
      {"Look", "export", "Write all trials of a study into a file",
       "  halving export lenet\n"
       "  halving export lenet -o lenet.jsonl\n"
       "  halving export lenet -o - | gzip > lenet.csv.gz",
       "Keeps one page in memory, however many trials there are. CSV has one row for each result, "
       "with the parameters as columns; jsonl has a Trial message on each line."},
      [p] {
        ExportFormat format =
            absl::EndsWith(p->output, ".jsonl") ? ExportFormat::kJsonLines : ExportFormat::kCsv;
        if (p->format == "csv") format = ExportFormat::kCsv;
        if (p->format == "jsonl") format = ExportFormat::kJsonLines;
        return [p, format](Client* client, Console* console) {
          return ExportCommand(p->name, p->output, format, client, console);
        };
      });
  line->AddStudy(command);
  line->AddOutputFile(command,
                      "Where to write it; replaced only by a whole one; - is standard output; "
                      "NAME.csv or NAME.jsonl unless given");
  line->AddChoice(command, "--format", &p->format, "format",
                  {{"csv", "a row for each result"}, {"jsonl", "a Trial message a line"}},
                  "As the file's name says, or csv, unless given")
      ->type_name("FORMAT");
}

void DeclarePlot(CommandLine* line) {
  Parsed* p = line->parsed();
  CLI::App* command = line->Add(
      {"Look", "plot", "Draw a study's errors over epochs, as an SVG file",
       "  halving plot lenet\n"
       "  halving plot lenet --log -o errors.svg\n"
       "  halving plot lenet -o - | rsvg-convert > lenet.png"},
      [p] {
        return [p](Client* client, Console* console) {
          const std::string path = p->output.empty() ? absl::StrCat(p->name, ".svg") : p->output;
          return PlotCommand(p->name, path, p->curves, p->plot, client, console);
        };
      });
  line->AddStudy(command);
  line->AddOutputFile(command, "Where to write it; - is standard output; NAME.svg unless given");
  command->add_flag("--log", p->plot.log, "A logarithmic error axis");
  command->add_flag("--curves", p->curves,
                    "Draw each trial along its curve, epoch by epoch (one call for each trial)");
}

}  // namespace

void DeclareTrials(CommandLine* line) {
  DeclareTrialList(line);
  DeclareTrial(line);
  DeclareLogs(line);
  DeclareExport(line);
  DeclarePlot(line);
}

}  // namespace halving
