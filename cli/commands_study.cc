// The commands that make, change and list studies.
#include <istream>
#include <ostream>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/names.h"
#include "cli/render_study.h"
#include "cli/study_file.h"
#include "cli/text.h"

namespace halving {
namespace {

int RefuseFile(const absl::Status& status, Console* console) {
  *console->err << "error: " << status.message() << "\n";
  return kExitUsage;
}

// Writes a study for scripts, if `format` is one of theirs.
bool WriteStudy(const v1::Study& study, Format format, Console* console) {
  if (format == Format::kJson) WriteData(ToJson(study), console);
  if (format == Format::kName) WriteData(absl::StrCat(study.spec().name(), "\n"), console);
  return format == Format::kJson || format == Format::kName;
}

// "lenet is PAUSED. <what that means>".
int Tell(const absl::StatusOr<v1::Study>& study, absl::string_view meaning, Format format,
         Client* client, Console* console) {
  if (!study.ok()) return Fail(study.status(), client, console);
  if (WriteStudy(*study, format, console)) return kExitOk;
  const Cell state = StateCell(study->state());
  *console->out << Printable(study->spec().name()) << " is "
                << Paint(state.text, state.ink, console->options)
                << (study->end_reason().empty() ? "" : " (" + Printable(study->end_reason()) + ")")
                << ". " << meaning << "\n";
  return kExitOk;
}

void SuggestNext(const v1::Study& study, Client* client, Console* console) {
  const std::string name = Printable(study.spec().name());
  // What the reader copies must reach the same server.
  const std::string server = client->server() == "127.0.0.1:7070"
                                 ? ""
                                 : absl::StrCat(" --server ", Printable(client->server()));
  *console->out << "\nNext:\n  halving watch " << name << server << "    follow it until it ends\n"
                << "  halving status " << name << server << "   how it stands\n"
                << "  halving plot " << name << server << "     a picture of it\n";
}

}  // namespace

int Fail(const absl::Status& status, Client* client, Console* console) {
  *console->err << ExplainFailure(status, client->server());
  return kExitFailed;
}

int PlanCommand(const std::string& file, Format format, Client* client, Console* console) {
  const absl::StatusOr<v1::StudySpec> spec = ReadStudy(file, *console->in);
  if (!spec.ok()) return RefuseFile(spec.status(), console);
  const absl::StatusOr<v1::StudyPlan> plan = client->PlanStudy(*spec);
  if (!plan.ok()) return Fail(plan.status(), client, console);
  if (format == Format::kJson) {
    WriteData(ToJson(*plan), console);
    return kExitOk;
  }
  *console->out << RenderPlan(*spec, *plan, console->options);
  return kExitOk;
}

int CreateCommand(const std::string& file, const v1::StudySpec& instead, Format format,
                  Client* client, Console* console) {
  absl::StatusOr<v1::StudySpec> spec = ReadStudy(file, *console->in);
  if (!spec.ok()) return RefuseFile(spec.status(), console);
  if (!instead.name().empty()) spec->set_name(instead.name());
  if (instead.has_warm_start()) *spec->mutable_warm_start() = instead.warm_start();
  // CreateStudy answers alike for a study it made and for an equal one it found.
  bool existed = false;
  if (!spec->name().empty()) {
    const absl::Status found = client->GetStudy(spec->name()).status();
    existed = found.ok();
    if (IsConnectionLoss(found)) return Fail(found, client, console);
  }
  const absl::StatusOr<v1::Study> study = client->CreateStudy(*spec);
  if (!study.ok()) return Fail(study.status(), client, console);
  if (WriteStudy(*study, format, console)) return kExitOk;
  const std::string shown = Paint(Printable(study->spec().name()), Ink::kBold, console->options);
  if (existed) {
    *console->out << "Study " << shown << " exists already with an equal spec and is "
                  << StateName(study->state()) << "; nothing was changed.\n";
  } else {
    *console->out << "Created study " << shown << " (" << StateName(study->state()) << ", seed "
                  << study->spec().seed() << ").\n";
  }
  SuggestNext(*study, client, console);
  return kExitOk;
}

int ListCommand(Format format, Client* client, Console* console) {
  const auto studies = client->ListStudies();
  if (!studies.ok()) return Fail(studies.status(), client, console);
  if (format == Format::kJson) {
    v1::ListStudiesResponse all;
    all.mutable_studies()->Assign(studies->begin(), studies->end());
    WriteData(ToJson(all), console);
  } else if (format == Format::kName) {
    for (const v1::Study& study : *studies) WriteStudy(study, format, console);
  } else {
    *console->out << RenderStudies(*studies, format == Format::kWide, console->options);
  }
  return kExitOk;
}

int PauseCommand(const std::string& name, Format format, Client* client, Console* console) {
  return Tell(client->PauseStudy(name),
              "Running trials go on and count; nothing more is handed out.", format, client,
              console);
}

int ResumeCommand(const std::string& name, Format format, Client* client, Console* console) {
  return Tell(client->ResumeStudy(name), "Its trials are handed out again.", format, client,
              console);
}

int StopCommand(const std::string& name, Format format, Client* client, Console* console) {
  return Tell(client->StopStudy(name), "Results are kept.", format, client, console);
}

int ExtendCommand(const std::string& name, const v1::Limits& limits, Format format, Client* client,
                  Console* console) {
  const absl::StatusOr<v1::Study> study = client->ExtendStudy(name, limits);
  const std::string now =
      study.ok() ? absl::StrCat("Limits: ", DescribeLimits(study->spec().limits()), ".") : "";
  return Tell(study, now, format, client, console);
}

int DeleteCommand(const std::string& name, bool yes, Client* client, Console* console) {
  if (!yes && !console->in_is_terminal) {
    *console->err << "error: there is no terminal to ask on; `halving delete " << name
                  << " --yes` deletes without asking\n";
    return kExitUsage;
  }
  if (!yes) {
    *console->err << "Delete study " << name << " with its results? [y/N] " << std::flush;
    std::string answer;
    std::getline(*console->in, answer);
    answer = absl::AsciiStrToLower(absl::StripAsciiWhitespace(answer));
    if (answer != "y" && answer != "yes") {
      *console->err << "Nothing was deleted.\n";
      return kExitFailed;
    }
  }
  const absl::Status deleted = client->DeleteStudy(name);
  if (!deleted.ok()) return Fail(deleted, client, console);
  *console->out << "Deleted study " << name << ".\n";
  return kExitOk;
}

}  // namespace halving
