// Job: one assignment, from its checkpoint to its final report.
#ifndef HALVING_WORKER_AGENT_JOB_H_
#define HALVING_WORKER_AGENT_JOB_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "halving/v1/worker.pb.h"
#include "worker/agent/checkpoint_dir.h"
#include "worker/agent/heartbeat.h"
#include "worker/agent/patience.h"
#include "worker/agent/server_client.h"
#include "worker/agent/trainer.h"

namespace halving {

// What a job leaves to do.
struct JobResult {
  std::optional<v1::ReportRequest> report;  // Final, without `next`; none: the lease is over.
  std::vector<std::string> superseded;      // Checkpoints to remove once the report is counted.
  bool crashed = false;                     // By the trainer program's fault, not the config's.
};

// The line that tells the trainer what to do, without its newline.
std::string MakeJobLine(const v1::Assignment& assignment, const std::string& checkpoint_in,
                        const std::string& checkpoint_out);

// Job trains one assignment, keeps its lease alive meanwhile, and makes checkpoints of the files
// that the trainer announces. It does not send the final report.
//
// Thread-compatible: the worker's main thread owns it. What it points to is not owned.
class Job : private TrainingObserver {
 public:
  struct Worker {
    std::string id;
    ServerClient* client;
    Trainer* trainer;
    CheckpointDir* checkpoints;
    const Leave* leave;
  };

  Job(const Worker& worker, v1::Assignment assignment);

  // To be called once. Ends early when the worker is to leave (the trial is given back) and when
  // the lease is lost (there is no report).
  JobResult Run();

 private:
  struct Checkpoint {
    std::string id;
    int64_t epoch = 0;
  };

  void OnEpoch(int64_t epoch, double error) override;
  void OnCheckpoint(int64_t epoch) override;

  JobResult Train(const std::string& checkpoint_in);
  JobResult End(TrainingEnd end);
  JobResult Complete(const DoneLine& done);
  JobResult Fail(const std::string& reason, bool retryable) const;
  JobResult Return(const std::string& reason, const std::string& unusable_checkpoint_id) const;
  v1::ReportRequest NewReport() const;
  void RemoveOldCheckpoints();
  void RemoveUnknownCheckpoints(const JobResult& result);  // At the end.
  double Seconds() const;

  const Worker worker_;
  const v1::Assignment assignment_;
  const std::string name_;  // For the log.
  const absl::Time start_;
  const std::string temporary_;
  std::optional<Heartbeat> heartbeat_;
  std::vector<Checkpoint> published_;  // By this job and still there, oldest first.
};

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_JOB_H_
