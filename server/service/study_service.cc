#include "server/service/study_service.h"

#include <utility>

#include "common/random.h"
#include "server/service/grpc_status.h"
#include "server/service/translate.h"
#include "server/service/trial_log_view.h"
#include "server/service/views.h"
#include "server/service/watch_reactor.h"

namespace halving {
namespace {

grpc::ServerUnaryReactor* Refuse(grpc::CallbackServerContext* context, const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(status));
  return reactor;
}

// The view is of the end of the batch, in which the study may have been deleted.
absl::Status ShowChanged(const Engine::Reply& reply, const Engine::View& view,
                         v1::Study* response) {
  const Study* study = view.scheduler.FindStudy(reply.answer.study);
  if (study == nullptr) {
    return absl::NotFoundError("the study was deleted by another call at the same time");
  }
  ShowStudy(*study, response);
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* StudyServiceImpl::Change(grpc::CallbackServerContext* context,
                                                   Command command, v1::Study* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  engine_->Post(std::move(command), [reactor, response](absl::StatusOr<Engine::Reply> reply,
                                                        const Engine::View& view) {
    reactor->Finish(ToGrpc(reply.ok() ? ShowChanged(*reply, view, response) : reply.status()));
  });
  return reactor;
}

grpc::ServerUnaryReactor* StudyServiceImpl::Read(
    grpc::CallbackServerContext* context, std::function<absl::Status(const Engine::View&)> show) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  engine_->PostRead(
      [reactor, show = std::move(show)](const absl::Status& status, const Engine::View& view) {
        reactor->Finish(ToGrpc(status.ok() ? show(view) : status));
      });
  return reactor;
}

grpc::ServerUnaryReactor* StudyServiceImpl::ReadStudy(
    grpc::CallbackServerContext* context, const std::string& name,
    std::function<absl::Status(const Study&, const Engine::View&)> show) {
  return Read(context, [name, show = std::move(show)](const Engine::View& view) {
    const Study* study = view.scheduler.FindStudy(name);
    return study == nullptr ? NoStudy(name) : show(*study, view);
  });
}

grpc::ServerUnaryReactor* StudyServiceImpl::CreateStudy(grpc::CallbackServerContext* context,
                                                        const v1::CreateStudyRequest* request,
                                                        v1::Study* response) {
  absl::StatusOr<StudySpec> spec = FromProto(request->study());
  if (!spec.ok()) return Refuse(context, spec.status());
  return Change(
      context,
      halving::CreateStudy{.spec = *std::move(spec), .fallback_seed = SecureRandomNonZero()},
      response);
}

grpc::ServerUnaryReactor* StudyServiceImpl::PlanStudy(grpc::CallbackServerContext* context,
                                                      const v1::PlanStudyRequest* request,
                                                      v1::StudyPlan* response) {
  const absl::StatusOr<StudySpec> spec = FromProto(request->study());
  if (!spec.ok()) return Refuse(context, spec.status());
  const absl::StatusOr<Plan> plan = MakePlan(*spec);
  if (plan.ok()) ToProto(*plan, response);
  return Refuse(context, plan.status());
}

grpc::ServerUnaryReactor* StudyServiceImpl::GetStudy(grpc::CallbackServerContext* context,
                                                     const v1::GetStudyRequest* request,
                                                     v1::Study* response) {
  return ReadStudy(context, request->name(), [response](const Study& study, const Engine::View&) {
    ShowStudy(study, response);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* StudyServiceImpl::ListStudies(grpc::CallbackServerContext* context,
                                                        const v1::ListStudiesRequest* request,
                                                        v1::ListStudiesResponse* response) {
  return Read(context, [request, response](const Engine::View& view) {
    return halving::ListStudies(view.scheduler, *request, response);
  });
}

grpc::ServerUnaryReactor* StudyServiceImpl::GetStatus(grpc::CallbackServerContext* context,
                                                      const v1::GetStatusRequest* request,
                                                      v1::StudyStatus* response) {
  return ReadStudy(context, request->name(),
                   [response](const Study& study, const Engine::View& view) {
                     ShowStatus(view.scheduler, study, view.now, response);
                     return absl::OkStatus();
                   });
}

grpc::ServerUnaryReactor* StudyServiceImpl::ListTrials(grpc::CallbackServerContext* context,
                                                       const v1::ListTrialsRequest* request,
                                                       v1::ListTrialsResponse* response) {
  return ReadStudy(context, request->name(),
                   [request, response](const Study& study, const Engine::View&) {
                     return halving::ListTrials(study, *request, response);
                   });
}

grpc::ServerUnaryReactor* StudyServiceImpl::GetTrial(grpc::CallbackServerContext* context,
                                                     const v1::GetTrialRequest* request,
                                                     v1::Trial* response) {
  return ReadStudy(context, request->name(),
                   [id = request->trial_id(), response](const Study& study, const Engine::View&) {
                     const Trial* trial = study.FindTrial(id);
                     if (trial == nullptr) return NoTrial(study, id);
                     ShowTrial(study, *trial, /*with_curve=*/true, response);
                     return absl::OkStatus();
                   });
}

grpc::ServerUnaryReactor* StudyServiceImpl::GetTrialLog(grpc::CallbackServerContext* context,
                                                        const v1::GetTrialLogRequest* request,
                                                        v1::TrialLog* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  readers_.Post([this, reactor, request, response] {
    absl::StatusOr<v1::TrialLog> log =
        ReadTrialLog(engine_, logs_, request->name(), request->trial_id());
    if (log.ok()) *response = *std::move(log);
    reactor->Finish(ToGrpc(log.status()));
  });
  return reactor;
}

grpc::ServerUnaryReactor* StudyServiceImpl::ListWorkers(grpc::CallbackServerContext* context,
                                                        const v1::ListWorkersRequest* request,
                                                        v1::ListWorkersResponse* response) {
  return Read(context, [request, response](const Engine::View& view) {
    return halving::ListWorkers(view.scheduler, view.now, *request, response);
  });
}

grpc::ServerWriteReactor<v1::StudyStatus>* StudyServiceImpl::WatchStatus(
    grpc::CallbackServerContext*, const v1::WatchStatusRequest* request) {
  return WatchReactor::Start(engine_, *request);
}

grpc::ServerUnaryReactor* StudyServiceImpl::PauseStudy(grpc::CallbackServerContext* context,
                                                       const v1::PauseStudyRequest* request,
                                                       v1::Study* response) {
  return Change(context, halving::PauseStudy{.name = request->name()}, response);
}

grpc::ServerUnaryReactor* StudyServiceImpl::ResumeStudy(grpc::CallbackServerContext* context,
                                                        const v1::ResumeStudyRequest* request,
                                                        v1::Study* response) {
  return Change(context, halving::ResumeStudy{.name = request->name()}, response);
}

grpc::ServerUnaryReactor* StudyServiceImpl::StopStudy(grpc::CallbackServerContext* context,
                                                      const v1::StopStudyRequest* request,
                                                      v1::Study* response) {
  return Change(context, halving::StopStudy{.name = request->name()}, response);
}

grpc::ServerUnaryReactor* StudyServiceImpl::ExtendStudy(grpc::CallbackServerContext* context,
                                                        const v1::ExtendStudyRequest* request,
                                                        v1::Study* response) {
  const absl::StatusOr<Limits> limits = FromProto(request->limits());
  if (!limits.ok()) return Refuse(context, limits.status());
  return Change(context, halving::ExtendStudy{.name = request->name(), .limits = *limits},
                response);
}

grpc::ServerUnaryReactor* StudyServiceImpl::DeleteStudy(grpc::CallbackServerContext* context,
                                                        const v1::DeleteStudyRequest* request,
                                                        v1::DeleteStudyResponse*) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  engine_->Post(halving::DeleteStudy{.name = request->name()},
                [this, reactor](absl::StatusOr<Engine::Reply> reply, const Engine::View&) {
                  if (reply.ok()) logs_->Forget(reply->answer.study);
                  reactor->Finish(ToGrpc(reply.status()));
                });
  return reactor;
}

}  // namespace halving
