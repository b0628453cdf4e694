// `halving token`, as it is written.
#include "cli/arguments.h"
#include "cli/command_line.h"

namespace halving {

void DeclareTokens(CommandLine* line) {
  Parsed* p = line->parsed();
  CLI::App* command = line->Add(
      {"Operate", "token", "Create, list and revoke the tokens that callers show",
       "  halving token create gpu-pool --role worker --file worker.token\n"
       "  halving token create ana --role reader --owner vision --expires 30d\n"
       "  halving token list\n"
       "  halving token revoke ana",
       "A server that other machines reach needs one with each call. A reader looks, a worker asks "
       "for trials and reports, an admin does everything. With --owner it reaches the studies of "
       "that team only. Its text is shown once, here: the server keeps a hash."},
      [p] {
        p->token.format = p->OutputFormat();
        if ((p->token.action == "list") != p->token.name.empty()) {
          throw CLI::ValidationError(
              "NAME", p->token.action == "list" ? "list takes no name" : "which token?");
        }
        if (p->token.action == "create" && p->token.role.empty()) {
          throw CLI::ValidationError("--role", "is needed: reader, worker or admin");
        }
        return [p](Client* client, Console* console) {
          return TokenCommand(p->token, client, console);
        };
      });
  CLI::Option* action = command->add_option("ACTION", p->token.action, "create, list or revoke")
                            ->required()
                            ->check(CLI::IsMember({"create", "list", "revoke"}));
  line->Complete(action, Values{{"create", "make one, and show its text"},
                                {"list", "show those there are"},
                                {"revoke", "end one at once"}});
  command->add_option("NAME", p->token.name, "The token's name");
  line->AddChoice(command, "--role", &p->token.role, "role",
                  {{"reader", "looks at studies"}, {"worker", "trains"}, {"admin", "everything"}},
                  "What it may do");
  command->add_option("--owner", p->token.owner, "The team whose studies it reaches [all studies]")
      ->type_name("TEAM");
  line->AddDuration(command, "--expires", &p->token.expires,
                    "How long it is valid, such as 30d [for ever]");
  command
      ->add_option("--max-rate", p->token.max_rate,
                   "Calls a second that it may make [as the server says]")
      ->check(CLI::Range(0.0, 1e6))
      ->type_name("RATE");
  CLI::Option* file = command->add_option(
      "--file", p->token.file, "Where to write a new token, for its owner only [standard output]");
  line->Complete(file, WordKind::kFile);
  line->AddFormats(command, {{"json", "the answer as a message"}});
}

}  // namespace halving
