#include "cli/completion.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/names.h"
#include "cli/text.h"
#include "common/link_flags.h"
#include "common/server_address.h"

namespace halving {
namespace {

constexpr absl::Duration kServerTimeout = absl::Seconds(1);  // Somebody waits for a key's effect.

// Walks along a command line, word by word, as the parser would.
//
// Thread-compatible: one function walks.
class Walker {
 public:
  explicit Walker(const CommandTree& tree) : tree_(tree) {}

  void Step(const std::string& word) {
    if (pending_ != nullptr) {
      Take(*pending_, word);
      pending_ = nullptr;
    } else if (!only_arguments_ && word == "--") {
      only_arguments_ = true;
    } else if (!only_arguments_ && absl::StartsWith(word, "-")) {
      StepFlag(word);
    } else if (command_ == nullptr) {
      command_ = FindCommand(tree_, word);
      lost_ |= command_ == nullptr;
    } else {
      const auto& arguments = command_->arguments;
      if (arguments_ < arguments.size() && arguments[arguments_].kind == WordKind::kStudy) {
        study_ = word;
      }
      ++arguments_;
    }
  }

  Completion Complete(const std::string& word) {
    if (lost_) return {};
    Completion result;
    if (pending_ != nullptr) {
      result = Values(*pending_, word, "");
    } else if (!only_arguments_ && absl::StartsWith(word, "-")) {
      result = absl::StrContains(word, "=") ? FlagValues(word) : Flags(word);
    } else if (command_ == nullptr) {
      result = Commands(word);
    } else if (command_->name == "help" && arguments_ == 0) {
      result = Commands(word);
      for (const HelpTopic& topic : HelpTopics()) Offer(topic.name, topic.about, word, &result);
    } else if (arguments_ < command_->arguments.size()) {
      result = Values(command_->arguments[arguments_], word, "");
    }
    result.server = server_;
    result.study = study_;
    return result;
  }

 private:
  const WordDoc* Find(const std::string& word) const {
    const WordDoc* own = command_ == nullptr ? nullptr : FindFlag(command_->flags, word);
    return own != nullptr ? own : FindFlag(tree_.program.flags, word);
  }

  void StepFlag(const std::string& word) {
    const WordDoc* flag = Find(word);
    if (flag == nullptr) return;
    used_.push_back(flag);
    if (flag->value.empty()) return;
    if (const size_t equals = word.find('='); equals != std::string::npos) {
      Take(*flag, word.substr(equals + 1));
    } else {
      pending_ = flag;
    }
  }

  void Take(const WordDoc& flag, const std::string& value) {
    if (flag.long_name == "--server") server_ = value;
  }

  static void Offer(const std::string& text, const std::string& about, const std::string& word,
                    Completion* result) {
    if (absl::StartsWith(text, word)) result->candidates.emplace_back(text, about);
  }

  Completion Commands(const std::string& word) const {
    Completion result;
    for (const CommandDoc& command : tree_.commands) {
      Offer(command.name, command.about, word, &result);
    }
    return result;
  }

  Completion Flags(const std::string& word) const {
    Completion result;
    const auto offer = [&](const std::vector<WordDoc>& flags) {
      for (const WordDoc& flag : flags) {
        const bool again = std::find(used_.begin(), used_.end(), &flag) != used_.end();
        if (!again || flag.repeated) Offer(flag.long_name, flag.about, word, &result);
      }
    };
    if (command_ != nullptr) offer(command_->flags);
    offer(tree_.program.flags);
    // Each has a help flag.
    std::sort(result.candidates.begin(), result.candidates.end());
    const auto same = [](const auto& a, const auto& b) { return a.first == b.first; };
    result.candidates.erase(std::unique(result.candidates.begin(), result.candidates.end(), same),
                            result.candidates.end());
    return result;
  }

  Completion FlagValues(const std::string& word) const {
    const WordDoc* flag = Find(word);
    return flag == nullptr ? Completion() : Values(*flag, word, flag->long_name + "=");
  }

  static Completion Values(const WordDoc& doc, const std::string& word, const std::string& prefix) {
    Completion result;
    for (const auto& [value, about] : doc.values) Offer(prefix + value, about, word, &result);
    result.kind = doc.kind;
    result.prefix = prefix;
    return result;
  }

  const CommandTree& tree_;
  const CommandDoc* command_ = nullptr;
  const WordDoc* pending_ = nullptr;  // The flag that the next word belongs to.
  std::vector<const WordDoc*> used_;
  std::string server_;
  std::string study_;
  size_t arguments_ = 0;
  bool only_arguments_ = false;
  bool lost_ = false;  // Behind a command that there is not.
};

// Of the server that is named by the words, the environment, or nobody.
std::optional<Client> Connect(const std::string& named, const std::string& fallback) {
  const char* environment = std::getenv("HALVING_SERVER");
  std::string server = named;
  if (server.empty() && environment != nullptr) server = environment;
  if (server.empty()) server = fallback;
  const absl::StatusOr<std::string> address = NormalizeServer(server);
  if (!address.ok()) return std::nullopt;
  // TLS and the token as the environment says; a flag among the words is not looked for.
  LinkOptions options;
  CLI::App app;
  AddLinkFlags(&app, &options);
  try {
    app.parse(std::vector<std::string>());
  } catch (const CLI::ParseError&) {
    return std::nullopt;
  }
  const absl::StatusOr<std::shared_ptr<ServerLink>> link = ServerLink::Make(*address, options);
  if (!link.ok()) return std::nullopt;
  return std::optional<Client>(std::in_place, **link, kServerTimeout);
}

using Candidates = std::vector<std::pair<std::string, std::string>>;

Candidates Studies(Client* client) {
  Candidates found;
  const auto studies = client->ListStudies();
  if (!studies.ok()) return found;
  for (const v1::Study& study : *studies) {
    found.emplace_back(study.spec().name(), StateName(study.state()));
  }
  return found;
}

Candidates Trials(const std::string& study, Client* client) {
  Candidates found;
  const absl::StatusOr<v1::StudyStatus> status = client->GetStatus(study);
  if (!status.ok()) return found;
  if (status->best().id() > 0) found.emplace_back(absl::StrCat(status->best().id()), "the best");
  for (const v1::RunningTrial& running : status->running()) {
    found.emplace_back(absl::StrCat(running.trial_id()),
                       absl::StrCat("running on ", Printable(running.worker_id())));
  }
  return found;
}

// What only the server knows.
void AskServer(const CommandTree& tree, const std::string& word, Completion* completion) {
  const WordDoc* server = FindFlag(tree.program.flags, "--server");
  std::optional<Client> client =
      Connect(completion->server, server == nullptr ? "" : server->default_value);
  if (!client.has_value()) return;
  for (const auto& [text, about] : completion->kind == WordKind::kStudy
                                       ? Studies(&*client)
                                       : Trials(completion->study, &*client)) {
    const std::string whole = completion->prefix + text;
    if (absl::StartsWith(whole, word)) completion->candidates.emplace_back(whole, about);
  }
}

}  // namespace

Completion CompleteWords(const CommandTree& tree, const std::vector<std::string>& words) {
  Walker walker(tree);
  for (size_t i = 0; i + 1 < words.size(); ++i) walker.Step(words[i]);
  return walker.Complete(words.empty() ? "" : words.back());
}

int CompleteCommand(const CommandTree& tree, const std::vector<std::string>& words,
                    Console* console) {
  const std::string word = words.empty() ? "" : words.back();
  Completion completion = CompleteWords(tree, words);
  const bool trial = completion.kind == WordKind::kTrial && !completion.study.empty();
  if (completion.kind == WordKind::kStudy || trial) AskServer(tree, word, &completion);
  for (const auto& [text, about] : completion.candidates) {
    *console->out << text << '\t' << about << '\n';
  }
  *console->out << (completion.kind == WordKind::kFile     ? ":file\n"
                    : completion.kind == WordKind::kFolder ? ":folder\n"
                                                           : ":none\n");
  return kExitOk;
}

}  // namespace halving
