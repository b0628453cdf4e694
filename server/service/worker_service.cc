#include "server/service/worker_service.h"

#include <memory>
#include <optional>
#include <utility>

#include "common/struct_json.h"
#include "server/service/grpc_status.h"
#include "server/service/translate.h"
#include "server/service/trial_log_view.h"

namespace halving {
namespace {

constexpr absl::Duration kRetryAfter = absl::Seconds(1);

// Tells the engine when the caller goes away, so that it gets no trial. Deletes itself.
class CallReactor : public grpc::ServerUnaryReactor {
 public:
  explicit CallReactor(Engine* engine) : engine_(engine) {}

  const Engine::Gone& gone() const { return gone_; }

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
  const Engine::Gone gone_ = Engine::NewGone();
};

grpc::ServerUnaryReactor* Refuse(CallReactor* reactor, const absl::Status& status) {
  reactor->Finish(ToGrpc(status));
  return reactor;
}

}  // namespace

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

grpc::ServerUnaryReactor* WorkerServiceImpl::Suggest(grpc::CallbackServerContext*,
                                                     const v1::SuggestRequest* request,
                                                     v1::SuggestResponse* response) {
  auto* reactor = new CallReactor(engine_);
  absl::StatusOr<Ask> ask = FromProto(*request);
  if (!ask.ok()) return Refuse(reactor, ask.status());
  const absl::StatusOr<absl::Duration> wait = WaitOf(*request);
  if (!wait.ok()) return Refuse(reactor, wait.status());
  engine_->PostAsk(*std::move(ask), *wait, reactor->gone(),
                   [this, reactor, response, wait = *wait](absl::StatusOr<Engine::Reply> reply,
                                                           const Engine::View&) {
                     if (reply.ok()) Show(*reply, wait, response);
                     reactor->Finish(ToGrpc(reply.status()));
                   });
  return reactor;
}

grpc::ServerUnaryReactor* WorkerServiceImpl::Report(grpc::CallbackServerContext*,
                                                    const v1::ReportRequest* request,
                                                    v1::ReportResponse* response) {
  auto* reactor = new CallReactor(engine_);
  const absl::StatusOr<LeaseKey> lease = lease_ids_.Decode(request->lease_id());
  if (!lease.ok()) return Refuse(reactor, lease.status());
  absl::StatusOr<Outcome> outcome = OutcomeFromProto(*request);
  if (!outcome.ok()) return Refuse(reactor, outcome.status());
  std::optional<Ask> next;
  absl::Duration wait;
  if (request->has_next()) {
    // A bad ask costs the ask, not the result beside it.
    absl::StatusOr<Ask> ask = FromProto(request->next());
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
      {.lease = *lease, .outcome = *std::move(outcome)}, std::move(next), wait, reactor->gone(),
      [this, reactor, response, wait, printed = std::move(printed)](
          absl::StatusOr<Engine::Reply> reply, const Engine::View& view) {
        if (reply.ok()) {
          if (printed != nullptr) {
            printed->worker = WorkerOf(view.scheduler, printed->lease, reply->answer);
            printed->time = view.now;
            logs_->Append(std::move(*printed));
          }
          response->set_directive(reply->answer.stop ? v1::DIRECTIVE_STOP : v1::DIRECTIVE_CONTINUE);
          response->set_duplicate(reply->answer.duplicate);
          if (reply->asked) Show(*reply, wait, response->mutable_next());
        }
        reactor->Finish(ToGrpc(reply.status()));
      });
  return reactor;
}

}  // namespace halving
