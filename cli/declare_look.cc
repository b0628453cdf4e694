// The commands of the group Look that show studies and workers, as they are written.
#include "cli/arguments.h"
#include "cli/command_line.h"
#include "cli/text.h"
#include "cli/top.h"
#include "cli/watch.h"

namespace halving {
namespace {

void DeclareList(CommandLine* line) {
  Parsed* p = line->parsed();
  CLI::App* command = line->Add(
      {"Look", "list", "List the studies",
       "  halving list\n"
       "  halving list -o wide\n"
       "  halving list -o name | xargs -n 1 halving export\n"
       "  halving list -o json | jq '.studies[] | select(.state == \"STUDY_STATE_RUNNING\")'"},
      [p] {
        return [p](Client* client, Console* console) {
          return ListCommand(p->OutputFormat(), client, console);
        };
      });
  line->AddFormats(command, {{"wide", "with rule, searcher and limits"},
                             {"json", "a ListStudiesResponse with all of them"},
                             {"name", "their names only, one a line"}});
}

void DeclareStatus(CommandLine* line) {
  Parsed* p = line->parsed();
  CLI::App* command =
      line->Add({"Look", "status", "Show how a study stands: rungs, best trial, running trials",
                 "  halving status lenet\n"
                 "  halving status lenet -o json | jq .best.config"},
                [p] {
                  return [p](Client* client, Console* console) {
                    return StatusCommand(p->name, p->OutputFormat(), client, console);
                  };
                });
  line->AddStudy(command);
  line->AddFormats(command, {{"json", "the StudyStatus message"}});
}

void DeclareWatch(CommandLine* line) {
  Parsed* p = line->parsed();
  CLI::App* command = line->Add(
      {"Look", "watch", "Follow a study until it ends",
       "  halving watch lenet\n"
       "  halving watch lenet --interval 1m >> lenet.log\n"
       "  halving watch lenet -o json | jq --unbuffered .progress",
       "Redraws in place on a terminal, else writes a line for each change. Reconnects when the "
       "server goes away. Ends with 0 when the study COMPLETED, 3 when it was STOPPED or has "
       "FAILED."},
      [p] {
        return [p](Client* client, Console* console) {
          return WatchCommand(p->name, *ParseHumanDuration(p->interval), p->OutputFormat(), client,
                              console);
        };
      });
  line->AddStudy(command);
  command->add_option("--interval", p->interval, "Show a change at most this often")
      ->check(CLI::Validator(CheckDuration, ""))
      ->capture_default_str()
      ->type_name("DURATION");
  line->AddFormats(command, {{"json", "a StudyStatus message a line, for each change"}});
}

void DeclareTop(CommandLine* line) {
  Parsed* p = line->parsed();
  CLI::App* command = line->Add(
      {"Look", "top", "Follow all running studies and the workers",
       "  halving top\n"
       "  halving top --interval 5s --limit 50",
       "Redraws in place on a terminal until q or Ctrl-C is pressed; else prints the picture once. "
       "A script reads the same from `halving list`, `halving status` and `halving workers` with "
       "-o json."},
      [p] {
        p->top.interval = *ParseHumanDuration(p->interval);
        return
            [p](Client* client, Console* console) { return TopCommand(p->top, client, console); };
      });
  line->AddDuration(command, "--interval", &p->interval, "Look again after this long")
      ->capture_default_str();
  line->AddCount(command, "--limit", &p->top.limit,
                 "Ask for this many studies at most, the newest first")
      ->capture_default_str();
}

void DeclareWorkers(CommandLine* line) {
  Parsed* p = line->parsed();
  CLI::App* command = line->Add(
      {"Look", "workers", "List the workers and what each is doing",
       "  halving workers\n"
       "  halving workers --idle\n"
       "  halving workers --study lenet --sort busy\n"
       "  halving workers -o json | jq '[.workers[].utilisation] | add / length'",
       "How busy each is, and the utilisation of all that are connected, are of the last 10 "
       "minutes. "
       "A straggling one has held its trial for more than twice the usual time; a disconnected one "
       "was not seen for a minute."},
      [p] {
        p->workers.format = p->OutputFormat();
        return [p](Client* client, Console* console) {
          return WorkersCommand(p->workers, client, console);
        };
      });
  CLI::Option* study =
      command->add_option("--study", p->workers.study, "Only those that hold a trial of it")
          ->check(CLI::Validator(CheckName, ""))
          ->type_name("NAME");
  line->Complete(study, WordKind::kStudy);
  command->add_flag("--idle", p->workers.idle, "Only those that are there and hold no trial")
      ->excludes(study);
  line->AddChoice(command, "--sort", &p->workers.sort, "order",
                  {{"name", "by name"},
                   {"busy", "the busiest first"},
                   {"idle", "the longest idle first"},
                   {"seen", "the longest away first"},
                   {"finished", "who finished most first"},
                   {"lost", "who lost most leases first"}},
                  "In this order")
      ->capture_default_str();
  line->AddFormats(command, {{"wide", "with host, objectives and more"},
                             {"json", "a ListWorkersResponse with all of them"},
                             {"name", "their names only, one a line"}});
}

}  // namespace

void DeclareLooking(CommandLine* line) {
  DeclareList(line);
  DeclareStatus(line);
  DeclareWatch(line);
  DeclareTop(line);
  DeclareWorkers(line);
}

}  // namespace halving
