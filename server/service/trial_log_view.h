// What trainers printed, between reports and TrialLogs and between TrialLogs and people.
#ifndef HALVING_SERVER_SERVICE_TRIAL_LOG_VIEW_H_
#define HALVING_SERVER_SERVICE_TRIAL_LOG_VIEW_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "halving/v1/study.pb.h"
#include "halving/v1/worker.pb.h"
#include "server/core/scheduler.h"
#include "server/engine/engine.h"
#include "server/store/trial_logs.h"

namespace halving {

// The lines of a report that are kept: of more than 64 KiB the newest, each cut at 8 KiB. Without
// lines when the report has none that can be numbered. The worker and the time are not set.
PrintedLines PrintedBy(const v1::TrainerLog& log, const LeaseKey& lease);

// Who has sent a report that was taken up, by what the scheduler knows after that; empty when it
// was a repeat, whose lines are known.
std::string WorkerOf(const Scheduler& scheduler, const LeaseKey& lease, const Answer& answer);

// What is kept of a trial's log. Waits for the engine and for the disk, so not to be called by who
// has the engine's turn. NOT_FOUND: there is no such study or trial. UNAVAILABLE: as Engine.
absl::StatusOr<v1::TrialLog> ReadTrialLog(Engine* engine, TrialLogs* logs, const Scope& scope,
                                          const std::string& study, TrialId trial);

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_TRIAL_LOG_VIEW_H_
