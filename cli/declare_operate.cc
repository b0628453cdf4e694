// The commands of the groups Operate and More, as they are written.
#include "cli/arguments.h"
#include "cli/command_line.h"

namespace halving {
namespace {

void DeclareCheckpoint(CommandLine* line) {
  Parsed* p = line->parsed();
  CLI::App* command = line->Add(
      {"Operate", "checkpoint", "Fetch a trial's newest checkpoint: the trained model",
       "  halving checkpoint lenet -o best.safetensors\n"
       "  halving checkpoint lenet --trial 7",
       "The best trial's unless --trial says which. Of trials that are over, the best keep theirs "
       "(keep_checkpoints in the study file, 3 by default)."},
      [p] {
        return [p](Client* client, Console* console) {
          return CheckpointCommand(p->name, p->trial_id, p->output, client, console);
        };
      });
  line->AddStudy(command);
  CLI::Option* trial =
      line->AddCount(command, "--trial", &p->trial_id, "The trial's number, from 1")
          ->type_name("ID");
  line->Complete(trial, WordKind::kTrial);
  line->AddOutputFile(
      command, "Where to write it; replaced only by a whole one; NAME.checkpoint unless given");
}

void DeclareBackup(CommandLine* line) {
  Parsed* p = line->parsed();
  CLI::App* command = line->Add(
      {"Operate", "backup", "Fetch a copy of the server's journal, while it goes on",
       "  halving backup halving-$(date +%F).db",
       "`halving-server verify FILE` reads it whole; `halving-server restore FILE --data-dir DIR` "
       "makes a data directory of it. It is as secret as the data directory."},
      [p] {
        return [p](Client* client, Console* console) {
          return BackupCommand(p->output, client, console);
        };
      });
  CLI::Option* file =
      command->add_option("FILE", p->output, "Where to write it; replaced only by a whole copy")
          ->required();
  line->Complete(file, WordKind::kFile);
}

}  // namespace

void DeclareOperating(CommandLine* line) {
  DeclareCheckpoint(line);
  DeclareBackup(line);
}

}  // namespace halving
