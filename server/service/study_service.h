// StudyService: what people and tools call.
#ifndef HALVING_SERVER_SERVICE_STUDY_SERVICE_H_
#define HALVING_SERVER_SERVICE_STUDY_SERVICE_H_

#include <functional>
#include <string>

#include "common/thread_pool.h"
#include "halving/v1/study.grpc.pb.h"
#include "server/access/access.h"
#include "server/engine/engine.h"
#include "server/store/trial_logs.h"

namespace halving {

// How many logs are read at a time: all of them go through one connection to their database.
inline constexpr int kLogReaders = 2;

// Checks the shape of requests, posts them to the engine and shows what it answers; no state of its
// own. Thread-safe.
class StudyServiceImpl : public v1::StudyService::CallbackService {
 public:
  // None is owned; all must outlive the gRPC server.
  StudyServiceImpl(Engine* engine, TrialLogs* logs, const Access* access)
      : engine_(engine), logs_(logs), access_(access) {}

  grpc::ServerUnaryReactor* CreateStudy(grpc::CallbackServerContext* context,
                                        const v1::CreateStudyRequest* request,
                                        v1::Study* response) override;
  grpc::ServerUnaryReactor* PlanStudy(grpc::CallbackServerContext* context,
                                      const v1::PlanStudyRequest* request,
                                      v1::StudyPlan* response) override;
  grpc::ServerUnaryReactor* GetStudy(grpc::CallbackServerContext* context,
                                     const v1::GetStudyRequest* request,
                                     v1::Study* response) override;
  grpc::ServerUnaryReactor* ListStudies(grpc::CallbackServerContext* context,
                                        const v1::ListStudiesRequest* request,
                                        v1::ListStudiesResponse* response) override;
  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const v1::GetStatusRequest* request,
                                      v1::StudyStatus* response) override;
  grpc::ServerUnaryReactor* ListTrials(grpc::CallbackServerContext* context,
                                       const v1::ListTrialsRequest* request,
                                       v1::ListTrialsResponse* response) override;
  grpc::ServerUnaryReactor* GetTrial(grpc::CallbackServerContext* context,
                                     const v1::GetTrialRequest* request,
                                     v1::Trial* response) override;
  grpc::ServerUnaryReactor* GetTrialLog(grpc::CallbackServerContext* context,
                                        const v1::GetTrialLogRequest* request,
                                        v1::TrialLog* response) override;
  grpc::ServerUnaryReactor* ListWorkers(grpc::CallbackServerContext* context,
                                        const v1::ListWorkersRequest* request,
                                        v1::ListWorkersResponse* response) override;
  grpc::ServerWriteReactor<v1::StudyStatus>* WatchStatus(
      grpc::CallbackServerContext* context, const v1::WatchStatusRequest* request) override;
  grpc::ServerUnaryReactor* PauseStudy(grpc::CallbackServerContext* context,
                                       const v1::PauseStudyRequest* request,
                                       v1::Study* response) override;
  grpc::ServerUnaryReactor* ResumeStudy(grpc::CallbackServerContext* context,
                                        const v1::ResumeStudyRequest* request,
                                        v1::Study* response) override;
  grpc::ServerUnaryReactor* StopStudy(grpc::CallbackServerContext* context,
                                      const v1::StopStudyRequest* request,
                                      v1::Study* response) override;
  grpc::ServerUnaryReactor* ExtendStudy(grpc::CallbackServerContext* context,
                                        const v1::ExtendStudyRequest* request,
                                        v1::Study* response) override;
  grpc::ServerUnaryReactor* DeleteStudy(grpc::CallbackServerContext* context,
                                        const v1::DeleteStudyRequest* request,
                                        v1::DeleteStudyResponse* response) override;

 private:
  // Each of these admits the caller to the method first.
  //
  // Posts the command within his scope and answers with the study it names.
  template <typename OneCommand>
  grpc::ServerUnaryReactor* Change(grpc::CallbackServerContext* context, absl::string_view method,
                                   OneCommand command, v1::Study* response);
  // Answers with what `show` makes of the view, or its error.
  grpc::ServerUnaryReactor* Read(
      grpc::CallbackServerContext* context, absl::string_view method,
      std::function<absl::Status(const Engine::View&, const Scope&)> show);
  // The same for one study.
  grpc::ServerUnaryReactor* ReadStudy(
      grpc::CallbackServerContext* context, absl::string_view method, const std::string& name,
      std::function<absl::Status(const Study&, const Engine::View&)> show);
  absl::StatusOr<Caller> Admit(grpc::CallbackServerContext* context,
                               absl::string_view method) const;

  Engine* const engine_;
  TrialLogs* const logs_;
  const Access* const access_;
  ThreadPool readers_{kLogReaders};  // For what waits for the disk.
};

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_STUDY_SERVICE_H_
