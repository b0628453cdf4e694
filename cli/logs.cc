#include "cli/logs.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/json.h"
#include "cli/names.h"
#include "cli/text.h"
#include "cli/watch.h"
#include "common/random.h"
#include "common/status.h"

namespace halving {
namespace {

constexpr absl::Duration kPollInterval = absl::Seconds(1);

absl::Status NoSuchAttempt(const v1::TrialLog& log, const std::string& what) {
  std::vector<int32_t> kept;
  for (const v1::AttemptLog& attempt : log.attempts()) kept.push_back(attempt.attempt());
  return absl::NotFoundError(
      absl::StrCat("there are no lines of ", what, "; ",
                   kept.empty() ? "there are none of any"
                                : absl::StrCat("there are some of ", absl::StrJoin(kept, ", "))));
}

// Keeps the last `tail` lines over all attempts.
void CutToTail(int64_t tail, v1::TrialLog* log) {
  int64_t left = tail;
  for (auto attempt = log->mutable_attempts()->rbegin(); attempt != log->mutable_attempts()->rend();
       ++attempt) {
    const int64_t drop = std::max<int64_t>(0, attempt->lines_size() - left);
    attempt->mutable_lines()->DeleteSubrange(0, static_cast<int>(drop));
    attempt->set_first_line(attempt->first_line() + drop);
    left -= attempt->lines_size();
  }
  auto* attempts = log->mutable_attempts();
  attempts->erase(std::remove_if(attempts->begin(), attempts->end(),
                                 [](const v1::AttemptLog& one) { return one.lines().empty(); }),
                  attempts->end());
}

// Prints each line once, however often the log is handed in.
//
// Thread-compatible: the command's own.
class Printer {
 public:
  Printer(bool headings, Console* console) : headings_(headings), console_(console) {}

  void Print(const v1::TrialLog& log) {
    headings_ |= log.attempts_size() > 1;
    for (const v1::AttemptLog& attempt : log.attempts()) {
      if (attempt.attempt() >= attempt_) PrintAttempt(attempt);
    }
    console_->out->flush();
  }

 private:
  void PrintAttempt(const v1::AttemptLog& attempt) {
    const bool begins = attempt.attempt() != attempt_;
    if (begins) {
      if (headings_ || attempt_ > 0) Heading(attempt);
      attempt_ = attempt.attempt();
      next_line_ = attempt.first_line();
    }
    if (attempt.first_line() > next_line_) {
      Remark(absl::StrCat("... ", Plural(attempt.first_line() - next_line_, "line"), " missed"));
    }
    int64_t number = attempt.first_line();
    for (const std::string& line : attempt.lines()) {
      if (number++ >= next_line_) WriteData(absl::StrCat(line, "\n"), console_);
    }
    next_line_ = std::max(next_line_, number);
  }

  void Heading(const v1::AttemptLog& attempt) {
    Remark(absl::StrCat(
        attempt_ > 0 ? "\n" : "", "==> attempt ", attempt.attempt(),
        attempt.worker_id().empty() ? "" : " on ", Printable(attempt.worker_id()),
        attempt.first_line() > 1 ? absl::StrCat(", from line ", attempt.first_line(), " on") : "",
        " <=="));
  }

  void Remark(const std::string& text) {
    *console_->out << Paint(text, Ink::kBold, console_->options) << "\n";
  }

  bool headings_;
  Console* const console_;  // Not owned.
  int32_t attempt_ = 0;     // The one whose lines were printed last.
  int64_t next_line_ = 1;   // The first that was not.
};

// OK once the trial no longer runs; its state is in `state`.
absl::Status Follow(const std::string& name, int64_t trial_id, const LogsOptions& options,
                    Printer* printer, Client* client, Console* console) {
  LogsOptions all = options;
  all.tail = 0;  // That was for the lines before.
  for (int failures = 0;;) {
    // First the state: what the trainer printed last comes with the report that ends it.
    const absl::StatusOr<v1::Trial> trial = client->GetTrial(name, trial_id);
    const absl::StatusOr<v1::TrialLog> log = client->GetTrialLog(name, trial_id);
    absl::Status called = trial.ok() ? log.status() : trial.status();
    if (!called.ok() && !IsConnectionLoss(called)) return called;
    if (!called.ok()) {
      console->sleep(ReconnectDelay(++failures, UnitInterval(SecureRandomNonZero())));
      continue;
    }
    failures = 0;
    if (const auto selected = SelectLog(*log, all); selected.ok()) printer->Print(*selected);
    if (trial->state() != v1::TRIAL_STATE_RUNNING) {
      *console->err << "Trial " << trial_id << " is " << StateName(trial->state())
                    << "; nothing more to follow.\n";
      return absl::OkStatus();
    }
    console->sleep(kPollInterval);
  }
}

}  // namespace

absl::StatusOr<v1::TrialLog> SelectLog(const v1::TrialLog& log, const LogsOptions& options) {
  v1::TrialLog selected;
  if (options.previous) {
    if (log.attempts_size() < 2) return NoSuchAttempt(log, "an attempt before the last one");
    *selected.add_attempts() = log.attempts(log.attempts_size() - 2);
  }
  for (const v1::AttemptLog& attempt : log.attempts()) {
    if (options.previous) break;
    if (options.attempt > 0 && attempt.attempt() != options.attempt) continue;
    *selected.add_attempts() = attempt;
  }
  if (options.attempt > 0 && selected.attempts().empty()) {
    return NoSuchAttempt(log, absl::StrCat("attempt ", options.attempt));
  }
  if (options.tail > 0) CutToTail(options.tail, &selected);
  return selected;
}

int LogsCommand(const std::string& name, int64_t trial_id, const LogsOptions& options,
                Client* client, Console* console) {
  const absl::StatusOr<v1::TrialLog> log = client->GetTrialLog(name, trial_id);
  if (!log.ok()) return Fail(log.status(), client, console);
  const absl::StatusOr<v1::TrialLog> selected = SelectLog(*log, options);
  // An attempt that has printed nothing yet may be followed.
  if (!selected.ok() && !options.follow) {
    *console->err << "error: " << selected.status().message() << "\n";
    return kExitFailed;
  }
  if (options.json) {
    WriteData(ToJson(*selected), console);
    return kExitOk;
  }
  Printer printer(log->attempts_size() > 1 && options.attempt == 0 && !options.previous, console);
  if (selected.ok()) printer.Print(*selected);
  if (options.follow) {
    const absl::Status followed = Follow(name, trial_id, options, &printer, client, console);
    return followed.ok() ? kExitOk : Fail(followed, client, console);
  }
  if (selected->attempts().empty()) {
    *console->err << "Trial " << trial_id << " has printed nothing that was kept.\n";
  }
  return kExitOk;
}

}  // namespace halving
