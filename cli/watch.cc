#include "cli/watch.h"

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/live_view.h"
#include "cli/names.h"
#include "cli/render_study.h"
#include "cli/text.h"
#include "common/random.h"

namespace halving {
namespace {

constexpr int kFooterLines = 2;

// Shows statuses the way that suits the output.
//
// Thread-compatible: the watching command's own.
class Display {
 public:
  Display(bool json, Console* console)
      : json_(json), console_(console), view_("`halving status` shows all", console) {}

  void Show(const v1::StudyStatus& status) {
    last_ = status;
    if (json_) {
      WriteData(ToJsonLine(status), console_);
      console_->out->flush();
      return;
    }
    if (console_->out_is_terminal) return Redraw("Ctrl-C ends the watching; the study goes on.");
    const std::string line = RenderStatusLine(status, console_->options);
    if (line == last_line_) return;  // Of heartbeats there is nothing to tell.
    last_line_ = line;
    *console_->out << Now() << "  " << line << std::endl;
  }

  // What is happening instead of a status.
  void Say(const std::string& text) {
    if (json_) {
      *console_->err << text << std::endl;
      return;
    }
    if (console_->out_is_terminal) return Redraw(text);
    *console_->out << Now() << "  " << text << std::endl;
    last_line_.clear();
  }

  // The whole picture, to keep.
  void Finish() {
    if (json_) return;
    RenderOptions options = console_->options;
    if (console_->out_is_terminal) {
      view_.Clear();  // What is to be kept may be higher than the terminal.
      options.width_columns = console_->size().columns;
    } else {
      *console_->out << "\n";
    }
    *console_->out << RenderStatus(last_, options);
  }

  const v1::StudyStatus& last() const { return last_; }

 private:
  std::string Now() const {
    return absl::FormatTime("%H:%M:%S", console_->clock->Now(), console_->options.zone);
  }

  void Redraw(const std::string& footer) {
    RenderOptions options = console_->options;
    const TerminalSize size = console_->size();
    options.width_columns = size.columns - 1;
    view_.Draw(RenderLiveStatus(last_, size.rows - 1 - kFooterLines, options),
               Paint(absl::StrCat(Now(), "  ", footer), Ink::kDim, options));
  }

  const bool json_;
  Console* const console_;  // Not owned.
  LiveView view_;
  v1::StudyStatus last_;
  std::string last_line_;
};

}  // namespace

absl::Duration ReconnectDelay(int failures, double unit) {
  const int doublings = std::clamp(failures - 1, 0, 10);
  const absl::Duration full =
      std::min(absl::Milliseconds(500) * (int64_t{1} << doublings), absl::Seconds(5));
  return full * (1 - unit / 2);
}

int WatchCommand(const std::string& name, absl::Duration min_interval, Format format,
                 Client* client, Console* console) {
  Display display(format == Format::kJson, console);
  bool reached = false;
  for (int failures = 0; !HasEnded(display.last().study().state());) {
    const absl::Status end =
        client->WatchStatus(name, min_interval, [&](const v1::StudyStatus& status) {
          reached = true;
          failures = 0;
          display.Show(status);
        });
    if (HasEnded(display.last().study().state())) break;
    // A stream that ends well before its study does: the server is going down.
    if (!reached || !(end.ok() || IsConnectionLoss(end))) return Fail(end, client, console);
    const absl::Duration delay = ReconnectDelay(++failures, UnitInterval(SecureRandomNonZero()));
    display.Say(absl::StrCat("the server went away; trying again in ", HumanDuration(delay)));
    console->sleep(delay);
  }
  display.Finish();
  return display.last().study().state() == v1::STUDY_STATE_COMPLETED ? kExitOk : kExitEndedEarly;
}

}  // namespace halving
