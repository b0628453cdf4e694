#include "cli/command_line.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/arguments.h"
#include "cli/text.h"
#include "common/link_flags.h"
#include "common/version.h"

namespace halving {
namespace {

constexpr absl::string_view kProgramAbout = "Create, follow and read studies of a halving-server";

constexpr absl::string_view kProgramExamples =
    "  halving plan lenet.json      what would it cost?\n"
    "  halving create lenet.json    start it\n"
    "  halving watch lenet          follow it until it ends\n"
    "  halving top                  all that runs, and the workers\n"
    "  halving plot lenet           a picture: lenet.svg\n"
    "  halving export lenet         everything, for a spreadsheet: lenet.csv";

}  // namespace

int RefuseCommand(const CommandTree& tree, const std::string& word, Console* console) {
  std::vector<std::string> names;
  for (const CommandDoc& command : tree.commands) names.push_back(command.name);
  const std::string meant = Nearest(word, names);
  *console->err << "error: \"" << Printable(word) << "\" is no command of halving\nhint: "
                << (meant.empty() ? "" : absl::StrCat("did you mean `halving ", meant, "`? "))
                << "`halving --help` tells what there is\n";
  return kExitUsage;
}

Format Parsed::OutputFormat() const {
  if (json || format == "json") return Format::kJson;
  if (csv || format == "csv") return Format::kCsv;
  if (format == "name") return Format::kName;
  if (format == "wide") return Format::kWide;
  return Format::kText;
}

CommandLine::CommandLine() : app_(std::string(kProgramAbout), "halving") {
  AddGlobalFlags();
  DeclareCreating(this);
  DeclareLooking(this);
  DeclareTrials(this);
  DeclareChanging(this);
  DeclareOperating(this);
  DeclareTokens(this);
  DeclareMore(this);
}

void CommandLine::AddGlobalFlags() {
  app_.require_subcommand(0, 1);  // Asked for later, or a misspelt one would not be named.
  app_.set_help_flag("-h,--help", "Show what there is to say, with examples");
  app_.set_version_flag("--version", absl::StrCat("halving ", kVersion), "Show the version");
  app_.add_option("--server", parsed_.server, "Where halving-server listens, as HOST:PORT")
      ->envname("HALVING_SERVER")
      ->check(CLI::Validator(CheckServer, ""))
      ->capture_default_str()
      ->type_name("ADDRESS");
  AddLinkFlags(&app_, &parsed_.link);
  AddDuration(&app_, "--timeout", &parsed_.timeout,
              "How long to wait for an answer, such as 90s or 2m")
      ->capture_default_str();
  AddChoice(&app_, "--color", &parsed_.color, "use of colours",
            {{"auto", "on a terminal, unless NO_COLOR is set"},
             {"always", "into pipes and files too"},
             {"never", "plain text"}},
            "Colours")
      ->capture_default_str();
}

CLI::App* CommandLine::Add(const About& about, std::function<Parsed::Action()> run) {
  CLI::App* command = app_.add_subcommand(about.name, about.about);
  command->group(std::string(about.group));
  command->fallthrough();  // --server may stand anywhere.
  command->callback([this, run = std::move(run)] { parsed_.action = run(); });
  about_.emplace(command, about);
  return command;
}

void CommandLine::AddStudy(CLI::App* command) {
  CLI::Option* name = command->add_option("NAME", parsed_.name, "The study's name")
                          ->required()
                          ->check(CLI::Validator(CheckName, ""));
  Complete(name, WordKind::kStudy);
}

void CommandLine::AddStudyFile(CLI::App* command) {
  CLI::Option* file = command
                          ->add_option("FILE", parsed_.file,
                                       "JSON of a CreateStudyRequest, {\"study\": {...}}, or of "
                                       "the study alone; - reads standard input")
                          ->required();
  Complete(file, WordKind::kFile);
}

void CommandLine::AddTrialId(CLI::App* command) {
  CLI::Option* id = command->add_option("ID", parsed_.trial_id, "The trial's number, from 1")
                        ->required()
                        ->check(CLI::Validator(CheckCount, ""));
  Complete(id, WordKind::kTrial);
}

void CommandLine::AddFormats(CLI::App* command, const Values& formats) {
  CLI::Option* option = AddChoice(command, "-o,--output", &parsed_.format, "output format", formats,
                                  "Another form than text")
                            ->type_name("FORMAT");
  CLI::Option* json = nullptr;
  for (const auto& [name, about] : formats) {
    if (name == "json") {
      json = command->add_flag("--json", parsed_.json, "The same as -o json")->excludes(option);
    }
    if (name == "csv") {
      CLI::Option* csv =
          command->add_flag("--csv", parsed_.csv, "The same as -o csv")->excludes(option);
      if (json != nullptr) csv->excludes(json);
    }
  }
}

void CommandLine::AddStudyFormats(CLI::App* command) {
  AddFormats(command, {{"json", "the Study message"}, {"name", "its name only"}});
}

void CommandLine::AddOutputFile(CLI::App* command, const std::string& about) {
  Complete(command->add_option("-o,--output", parsed_.output, about)->type_name("FILE"),
           WordKind::kFile);
}

CLI::Option* CommandLine::AddCount(CLI::App* command, const std::string& flag, int64_t* value,
                                   const std::string& about) {
  return command->add_option(flag, *value, about)
      ->check(CLI::Validator(CheckCount, ""))
      ->type_name("N");
}

CLI::Option* CommandLine::AddDuration(CLI::App* command, const std::string& flag,
                                      std::string* value, const std::string& about) {
  return command->add_option(flag, *value, about)
      ->check(CLI::Validator(CheckPositiveDuration, ""))
      ->type_name("DURATION");
}

CLI::Option* CommandLine::AddChoice(CLI::App* command, const std::string& flag, std::string* value,
                                    const std::string& what, const Values& values,
                                    const std::string& about) {
  std::vector<std::string> names;
  for (const auto& [name, meaning] : values) names.push_back(name);
  const auto check = [what, names](const std::string& text) {
    return CheckOneOf(text, what, names);
  };
  CLI::Option* option = command->add_option(flag, *value, about)
                            ->check(CLI::Validator(check, ""))
                            ->type_name("WHICH");
  Complete(option, values);
  return option;
}

CommandTree CommandLine::Tree() const {
  CommandTree tree;
  tree.program = Describe(app_);
  tree.program.about = std::string(kProgramAbout);
  tree.program.examples = std::string(kProgramExamples);
  for (const CLI::App* command : app_.get_subcommands([](const CLI::App*) { return true; })) {
    tree.commands.push_back(Describe(*command));
  }
  return tree;
}

CommandDoc CommandLine::Describe(const CLI::App& app) const {
  CommandDoc doc;
  if (const auto found = about_.find(&app); found != about_.end()) {
    const About& about = found->second;
    doc = {about.name, std::string(about.group), about.about, about.details, about.examples, {},
           {}};
  }
  for (const CLI::Option* option : app.get_options()) {
    (option->nonpositional() ? doc.flags : doc.arguments).push_back(Describe(*option));
  }
  return doc;
}

WordDoc CommandLine::Describe(const CLI::Option& option) const {
  WordDoc doc;
  if (!option.get_snames().empty()) doc.short_name = "-" + option.get_snames().front();
  if (!option.get_lnames().empty()) doc.long_name = "--" + option.get_lnames().front();
  const bool alone = option.nonpositional() && option.get_items_expected_max() == 0;
  if (!alone) doc.value = option.nonpositional() ? option.get_type_name() : option.get_name(true);
  doc.about = option.get_description();
  doc.default_value = option.get_default_str();
  doc.environment = option.get_envname();
  doc.required = option.get_required();
  doc.repeated = option.get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll;
  if (const auto found = hints_.find(&option); found != hints_.end()) {
    doc.kind = found->second.kind;
    doc.values = found->second.values;
  }
  return doc;
}

}  // namespace halving
