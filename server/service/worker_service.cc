#include "server/service/worker_service.h"

#include <memory>
#include <optional>
#include <utility>

#include "common/clock.h"
#include "common/struct_json.h"
#include "server/service/caller.h"
#include "server/service/grpc_status.h"
#include "server/service/translate.h"
#include "server/service/trial_log_view.h"
#include "server/service/views.h"

namespace halving {
namespace {

constexpr absl::Duration kRetryAfter = absl::Seconds(1);

// Tells the engine when the caller goes away, so that it gets no trial. Deletes itself.
class CallReactor : public grpc::ServerUnaryReactor {
 public:
  CallReactor(Engine* engine, CallMetrics* metrics)
      : engine_(engine), metrics_(metrics), start_(Clock::Real()->Now()) {}

  const Engine::Gone& gone() const { return gone_; }
  absl::Duration Took() const { return Clock::Real()->Now() - start_; }

  // A call that waited for a trial says nothing of how fast the server is.
  void End(const absl::Status& status, bool waited) {
    metrics_->Count(status.code());
    if (!waited) metrics_->Time(Took());
    Finish(ToGrpc(status));
  }

  void OnCancel() override {
    gone_->store(true);
    engine_->Sweep();
  }
  void OnDone() override { delete this; }
  // Else gRPC runs OnDone(), which every call comes to, on a thread of its executor: a tenth of
  // what a call costs. Neither reaction blocks.
  bool InternalInlineable() override { return true; }

 private:
  Engine* const engine_;
  CallMetrics* const metrics_;
  const absl::Time start_;
  const Engine::Gone gone_ = Engine::NewGone();
};

grpc::ServerUnaryReactor* Refuse(CallReactor* reactor, const absl::Status& status) {
  reactor->End(status, /*waited=*/false);
  return reactor;
}

absl::StatusOr<Ask> AskOf(const v1::SuggestRequest& request, const Scope& scope) {
  absl::StatusOr<Ask> ask = FromProto(request);
  if (ask.ok()) {
    ask->scope = scope;
    ask->worker = WorkerName(scope, ask->worker);
  }
  return ask;
}

ServerMetrics::Outcome OutcomeOf(const v1::ReportRequest& request) {
  switch (request.outcome_case()) {
    case v1::ReportRequest::kCompleted:
      return ServerMetrics::Outcome::kCompleted;
    case v1::ReportRequest::kFailed:
      return ServerMetrics::Outcome::kFailed;
    case v1::ReportRequest::kReturned:
      return ServerMetrics::Outcome::kReturned;
    default:
      return ServerMetrics::Outcome::kProgress;
  }
}

ServerMetrics::Counted CountedAs(const absl::StatusOr<Engine::Reply>& reply) {
  if (!reply.ok()) return ServerMetrics::Counted::kRefused;
  return reply->answer.duplicate ? ServerMetrics::Counted::kDuplicate
                                 : ServerMetrics::Counted::kCounted;
}

}  // namespace

void WorkerServiceImpl::CountAsk(const absl::StatusOr<Engine::Reply>& reply,
                                 absl::Duration took) const {
  const bool assigned = reply.ok() && reply->assignment.has_value();
  if (assigned && reply->waited) metrics_->TimeWait(took);
  metrics_->CountAsk(!reply.ok() || !reply->asked ? ServerMetrics::Asked::kRefused
                     : assigned                   ? ServerMetrics::Asked::kAssigned
                                                  : ServerMetrics::Asked::kEmpty);
}

void WorkerServiceImpl::Show(const Engine::Reply& reply, absl::Duration wait,
                             v1::SuggestResponse* response) const {
  response->set_draining(reply.draining);
  if (!reply.assignment.has_value()) {
    // Who does not wait here must wait there.
    const bool polls = wait <= absl::ZeroDuration();
    if (polls || reply.draining) ToProto(kRetryAfter, response->mutable_retry_after());
    return;
  }
  const halving::Assignment& from = *reply.assignment;
  v1::Assignment* to = response->mutable_assignment();
  to->set_study(from.study);
  to->set_trial_id(from.lease.trial);
  to->set_lease_id(lease_ids_.Encode(from.lease));
  to->set_attempt(from.lease.attempt);
  to->set_objective(from.objective);
  *to->mutable_objective_options() =
      JsonToStruct(nlohmann::json::parse(from.objective_options_json));
  ToProto(from.config, to->mutable_config());
  to->set_from_epoch(from.from_epoch);
  to->set_to_epoch(from.to_epoch);
  to->set_checkpoint_id(from.checkpoint_id);
  ToProto(from.lease_duration, to->mutable_lease());
  to->set_seed(from.seed);
  to->set_max_epochs(from.max_epochs);
}

absl::Status WorkerServiceImpl::Withdraw(const Caller& caller, const Engine::Reply& reply) const {
  absl::Status valid = access_->StillValid(caller);
  if (valid.ok() || !reply.assignment.has_value()) return valid;
  engine_->Post(halving::Report{.lease = reply.assignment->lease,
                                .outcome = Returned{.reason = "its worker's token has ended"}},
                [](const absl::StatusOr<Engine::Reply>&, const Engine::View&) {});
  return valid;
}

grpc::ServerUnaryReactor* WorkerServiceImpl::Suggest(grpc::CallbackServerContext* context,
                                                     const v1::SuggestRequest* request,
                                                     v1::SuggestResponse* response) {
  auto* reactor = new CallReactor(engine_, suggests_);
  const absl::StatusOr<Caller> caller =
      CallerOf(*access_, *context, "/halving.v1.WorkerService/Suggest");
  if (!caller.ok()) return Refuse(reactor, caller.status());
  absl::StatusOr<Ask> ask = AskOf(*request, caller->owner);
  const absl::StatusOr<absl::Duration> wait = WaitOf(*request);
  if (!ask.ok() || !wait.ok()) {
    metrics_->CountAsk(ServerMetrics::Asked::kRefused);
    return Refuse(reactor, ask.ok() ? wait.status() : ask.status());
  }
  engine_->PostAsk(*std::move(ask), *wait, reactor->gone(),
                   [this, reactor, response, wait = *wait, caller = *caller](
                       absl::StatusOr<Engine::Reply> reply, const Engine::View&) {
                     if (reply.ok()) {
                       const absl::Status valid = Withdraw(caller, *reply);
                       if (!valid.ok()) reply = valid;
                     }
                     if (reply.ok()) Show(*reply, wait, response);
                     CountAsk(reply, reactor->Took());
                     reactor->End(reply.status(), reply.ok() && reply->waited);
                   });
  return reactor;
}

grpc::ServerUnaryReactor* WorkerServiceImpl::Report(grpc::CallbackServerContext* context,
                                                    const v1::ReportRequest* request,
                                                    v1::ReportResponse* response) {
  auto* reactor = new CallReactor(engine_, reports_);
  const absl::StatusOr<Caller> caller =
      CallerOf(*access_, *context, "/halving.v1.WorkerService/Report");
  if (!caller.ok()) return Refuse(reactor, caller.status());
  const absl::StatusOr<LeaseKey> lease = lease_ids_.Decode(request->lease_id());
  absl::StatusOr<Outcome> outcome = OutcomeFromProto(*request);
  if (!lease.ok() || !outcome.ok()) {
    metrics_->CountReport(OutcomeOf(*request), ServerMetrics::Counted::kRefused);
    return Refuse(reactor, lease.ok() ? outcome.status() : lease.status());
  }
  std::optional<Ask> next;
  absl::Duration wait;
  if (request->has_next()) {
    // A bad ask costs the ask, not the result beside it.
    absl::StatusOr<Ask> ask = AskOf(request->next(), caller->owner);
    const absl::StatusOr<absl::Duration> asked_wait = WaitOf(request->next());
    if (ask.ok() && asked_wait.ok()) {
      next = *std::move(ask);
      wait = *asked_wait;
    }
  }
  // Most have none. It is cut here, before the callback, which holds up everybody.
  std::unique_ptr<PrintedLines> printed;
  if (request->log().lines_size() > 0) {
    printed = std::make_unique<PrintedLines>(PrintedBy(request->log(), *lease));
  }
  engine_->PostReport(
      {.lease = *lease, .outcome = *std::move(outcome), .scope = caller->owner}, std::move(next),
      wait, reactor->gone(),
      [this, reactor, response, wait, printed = std::move(printed), reported = OutcomeOf(*request),
       asks = request->has_next(),
       caller = *caller](absl::StatusOr<Engine::Reply> reply, const Engine::View& view) {
        metrics_->CountReport(reported, CountedAs(reply));
        if (reply.ok()) {
          if (printed != nullptr) {
            printed->worker = WorkerOf(view.scheduler, printed->lease, reply->answer);
            printed->time = view.now;
            logs_->Append(std::move(*printed));
          }
          response->set_directive(reply->answer.stop ? v1::DIRECTIVE_STOP : v1::DIRECTIVE_CONTINUE);
          response->set_duplicate(reply->answer.duplicate);
          // The report counts all the same; its worker hears of the token at its next call.
          if (reply->asked && Withdraw(caller, *reply).ok()) {
            Show(*reply, wait, response->mutable_next());
          }
          if (asks) CountAsk(reply, reactor->Took());
        }
        reactor->End(reply.status(), reply.ok() && reply->waited);
      });
  return reactor;
}

}  // namespace halving
