#include "cli/top.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/live_view.h"
#include "cli/render_top.h"
#include "common/status.h"

namespace halving {
namespace {

constexpr int kFooterLines = 2;

// Asks for the status of so many running studies at most.
absl::StatusOr<TopPicture> Look(int64_t limit, Client* client) {
  TopPicture picture;
  picture.server = client->server();
  HV_ASSIGN_OR_RETURN(std::vector<v1::Study> studies, client->ListStudies());
  std::reverse(studies.begin(), studies.end());  // The newest first.
  picture.studies = static_cast<int64_t>(studies.size());
  for (const v1::Study& study : studies) {
    if (study.state() != v1::STUDY_STATE_RUNNING) continue;
    if (++picture.running_total > limit) continue;
    absl::StatusOr<v1::StudyStatus> status = client->GetStatus(study.spec().name());
    // It may have been deleted since.
    if (absl::IsNotFound(status.status())) continue;
    if (!status.ok()) return status.status();
    picture.running.push_back(*std::move(status));
  }
  HV_ASSIGN_OR_RETURN(picture.workers, client->ListWorkers());
  return picture;
}

}  // namespace

int TopCommand(const TopOptions& options, Client* client, Console* console) {
  // No more than a terminal can show.
  const auto limit = [&] {
    return console->out_is_terminal ? std::min<int64_t>(options.limit, console->size().rows)
                                    : options.limit;
  };
  absl::StatusOr<TopPicture> picture = Look(limit(), client);
  if (!picture.ok()) return Fail(picture.status(), client, console);
  if (!console->out_is_terminal) {
    *console->out << RenderTop(*picture, 0, console->options);
    return kExitOk;
  }
  LiveView view("a higher terminal shows them", console);
  std::string footer = "q or Ctrl-C ends the looking; the studies go on.";
  for (;;) {
    RenderOptions drawn = console->options;
    const TerminalSize size = console->size();
    drawn.width_columns = size.columns - 1;
    const std::string now =
        absl::FormatTime("%H:%M:%S", console->clock->Now(), console->options.zone);
    view.Draw(RenderTop(*picture, size.rows - 1 - kFooterLines, drawn),
              Paint(absl::StrCat(now, "  ", footer), Ink::kDim, drawn));
    if (const char key = console->key(options.interval); key == 'q' || key == 'Q') return kExitOk;
    absl::StatusOr<TopPicture> next = Look(limit(), client);
    if (next.ok()) {
      picture = std::move(next);
      footer = "q or Ctrl-C ends the looking; the studies go on.";
    } else if (IsConnectionLoss(next.status()) || absl::IsDeadlineExceeded(next.status())) {
      footer = "the server does not answer; trying again. q ends.";
    } else {
      return Fail(next.status(), client, console);
    }
  }
}

}  // namespace halving
