#include "server/service/trial_log_view.h"

#include <algorithm>
#include <future>
#include <utility>
#include <vector>

#include "common/status.h"
#include "server/service/cut_text.h"
#include "server/service/translate.h"
#include "server/service/views.h"

namespace halving {
namespace {

constexpr size_t kMaxLogBytes = 64 << 10;
constexpr size_t kMaxLineBytes = 8 << 10;
constexpr size_t kBytesBesideText = 4;  // So that empty lines are bounded, too.

void ShowKept(KeptLines kept, v1::AttemptLog* to) {
  to->set_attempt(kept.attempt);
  to->set_worker_id(std::move(kept.worker));
  to->set_first_line(kept.first_line);
  for (std::string& line : kept.lines) to->add_lines(std::move(line));
  ToProto(kept.update_time, to->mutable_update_time());
}

absl::StatusOr<StudyUid> FindTrial(const Scheduler& scheduler, const Scope& scope,
                                   const std::string& name, TrialId id) {
  const Study* study = scheduler.FindStudy(name, scope);
  if (study == nullptr) return NoStudy(name);
  if (study->FindTrial(id) == nullptr) return NoTrial(*study, id);
  return study->uid();
}

}  // namespace

PrintedLines PrintedBy(const v1::TrainerLog& log, const LeaseKey& lease) {
  PrintedLines printed = {.lease = lease, .first_line = std::max<int64_t>(log.first_line(), 1)};
  int first = log.lines_size();
  for (size_t bytes = 0; first > 0; --first) {
    bytes += std::min(log.lines(first - 1).size(), kMaxLineBytes) + kBytesBesideText;
    if (bytes > kMaxLogBytes) break;
  }
  printed.first_line += std::min<int64_t>(first, INT64_MAX - printed.first_line);
  for (int i = first; i < log.lines_size(); ++i) {
    printed.lines.push_back(CutText(log.lines(i), kMaxLineBytes));
  }
  return printed;
}

std::string WorkerOf(const Scheduler& scheduler, const LeaseKey& lease, const Answer& answer) {
  if (!answer.worker.empty()) return answer.worker;
  const Study* study = scheduler.FindStudy(lease.study);
  const Trial* trial = study == nullptr ? nullptr : study->FindTrial(lease.trial);
  if (trial == nullptr || trial->attempts != lease.attempt) return "";
  return trial->lease == nullptr ? "" : trial->lease->worker;
}

absl::StatusOr<v1::TrialLog> ReadTrialLog(Engine* engine, TrialLogs* logs, const Scope& scope,
                                          const std::string& study, TrialId trial) {
  std::promise<absl::StatusOr<StudyUid>> found;
  engine->PostRead([&](const absl::Status& status, const Engine::View& view) {
    found.set_value(status.ok() ? FindTrial(view.scheduler, scope, study, trial) : status);
  });
  HV_ASSIGN_OR_RETURN(const StudyUid uid, found.get_future().get());
  v1::TrialLog log;
  for (KeptLines& kept : logs->Read(uid, trial)) ShowKept(std::move(kept), log.add_attempts());
  return log;
}

}  // namespace halving
