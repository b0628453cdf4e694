#include "cli/man_page.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/text.h"
#include "common/version.h"

namespace halving {
namespace {

// `text` so that troff shows it as it is.
std::string Troff(absl::string_view text) {
  std::string escaped = absl::StrReplaceAll(text, {{"\\", "\\e"},
                                                   {"-", "\\-"},
                                                   {"'", "\\(aq"},
                                                   {"`", "\\(ga"},
                                                   {"^", "\\(ha"},
                                                   {"~", "\\(ti"},
                                                   {"\"", "\\(dq"}});
  // A point there would make it a request.
  if (absl::StartsWith(escaped, ".")) escaped = absl::StrCat("\\&", escaped);
  return escaped;
}

// Of prose: `quoted` words stand out, and a new sentence begins a line, as troff likes it.
std::string Prose(absl::string_view text) {
  std::string result;
  bool bold = false;
  for (const absl::string_view part : absl::StrSplit(text, '`')) {
    absl::StrAppend(&result, bold ? absl::StrCat("\\fB", Troff(part), "\\fR") : Troff(part));
    bold = !bold;
  }
  return absl::StrReplaceAll(result, {{". ", ".\n"}});
}

std::string Header(absl::string_view name) {
  return absl::StrCat(".TH ", absl::AsciiStrToUpper(Troff(name)), " 1 \"\" \"halving ",
                      Troff(kVersion), "\" \"Halving\"\n");
}

std::string Entry(absl::string_view term, absl::string_view meaning) {
  return absl::StrCat(".TP\n.B ", Troff(term), "\n", Prose(meaning), meaning.empty() ? "" : ".",
                      "\n");
}

std::string FlagSection(absl::string_view title, const std::vector<WordDoc>& flags) {
  if (flags.empty()) return "";
  std::string text = absl::StrCat(".SH ", title, "\n");
  for (const WordDoc& flag : flags) {
    const bool alone = flag.long_name.empty() && flag.short_name.empty();
    text += Entry(alone ? flag.value : FlagTerm(flag, false), FlagMeaning(flag));
  }
  return text;
}

std::string TopicSection(absl::string_view title, const HelpTopic& topic) {
  std::string text = absl::StrCat(".SH ", title, "\n");
  for (const auto& [term, meaning] : topic.entries) text += Entry(term, meaning);
  return text;
}

// Lines as they are, but for the indent, which is troff's.
std::string Examples(absl::string_view examples) {
  std::string text = ".SH EXAMPLES\n.nf\n";
  for (const absl::string_view line : absl::StrSplit(examples, '\n')) {
    absl::StrAppend(&text, Troff(absl::StripAsciiWhitespace(line)), "\n");
  }
  return absl::StrCat(text, ".fi\n");
}

bool WriteWhole(const std::string& path, const std::string& content, Console* console) {
  errno = 0;
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
  file.close();
  if (file) return true;
  *console->err << "error: cannot write " << Printable(path) << ": " << std::strerror(errno)
                << "\n";
  return false;
}

}  // namespace

std::string ManPage(const CommandTree& tree) {
  std::string text =
      absl::StrCat(Header("halving"), ".SH NAME\nhalving \\- ", Troff(tree.program.about),
                   "\n.SH SYNOPSIS\n.B halving\n.I COMMAND\n[arguments] [flags]\n");
  text += ".SH COMMANDS\n";
  for (const absl::string_view group : kGroups) {
    absl::StrAppend(&text, ".SS ", group, "\n");
    for (const CommandDoc& command : tree.commands) {
      if (command.group != group) continue;
      text += Entry(absl::StrCat("halving-", command.name, "(1)"), command.about);
    }
  }
  text += FlagSection("OPTIONS", tree.program.flags);
  text += TopicSection("EXIT STATUS", ExitCodesTopic());
  text += TopicSection("ENVIRONMENT", EnvironmentTopic());
  return text + Examples(tree.program.examples);
}

std::string ManPage(const CommandDoc& command) {
  const std::string name = absl::StrCat("halving-", command.name);
  std::string text =
      absl::StrCat(Header(name), ".SH NAME\n", Troff(name), " \\- ", Troff(command.about),
                   "\n.SH SYNOPSIS\n.B ", Troff(UsageLine(command)), "\n.SH DESCRIPTION\n",
                   Prose(command.about), ".\n", Prose(command.details), "\n");
  text = absl::StrReplaceAll(text, {{"\n\n", "\n"}});
  text += FlagSection("ARGUMENTS", command.arguments);
  text += FlagSection("OPTIONS", command.flags);
  text += Examples(command.examples);
  absl::StrAppend(&text,
                  ".SH SEE ALSO\n.BR halving (1)\nhas the flags of all commands, the exit "
                  "status and the environment.\n");
  return text;
}

int ManCommand(const CommandTree& tree, const std::string& folder, Console* console) {
  if (!WriteWhole(absl::StrCat(folder, "/halving.1"), ManPage(tree), console)) return kExitFailed;
  for (const CommandDoc& command : tree.commands) {
    const std::string path = absl::StrCat(folder, "/halving-", command.name, ".1");
    if (!WriteWhole(path, ManPage(command), console)) return kExitFailed;
  }
  return kExitOk;
}

}  // namespace halving
