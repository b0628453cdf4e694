// Job: one assignment, from its checkpoint to its final report.
#ifndef HALVING_WORKER_AGENT_JOB_H_
#define HALVING_WORKER_AGENT_JOB_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "halving/v1/worker.pb.h"
#include "worker/agent/checkpoint_client.h"
#include "worker/agent/checkpoint_dir.h"
#include "worker/agent/heartbeat.h"
#include "worker/agent/patience.h"
#include "worker/agent/server_client.h"
#include "worker/agent/trainer.h"
#include "worker/agent/uploader.h"

namespace halving {

// What a job leaves to do.
struct JobResult {
  std::optional<v1::ReportRequest> report;  // Final, without `next`; none: the lease is over.
  bool crashed = false;  // By the fault of the trainer program or this machine, not the config's.
};

// The line that tells the trainer what to do, without its newline.
std::string MakeJobLine(const v1::Assignment& assignment, const std::string& checkpoint_in,
                        const std::string& checkpoint_out, absl::Duration checkpoint_interval);

// Job fetches the checkpoint of one assignment, trains it, keeps its lease alive meanwhile, and has
// the checkpoints that the trainer announces uploaded beside the training. It does not send the
// final report.
//
// Thread-compatible: the worker's main thread owns it. What it points to is not owned.
class Job : private TrainingObserver {
 public:
  struct Worker {
    std::string id;
    ServerClient* client;
    Trainer* trainer;
    CheckpointDir* checkpoints;
    CheckpointClient* transfers;
    const Leave* leave;
    absl::Duration grace;                // To upload and report in, once told to leave.
    absl::Duration checkpoint_interval;  // Between two checkpoints inside a rung.
  };

  Job(const Worker& worker, v1::Assignment assignment);

  // To be called once. Ends early when the worker is to leave (the trial is given back) and when
  // the lease is lost (there is no report).
  JobResult Run();

 private:
  void OnEpoch(int64_t epoch, double error) override;
  void OnCheckpoint(int64_t epoch) override;
  void OnLine(absl::string_view line) override;

  JobResult Train(const std::string& checkpoint_in);
  void StartUploader();
  // Until what can be uploaded is, the lease is lost, or there is no time left.
  void AwaitUploads();
  JobResult End(TrainingEnd end);
  JobResult Complete(const DoneLine& done);
  JobResult Fail(const FailedLine& failed) const;
  JobResult Return(const std::string& reason, const std::string& unusable_checkpoint_id) const;
  JobResult Drop() const;
  // With the lines that the server has not acknowledged.
  v1::ReportRequest NewReport() const;
  double Seconds() const;

  const Worker worker_;
  const v1::Assignment assignment_;
  const std::string name_;  // For the log.
  const absl::Time start_;
  const std::string temporary_;
  std::optional<Heartbeat> heartbeat_;
  // Once there is something to upload. Behind the heartbeat, which it tells what is stored.
  std::optional<Uploader> uploader_;
};

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_JOB_H_
