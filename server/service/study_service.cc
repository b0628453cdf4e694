#include "server/service/study_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/random.h"
#include "server/service/caller.h"
#include "server/service/grpc_status.h"
#include "server/service/translate.h"
#include "server/service/trial_log_view.h"
#include "server/service/views.h"
#include "server/service/watch_reactor.h"

namespace halving {
namespace {

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

absl::StatusOr<Caller> StudyServiceImpl::Admit(grpc::CallbackServerContext* context,
                                               absl::string_view method) const {
  return CallerOf(*access_, *context, absl::StrCat("/halving.v1.StudyService/", method));
}

template <typename OneCommand>
grpc::ServerUnaryReactor* StudyServiceImpl::Change(grpc::CallbackServerContext* context,
                                                   absl::string_view method, OneCommand command,
                                                   v1::Study* response) {
  const absl::StatusOr<Caller> caller = Admit(context, method);
  if (!caller.ok()) return FinishWith(context, caller.status());
  command.scope = caller->owner;
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  engine_->Post(std::move(command), [reactor, response](absl::StatusOr<Engine::Reply> reply,
                                                        const Engine::View& view) {
    reactor->Finish(ToGrpc(reply.ok() ? ShowChanged(*reply, view, response) : reply.status()));
  });
  return reactor;
}

grpc::ServerUnaryReactor* StudyServiceImpl::Read(
    grpc::CallbackServerContext* context, absl::string_view method,
    std::function<absl::Status(const Engine::View&, const Scope&)> show) {
  absl::StatusOr<Caller> caller = Admit(context, method);
  if (!caller.ok()) return FinishWith(context, caller.status());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  engine_->PostRead([reactor, show = std::move(show), scope = std::move(caller->owner)](
                        const absl::Status& status, const Engine::View& view) {
    reactor->Finish(ToGrpc(status.ok() ? show(view, scope) : status));
  });
  return reactor;
}

grpc::ServerUnaryReactor* StudyServiceImpl::ReadStudy(
    grpc::CallbackServerContext* context, absl::string_view method, const std::string& name,
    std::function<absl::Status(const Study&, const Engine::View&)> show) {
  return Read(context, method,
              [name, show = std::move(show)](const Engine::View& view, const Scope& scope) {
                const Study* study = view.scheduler.FindStudy(name, scope);
                return study == nullptr ? NoStudy(name) : show(*study, view);
              });
}

grpc::ServerUnaryReactor* StudyServiceImpl::CreateStudy(grpc::CallbackServerContext* context,
                                                        const v1::CreateStudyRequest* request,
                                                        v1::Study* response) {
  absl::StatusOr<StudySpec> spec = FromProto(request->study());
  if (!spec.ok()) return FinishWith(context, spec.status());
  return Change(
      context, "CreateStudy",
      halving::CreateStudy{.spec = *std::move(spec), .fallback_seed = SecureRandomNonZero()},
      response);
}

grpc::ServerUnaryReactor* StudyServiceImpl::PlanStudy(grpc::CallbackServerContext* context,
                                                      const v1::PlanStudyRequest* request,
                                                      v1::StudyPlan* response) {
  const absl::StatusOr<Caller> caller = Admit(context, "PlanStudy");
  if (!caller.ok()) return FinishWith(context, caller.status());
  const absl::StatusOr<StudySpec> spec = FromProto(request->study());
  if (!spec.ok()) return FinishWith(context, spec.status());
  const absl::StatusOr<Plan> plan = MakePlan(*spec);
  if (plan.ok()) ToProto(*plan, response);
  return FinishWith(context, plan.status());
}

grpc::ServerUnaryReactor* StudyServiceImpl::GetStudy(grpc::CallbackServerContext* context,
                                                     const v1::GetStudyRequest* request,
                                                     v1::Study* response) {
  return ReadStudy(context, "GetStudy", request->name(),
                   [response](const Study& study, const Engine::View&) {
                     ShowStudy(study, response);
                     return absl::OkStatus();
                   });
}

grpc::ServerUnaryReactor* StudyServiceImpl::ListStudies(grpc::CallbackServerContext* context,
                                                        const v1::ListStudiesRequest* request,
                                                        v1::ListStudiesResponse* response) {
  return Read(context, "ListStudies",
              [request, response](const Engine::View& view, const Scope& scope) {
                return halving::ListStudies(view.scheduler, scope, *request, response);
              });
}

grpc::ServerUnaryReactor* StudyServiceImpl::GetStatus(grpc::CallbackServerContext* context,
                                                      const v1::GetStatusRequest* request,
                                                      v1::StudyStatus* response) {
  return ReadStudy(context, "GetStatus", request->name(),
                   [response](const Study& study, const Engine::View& view) {
                     ShowStatus(view.scheduler, study, view.now, response);
                     return absl::OkStatus();
                   });
}

grpc::ServerUnaryReactor* StudyServiceImpl::ListTrials(grpc::CallbackServerContext* context,
                                                       const v1::ListTrialsRequest* request,
                                                       v1::ListTrialsResponse* response) {
  return ReadStudy(context, "ListTrials", request->name(),
                   [request, response](const Study& study, const Engine::View&) {
                     return halving::ListTrials(study, *request, response);
                   });
}

grpc::ServerUnaryReactor* StudyServiceImpl::GetTrial(grpc::CallbackServerContext* context,
                                                     const v1::GetTrialRequest* request,
                                                     v1::Trial* response) {
  return ReadStudy(context, "GetTrial", request->name(),
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
  absl::StatusOr<Caller> caller = Admit(context, "GetTrialLog");
  if (!caller.ok()) return FinishWith(context, caller.status());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  readers_.Post([this, reactor, request, response, scope = std::move(caller->owner)] {
    absl::StatusOr<v1::TrialLog> log =
        ReadTrialLog(engine_, logs_, scope, request->name(), request->trial_id());
    if (log.ok()) *response = *std::move(log);
    reactor->Finish(ToGrpc(log.status()));
  });
  return reactor;
}

grpc::ServerUnaryReactor* StudyServiceImpl::ListWorkers(grpc::CallbackServerContext* context,
                                                        const v1::ListWorkersRequest* request,
                                                        v1::ListWorkersResponse* response) {
  return Read(context, "ListWorkers",
              [request, response](const Engine::View& view, const Scope& scope) {
                return halving::ListWorkers(view.scheduler, scope, view.now, *request, response);
              });
}

grpc::ServerWriteReactor<v1::StudyStatus>* StudyServiceImpl::WatchStatus(
    grpc::CallbackServerContext* context, const v1::WatchStatusRequest* request) {
  return WatchReactor::Start(engine_, access_, Admit(context, "WatchStatus"), *request);
}

grpc::ServerUnaryReactor* StudyServiceImpl::PauseStudy(grpc::CallbackServerContext* context,
                                                       const v1::PauseStudyRequest* request,
                                                       v1::Study* response) {
  return Change(context, "PauseStudy", halving::PauseStudy{.name = request->name()}, response);
}

grpc::ServerUnaryReactor* StudyServiceImpl::ResumeStudy(grpc::CallbackServerContext* context,
                                                        const v1::ResumeStudyRequest* request,
                                                        v1::Study* response) {
  return Change(context, "ResumeStudy", halving::ResumeStudy{.name = request->name()}, response);
}

grpc::ServerUnaryReactor* StudyServiceImpl::StopStudy(grpc::CallbackServerContext* context,
                                                      const v1::StopStudyRequest* request,
                                                      v1::Study* response) {
  return Change(context, "StopStudy", halving::StopStudy{.name = request->name()}, response);
}

grpc::ServerUnaryReactor* StudyServiceImpl::ExtendStudy(grpc::CallbackServerContext* context,
                                                        const v1::ExtendStudyRequest* request,
                                                        v1::Study* response) {
  const absl::StatusOr<Limits> limits = FromProto(request->limits());
  if (!limits.ok()) return FinishWith(context, limits.status());
  return Change(context, "ExtendStudy",
                halving::ExtendStudy{.name = request->name(), .limits = *limits}, response);
}

grpc::ServerUnaryReactor* StudyServiceImpl::DeleteStudy(grpc::CallbackServerContext* context,
                                                        const v1::DeleteStudyRequest* request,
                                                        v1::DeleteStudyResponse*) {
  const absl::StatusOr<Caller> caller = Admit(context, "DeleteStudy");
  if (!caller.ok()) return FinishWith(context, caller.status());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  engine_->Post(halving::DeleteStudy{.name = request->name(), .scope = caller->owner},
                [this, reactor](absl::StatusOr<Engine::Reply> reply, const Engine::View&) {
                  if (reply.ok()) logs_->Forget(reply->answer.study);
                  reactor->Finish(ToGrpc(reply.status()));
                });
  return reactor;
}

}  // namespace halving
