// The commands that show what there is.
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/csv.h"
#include "cli/json.h"
#include "cli/plot_data.h"
#include "cli/render_study.h"
#include "cli/render_trials.h"
#include "cli/text.h"

namespace halving {
namespace {

int WriteTrialsCsv(const std::string& name, const std::vector<v1::Trial>& trials, Client* client,
                   Console* console) {
  const absl::StatusOr<v1::Study> study = client->GetStudy(name);
  if (!study.ok()) return Fail(study.status(), client, console);
  WriteData(ResultsCsv(*study, trials), console);
  return kExitOk;
}

// Replaces the trials that will be drawn with those that GetTrial tells, which have curves.
absl::Status FetchCurves(const std::string& name, const PlotOptions& options, Client* client,
                         std::vector<v1::Trial>* trials) {
  std::map<int64_t, v1::Trial> fetched;
  const PlotData drawn = SelectPlotData(*trials, options.trials_per_rung, options.log);
  for (const PlotTrial& one : drawn.trials) {
    absl::StatusOr<v1::Trial> trial = client->GetTrial(name, one.trial->id());
    if (!trial.ok()) return trial.status();
    // Only the curve: the trial may have gone on since, and the picture is of one moment.
    *fetched[one.trial->id()].mutable_curve() = trial->curve();
  }
  for (v1::Trial& trial : *trials) {
    const auto found = fetched.find(trial.id());
    if (found == fetched.end() || trial.results().empty()) continue;
    const int64_t reached = trial.results(trial.results_size() - 1).epochs();
    for (const v1::CurvePoint& point : found->second.curve()) {
      if (point.epoch() <= reached) *trial.add_curve() = point;
    }
  }
  return absl::OkStatus();
}

int WriteFile(const std::string& path, const std::string& content, Console* console) {
  errno = 0;
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
  file.close();
  if (file) return kExitOk;
  *console->err << "error: cannot write " << Printable(path) << ": "
                << (errno != 0 ? std::strerror(errno) : "the disk took only a part") << "\n";
  return kExitFailed;
}

}  // namespace

int StatusCommand(const std::string& name, Format format, Client* client, Console* console) {
  const absl::StatusOr<v1::StudyStatus> status = client->GetStatus(name);
  if (!status.ok()) return Fail(status.status(), client, console);
  if (format == Format::kJson) {
    WriteData(ToJson(*status), console);
  } else {
    *console->out << RenderStatus(*status, console->options);
  }
  return kExitOk;
}

int TrialsCommand(const std::string& name, const TrialsOptions& options, Client* client,
                  Console* console) {
  v1::ListTrialsRequest request;
  request.set_name(name);
  request.set_by_error(options.by_error);
  for (const v1::TrialState state : options.states) request.add_states(state);
  std::vector<v1::Trial> trials;
  const absl::Status listed =
      client->ForEachTrial(request, options.limit, [&](const v1::Trial& trial) {
        if (options.format == Format::kJson) return WriteData(ToJsonLine(trial), console);
        if (options.format == Format::kName) {
          *console->out << trial.id() << "\n";
          return;
        }
        trials.push_back(trial);
      });
  if (!listed.ok()) return Fail(listed, client, console);
  if (options.format == Format::kJson || options.format == Format::kName) return kExitOk;
  if (options.format == Format::kCsv) return WriteTrialsCsv(name, trials, client, console);
  *console->out << RenderTrials(trials, options.format == Format::kWide, console->options);
  return kExitOk;
}

int TrialCommand(const std::string& name, int64_t trial_id, Format format, Client* client,
                 Console* console) {
  const absl::StatusOr<v1::Trial> trial = client->GetTrial(name, trial_id);
  if (!trial.ok()) return Fail(trial.status(), client, console);
  if (format == Format::kJson) {
    WriteData(ToJson(*trial), console);
  } else {
    *console->out << RenderTrial(*trial, console->options);
  }
  return kExitOk;
}

int PlotCommand(const std::string& name, const std::string& path, bool curves,
                const PlotOptions& options, Client* client, Console* console) {
  const absl::StatusOr<v1::Study> study = client->GetStudy(name);
  if (!study.ok()) return Fail(study.status(), client, console);
  absl::StatusOr<std::vector<v1::Trial>> trials = client->ListTrials(name);
  if (!trials.ok()) return Fail(trials.status(), client, console);
  if (curves) {
    const absl::Status fetched = FetchCurves(name, options, client, &*trials);
    if (!fetched.ok()) return Fail(fetched, client, console);
  }
  const std::string svg = RenderSvg(*study, *trials, options);
  if (path == "-") {
    WriteData(svg, console);
    return kExitOk;
  }
  if (const int code = WriteFile(path, svg, console); code != kExitOk) return code;
  *console->out << "Wrote " << Printable(path) << " ("
                << Plural(static_cast<int64_t>(trials->size()), "trial") << ").\n";
  return kExitOk;
}

}  // namespace halving
