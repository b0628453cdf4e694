// The commands of the group Create, as they are written.
#include "cli/arguments.h"
#include "cli/command_line.h"

namespace halving {
namespace {

void DeclarePlan(CommandLine* line) {
  Parsed* p = line->parsed();
  CLI::App* command =
      line->Add({"Create", "plan", "Show what a study would do, without creating it",
                 "  halving plan lenet.json\n"
                 "  jq '.study.halving.eta = 3' lenet.json | halving plan -\n"
                 "  halving plan lenet.json -o json | jq .epochs_per_round"},
                [p] {
                  return [p](Client* client, Console* console) {
                    return PlanCommand(p->file, p->OutputFormat(), client, console);
                  };
                });
  line->AddStudyFile(command);
  line->AddFormats(command, {{"json", "the StudyPlan message"}});
}

void DeclareCreate(CommandLine* line) {
  Parsed* p = line->parsed();
  CLI::App* command =
      line->Add({"Create", "create", "Create a study and start handing out its trials",
                 "  halving create lenet.json\n"
                 "  halving create lenet.json --name lenet-2\n"
                 "  halving create - < lenet.json\n"
                 "  halving create wider.json --warm-start lenet:10\n"
                 "  halving watch $(halving create lenet.json -o name)",
                 "Creating an equal study again changes nothing and succeeds."},
                [p] {
                  v1::StudySpec instead;
                  instead.set_name(p->new_name);
                  if (!p->warm_start.empty())
                    *instead.mutable_warm_start() = *ParseWarmStart(p->warm_start);
                  return [p, instead](Client* client, Console* console) {
                    return CreateCommand(p->file, instead, p->OutputFormat(), client, console);
                  };
                });
  line->AddStudyFile(command);
  command->add_option("--name", p->new_name, "Name it this, whatever the file says")
      ->check(CLI::Validator(CheckName, ""))
      ->type_name("NAME");
  CLI::Option* warm_start =
      command
          ->add_option("--warm-start", p->warm_start,
                       "Begin with the best configs of that study (N: so many at most, 5 unless "
                       "given), whatever the file says")
          ->check(CLI::Validator(CheckWarmStart, ""))
          ->type_name("OTHER[:N]");
  line->Complete(warm_start, WordKind::kStudy);
  line->AddStudyFormats(command);
}

}  // namespace

void DeclareCreating(CommandLine* line) {
  DeclarePlan(line);
  DeclareCreate(line);
}

}  // namespace halving
