// FakeServer: a small StudyService for tests of the command line, over real gRPC on a free port.
#ifndef HALVING_TESTS_CLI_FAKE_SERVER_H_
#define HALVING_TESTS_CLI_FAKE_SERVER_H_

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/mutex.h"
#include "grpcpp/grpcpp.h"
#include "halving/v1/study.grpc.pb.h"
#include "tests/cli/sample_study.h"

namespace halving {

// One WatchStatus stream: what it sends and how it ends.
struct WatchScript {
  std::vector<v1::StudyStatus> statuses;
  grpc::Status end;
};

// What one look at a trial and its log finds.
struct LogStep {
  v1::TrialState state = v1::TRIAL_STATE_RUNNING;
  v1::TrialLog log;
  grpc::Status end;
};

// Keeps studies by name and answers as the contract says, but schedules nothing: a study has the
// trials and the status that it was given. Pages hold three elements at most, whatever was asked.
//
// Thread-safe.
class FakeStudyService final : public v1::StudyService::Service {
 public:
  void AddStudy(const SampleStudy& sample) ABSL_LOCKS_EXCLUDED(mu_);
  void SetStatus(const v1::StudyStatus& status) ABSL_LOCKS_EXCLUDED(mu_);
  void SetPlan(const v1::StudyPlan& plan) ABSL_LOCKS_EXCLUDED(mu_);
  void AddWorker(const v1::Worker& worker) ABSL_LOCKS_EXCLUDED(mu_);
  // The next streams, in order; one more than there are is NOT_FOUND.
  void AddWatch(const WatchScript& script) ABSL_LOCKS_EXCLUDED(mu_);
  // What GetTrialLog answers, one after the other; the last one again and again. GetTrial tells the
  // state of the one to come. NOT_FOUND without any.
  void AddLogStep(const LogStep& step) ABSL_LOCKS_EXCLUDED(mu_);
  // How often ListTrials was called.
  int trial_pages() const ABSL_LOCKS_EXCLUDED(mu_);
  // The second reading of all trials finds these too.
  void AddTrialLater(const v1::Trial& trial) ABSL_LOCKS_EXCLUDED(mu_);
  // All calls fail so from now on.
  void Fail(const grpc::Status& status) ABSL_LOCKS_EXCLUDED(mu_);
  // Calls wait until their caller gives up.
  void Hang() ABSL_LOCKS_EXCLUDED(mu_);

  bool HasStudy(const std::string& name) const ABSL_LOCKS_EXCLUDED(mu_);
  v1::Study GetStudy(const std::string& name) const ABSL_LOCKS_EXCLUDED(mu_);
  std::vector<v1::WatchStatusRequest> watch_requests() const ABSL_LOCKS_EXCLUDED(mu_);
  v1::Limits last_extension() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  grpc::Status CreateStudy(grpc::ServerContext*, const v1::CreateStudyRequest*,
                           v1::Study*) override;
  grpc::Status PlanStudy(grpc::ServerContext*, const v1::PlanStudyRequest*,
                         v1::StudyPlan*) override;
  grpc::Status GetStudy(grpc::ServerContext*, const v1::GetStudyRequest*, v1::Study*) override;
  grpc::Status ListStudies(grpc::ServerContext*, const v1::ListStudiesRequest*,
                           v1::ListStudiesResponse*) override;
  grpc::Status GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                         v1::StudyStatus*) override;
  grpc::Status ListTrials(grpc::ServerContext*, const v1::ListTrialsRequest*,
                          v1::ListTrialsResponse*) override;
  grpc::Status GetTrial(grpc::ServerContext*, const v1::GetTrialRequest*, v1::Trial*) override;
  grpc::Status GetTrialLog(grpc::ServerContext*, const v1::GetTrialLogRequest*,
                           v1::TrialLog*) override;
  grpc::Status ListWorkers(grpc::ServerContext*, const v1::ListWorkersRequest*,
                           v1::ListWorkersResponse*) override;
  grpc::Status WatchStatus(grpc::ServerContext*, const v1::WatchStatusRequest*,
                           grpc::ServerWriter<v1::StudyStatus>*) override;
  grpc::Status PauseStudy(grpc::ServerContext*, const v1::PauseStudyRequest*, v1::Study*) override;
  grpc::Status ResumeStudy(grpc::ServerContext*, const v1::ResumeStudyRequest*,
                           v1::Study*) override;
  grpc::Status StopStudy(grpc::ServerContext*, const v1::StopStudyRequest*, v1::Study*) override;
  grpc::Status ExtendStudy(grpc::ServerContext*, const v1::ExtendStudyRequest*,
                           v1::Study*) override;
  grpc::Status DeleteStudy(grpc::ServerContext*, const v1::DeleteStudyRequest*,
                           v1::DeleteStudyResponse*) override;

  // OK when `name` is there and nothing was told to fail.
  grpc::Status Check(grpc::ServerContext* context, const std::string* name)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  grpc::Status Change(grpc::ServerContext* context, const std::string& name, v1::StudyState state,
                      v1::Study* answer) ABSL_LOCKS_EXCLUDED(mu_);

  mutable Mutex mu_;
  CondVar never_;
  std::map<std::string, SampleStudy> studies_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, v1::StudyStatus> statuses_ ABSL_GUARDED_BY(mu_);
  std::vector<v1::Worker> workers_ ABSL_GUARDED_BY(mu_);
  std::deque<LogStep> log_steps_ ABSL_GUARDED_BY(mu_);
  std::vector<v1::Trial> later_ ABSL_GUARDED_BY(mu_);
  int trial_pages_ ABSL_GUARDED_BY(mu_) = 0;
  std::deque<WatchScript> watches_ ABSL_GUARDED_BY(mu_);
  std::vector<v1::WatchStatusRequest> watch_requests_ ABSL_GUARDED_BY(mu_);
  v1::StudyPlan plan_ ABSL_GUARDED_BY(mu_);
  v1::Limits last_extension_ ABSL_GUARDED_BY(mu_);
  grpc::Status failure_ ABSL_GUARDED_BY(mu_);
  bool hanging_ ABSL_GUARDED_BY(mu_) = false;
};

// The service, listening on 127.0.0.1 for its lifetime. Thread-safe.
class FakeServer {
 public:
  FakeServer();
  ~FakeServer();

  const std::string& address() const { return address_; }
  FakeStudyService* service() { return &service_; }

 private:
  FakeStudyService service_;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace halving

#endif  // HALVING_TESTS_CLI_FAKE_SERVER_H_
