#include "cli/help.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cli/commands.h"
#include "cli/text.h"

namespace halving {
namespace {

constexpr int kWidth = 80;       // Where the terminal does not say.
constexpr int kWidest = 100;     // Longer lines are hard to read.
constexpr int kWidestTerm = 26;  // A longer one has a line of its own.

int WidthOf(const RenderOptions& options) {
  return options.width_columns > 0 ? std::min(options.width_columns, kWidest) : kWidth;
}

std::string Heading(absl::string_view text, const RenderOptions& options) {
  return absl::StrCat(Paint(absl::StrCat(text, ":"), Ink::kBold, options), "\n");
}

using Entries = std::vector<std::pair<std::string, std::string>>;

// Terms to the left, what they mean to the right, wrapped.
std::string Columns(const Entries& entries, const RenderOptions& options) {
  int widest = 0;
  for (const auto& [term, meaning] : entries) {
    if (DisplayWidth(term) <= kWidestTerm) widest = std::max(widest, DisplayWidth(term));
  }
  const std::string indent(static_cast<size_t>(widest) + 5, ' ');
  const int room = std::max(24, WidthOf(options) - widest - 6);
  std::string text;
  for (const auto& [term, meaning] : entries) {
    const int width = DisplayWidth(term);
    absl::StrAppend(&text, "  ", Paint(term, Ink::kCyan, options));
    if (width > widest) absl::StrAppend(&text, "\n", meaning.empty() ? "" : indent);
    if (width <= widest && !meaning.empty()) {
      text += std::string(static_cast<size_t>(widest - width) + 3, ' ');
    }
    absl::StrAppend(&text, absl::StrJoin(Wrapped(meaning, room), "\n" + indent), "\n");
  }
  return text;
}

std::string Section(absl::string_view title, const Entries& entries, const RenderOptions& options) {
  if (entries.empty()) return "";
  return absl::StrCat("\n", Heading(title, options), Columns(entries, options));
}

Entries FlagEntries(const std::vector<WordDoc>& flags) {
  Entries entries;
  for (const WordDoc& flag : flags) entries.emplace_back(FlagTerm(flag, true), FlagMeaning(flag));
  return entries;
}

Entries GlobalFlagEntries(const CommandTree& tree, const CommandDoc& command) {
  std::vector<WordDoc> flags;
  for (const WordDoc& flag : tree.program.flags) {
    const bool own = FindFlag(command.flags, flag.long_name) != nullptr;
    if (!own && flag.long_name != "--version") flags.push_back(flag);
  }
  return FlagEntries(flags);
}

std::string Paragraph(absl::string_view text, const RenderOptions& options) {
  return absl::StrCat(absl::StrJoin(Wrapped(text, WidthOf(options) - 1), "\n"), "\n");
}

}  // namespace

const HelpTopic& ExitCodesTopic() {
  static const HelpTopic* const topic = new HelpTopic{
      "exit-codes",
      "What the exit code of a command says",
      {{absl::StrCat(kExitOk), "well"},
       {absl::StrCat(kExitFailed),
        "the server refused or could not be reached, a file could not be written, or you said no"},
       {absl::StrCat(kExitUsage), "a mistake in the command line or the study file"},
       {absl::StrCat(kExitEndedEarly), "(watch) the study was STOPPED or has FAILED"}},
      ""};
  return *topic;
}

const HelpTopic& EnvironmentTopic() {
  static const HelpTopic* const topic = new HelpTopic{
      "environment",
      "The variables that are read",
      {{"HALVING_SERVER", "where halving-server listens, as HOST:PORT; --server goes before it"},
       {"NO_COLOR", "if set to anything, no colours; --color goes before it"},
       {"TERM", "no colours where it is \"dumb\""},
       {"LC_ALL, LC_CTYPE, LANG",
        "the first one set decides whether bars are drawn in Unicode: in UTF-8 locales"},
       {"TZ", "the time zone of the times shown; JSON and CSV have UTC"}},
      ""};
  return *topic;
}

const std::vector<HelpTopic>& HelpTopics() {
  static const auto* const topics = new std::vector<HelpTopic>{
      ExitCodesTopic(),
      EnvironmentTopic(),
      {"formats",
       "Output for scripts: JSON, CSV and names",
       {{"-o json",
         "the contract's message (proto/halving/v1/study.proto) with its field names, zeros "
         "included; 64-bit numbers are strings, as protobuf's JSON has them; one document, but a "
         "line for each of `trials` and `watch`"},
        {"-o csv", "a row for each result (`trials`)"},
        {"-o name", "names or numbers only, one a line, for xargs"},
        {"-o wide", "a table with more columns"}},
       "Text is for people and may change; these forms only grow. Tables fit a terminal by leaving "
       "columns out; into a pipe they are whole.\n"
       "  halving status lenet -o json | jq .best.config\n"
       "  halving list -o name | xargs -n 1 halving export\n"
       "  halving workers -o json | jq -r '.workers[] | select(.straggling).worker_id'"}};
  return *topics;
}

std::string UsageLine(const CommandDoc& command) {
  std::string line = absl::StrCat("halving ", command.name);
  for (const WordDoc& word : command.arguments) {
    absl::StrAppend(&line, word.required ? " " : " [", word.value, word.required ? "" : "]");
  }
  return absl::StrCat(line, " [flags]");
}

std::string FlagTerm(const WordDoc& flag, bool padded) {
  std::string term = flag.short_name;
  if (flag.short_name.empty() && padded) term = "    ";
  if (!flag.short_name.empty() && !flag.long_name.empty()) term += ", ";
  absl::StrAppend(&term, flag.long_name);
  if (!flag.value.empty()) absl::StrAppend(&term, " ", flag.value);
  return term;
}

std::string FlagMeaning(const WordDoc& flag) {
  std::string text = flag.about;
  std::vector<std::string> values;
  bool told = true;
  for (const auto& [value, about] : flag.values) {
    told &= !about.empty();
    values.push_back(absl::StrCat(value, " (", about, ")"));
  }
  if (!values.empty() && told) absl::StrAppend(&text, ": ", absl::StrJoin(values, ", "));
  if (!flag.default_value.empty()) absl::StrAppend(&text, "; default ", flag.default_value);
  if (!flag.environment.empty()) absl::StrAppend(&text, "; or $", flag.environment);
  return text;
}

std::string RenderHelp(const CommandTree& tree, const RenderOptions& options) {
  std::string text = absl::StrCat(tree.program.about, ".\n\n", Heading("Usage", options),
                                  "  halving COMMAND [arguments] [flags]\n");
  for (const absl::string_view group : kGroups) {
    Entries entries;
    for (const CommandDoc& command : tree.commands) {
      if (command.group == group) entries.emplace_back(command.name, command.about);
    }
    // One width for all groups.
    for (auto& [term, about] : entries) term.resize(10, ' ');
    text += Section(group, entries, options);
  }
  text += Section("Flags", FlagEntries(tree.program.flags), options);
  absl::StrAppend(&text, "\n", Heading("Examples", options), tree.program.examples, "\n");
  text += Section("Exit codes", ExitCodesTopic().entries, options);
  Entries more = {{"halving help COMMAND", "a command, its flags and examples"}};
  for (const HelpTopic& topic : HelpTopics()) {
    more.emplace_back(absl::StrCat("halving help ", topic.name), topic.about);
  }
  return absl::StrCat(text, Section("More help", more, options));
}

std::string RenderHelp(const CommandTree& tree, const CommandDoc& command,
                       const RenderOptions& options) {
  std::string text = absl::StrCat(command.about, ".\n");
  if (!command.details.empty()) {
    absl::StrAppend(&text, "\n", Paragraph(command.details, options));
  }
  absl::StrAppend(&text, "\n", Heading("Usage", options), "  ", UsageLine(command), "\n");
  Entries arguments;
  for (const WordDoc& word : command.arguments) {
    arguments.emplace_back(word.value, FlagMeaning(word));
  }
  text += Section("Arguments", arguments, options);
  text += Section("Flags", FlagEntries(command.flags), options);
  text += Section("Global flags", GlobalFlagEntries(tree, command), options);
  return absl::StrCat(text, "\n", Heading("Examples", options), command.examples, "\n");
}

std::string RenderHelp(const HelpTopic& topic, const RenderOptions& options) {
  std::string text = absl::StrCat(topic.about, ".\n\n", Columns(topic.entries, options));
  if (topic.more.empty()) return text;
  text += "\n";
  for (const absl::string_view line : absl::StrSplit(topic.more, '\n')) {
    text += line.substr(0, 2) == "  " ? absl::StrCat(line, "\n") : Paragraph(line, options);
  }
  return text;
}

}  // namespace halving
