// The commands of the group Change, as they are written.
#include <cmath>

#include "cli/arguments.h"
#include "cli/command_line.h"
#include "cli/text.h"

namespace halving {
namespace {

using Change = int (*)(const std::string&, Format, Client*, Console*);

void DeclareChange(CommandLine* line, const std::string& name, const std::string& about,
                   Change run) {
  Parsed* p = line->parsed();
  CLI::App* command = line->Add({"Change", name, about, "  halving " + name + " lenet"}, [p, run] {
    return [p, run](Client* client, Console* console) {
      return run(p->name, p->OutputFormat(), client, console);
    };
  });
  line->AddStudy(command);
  line->AddStudyFormats(command);
}

void DeclareDelete(CommandLine* line) {
  Parsed* p = line->parsed();
  CLI::App* command = line->Add({"Change", "delete", "Remove an ended study with its results",
                                 "  halving delete lenet\n"
                                 "  halving delete lenet --yes",
                                 "Asks first; without a terminal to ask on it needs --yes."},
                                [p] {
                                  return [p](Client* client, Console* console) {
                                    return DeleteCommand(p->name, p->yes, client, console);
                                  };
                                });
  line->AddStudy(command);
  command->add_flag("-y,--yes", p->yes, "Do not ask");
}

v1::Limits LimitsOf(const Parsed& parsed) {
  v1::Limits limits;
  limits.set_max_evaluations(parsed.max_evaluations);  // 0 and unset are the same for counts.
  limits.set_max_rounds(parsed.max_rounds);
  limits.set_max_total_epochs(parsed.max_total_epochs);
  if (!parsed.max_wall_time.empty()) {
    *limits.mutable_max_wall_time() = ToProto(*ParseHumanDuration(parsed.max_wall_time));
  }
  if (!parsed.no_improvement.empty()) {
    *limits.mutable_no_improvement() = *ParseNoImprovement(parsed.no_improvement);
  }
  return limits;
}

void DeclareExtend(CommandLine* line) {
  Parsed* p = line->parsed();
  CLI::App* command =
      line->Add({"Change", "extend", "Raise a study's limits; a COMPLETED one goes on",
                 "  halving extend lenet --max-evaluations 60\n"
                 "  halving extend lenet --max-wall-time 2h --target-error 0.1"},
                [p, line] {
                  const CLI::App* extend = line->app()->get_subcommand("extend");
                  const bool target_given = extend->count("--target-error") > 0;
                  p->limits = LimitsOf(*p);
                  if (target_given) p->limits.set_target_error(p->target_error);
                  if (!std::isfinite(p->target_error)) {
                    throw CLI::ValidationError("--target-error", "it must be a finite number");
                  }
                  if (p->limits.ByteSizeLong() == 0) {
                    throw CLI::ValidationError(
                        "extend", "say which limit to raise, such as --max-evaluations 60");
                  }
                  return [p](Client* client, Console* console) {
                    return ExtendCommand(p->name, p->limits, p->OutputFormat(), client, console);
                  };
                });
  line->AddStudy(command);
  line->AddCount(command, "--max-evaluations", &p->max_evaluations, "Evaluations in all");
  line->AddCount(command, "--max-rounds", &p->max_rounds, "Rounds in all");
  line->AddCount(command, "--max-total-epochs", &p->max_total_epochs, "Epochs in all");
  line->AddDuration(command, "--max-wall-time", &p->max_wall_time,
                    "Time running in all, such as 2h30m");
  command->add_option("--target-error", p->target_error, "End at a result as low as this")
      ->type_name("ERROR");
  command
      ->add_option("--no-improvement", p->no_improvement,
                   "End when so many trials at max_epochs improve nothing, or not by DELTA")
      ->check(CLI::Validator(CheckNoImprovement, ""))
      ->type_name("TRIALS[:DELTA]");
  line->AddStudyFormats(command);
}

}  // namespace

void DeclareChanging(CommandLine* line) {
  DeclareChange(line, "pause", "Hand out nothing more for now; running trials go on", PauseCommand);
  DeclareChange(line, "resume", "Hand out trials again after a pause", ResumeCommand);
  DeclareChange(line, "stop", "End a study at once; its results are kept", StopCommand);
  DeclareExtend(line);
  DeclareDelete(line);
}

}  // namespace halving
