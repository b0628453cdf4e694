// Agent: the worker's loop. Ask for a trial, train it, report it, and so on.
#ifndef HALVING_WORKER_AGENT_AGENT_H_
#define HALVING_WORKER_AGENT_AGENT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "halving/v1/worker.pb.h"
#include "worker/agent/checkpoint_client.h"
#include "worker/agent/checkpoint_dir.h"
#include "worker/agent/job.h"
#include "worker/agent/patience.h"
#include "worker/agent/server_client.h"
#include "worker/agent/trainer.h"

namespace halving {

// Agent holds one lease at a time. A result that it has is kept and sent until the server answers,
// however long that takes; only a worker that is told to leave stops trying, after its grace.
//
// Thread-compatible: one thread calls Run(); any may request `leave`. Nothing is owned.
class Agent {
 public:
  struct Options {
    std::string worker_id;
    std::string host;
    std::string device;
    std::vector<std::string> objectives;             // None: any.
    absl::Duration grace;                            // To upload and report in, once told to leave.
    int64_t max_jobs = 0;                            // Leave after so many; 0: never.
    absl::Duration max_idle = absl::ZeroDuration();  // Leave after so long without work; 0: never.
    absl::Duration checkpoint_interval = absl::Minutes(1);
    // Told in a line what the worker is at, whenever that changes. Null: nobody is.
    std::function<void(const std::string&)> on_status;
  };

  Agent(Options options, ServerClient* client, Trainer* trainer, CheckpointDir* checkpoints,
        CheckpointClient* transfers, const Leave* leave);

  // Until told to leave, max_jobs are done, or there was no work for max_idle: OK. Otherwise the
  // server's refusal of this worker.
  absl::Status Run();

 private:
  using MaybeAssignment = std::optional<v1::Assignment>;

  v1::SuggestRequest NewAsk(absl::Duration wait) const;
  // One ask; none when the server has no work yet or the worker is to leave.
  absl::StatusOr<MaybeAssignment> Ask();
  // Sends a final report, and with it the ask for the next trial unless this was the last one.
  MaybeAssignment Deliver(JobResult result);
  // What an ask that was cut off may have been answered all the same.
  MaybeAssignment TakeLast(v1::SuggestRequest ask);
  // The assignment, or after the wait that the server asked for, none.
  MaybeAssignment Take(const v1::SuggestResponse& response, bool waited);
  bool LastJob() const;
  // How long the server may keep the next ask waiting.
  absl::Duration AskWait() const;
  bool IdleForTooLong() const;
  void SayStatus(const std::string& status) const;
  void PauseAfterCrashes();
  // Removes copies of checkpoints that no trial needs any more; now and then.
  void RemoveUnneededCopies();

  const Options options_;
  const std::string incarnation_;
  ServerClient* const client_;
  Trainer* const trainer_;
  CheckpointDir* const checkpoints_;
  CheckpointClient* const transfers_;
  const Leave* const leave_;
  // The request id of an ask whose answer was lost: it may have a lease.
  std::string open_request_id_;
  int64_t jobs_ = 0;
  int64_t crashes_in_a_row_ = 0;
  // Of the first answer since the last job that there is no work; a server that is away, or that
  // drains, says nothing of the kind.
  std::optional<absl::Time> idle_since_;
  absl::Time copies_looked_at_ = absl::InfinitePast();
};

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_AGENT_H_
