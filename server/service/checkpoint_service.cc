#include "server/service/checkpoint_service.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/crypto.h"
#include "server/core/checkpoint_id.h"
#include "server/service/caller.h"
#include "server/service/grpc_status.h"

namespace halving {
namespace {

constexpr int kMaxIds = 1000;

}  // namespace

absl::StatusOr<Caller> CheckpointServiceImpl::Admit(grpc::CallbackServerContext* context,
                                                    absl::string_view method) const {
  return CallerOf(*access_, *context, absl::StrCat("/halving.v1.CheckpointService/", method));
}

grpc::ServerUnaryReactor* CheckpointServiceImpl::GetUploadOffset(
    grpc::CallbackServerContext* context, const v1::GetUploadOffsetRequest* request,
    v1::GetUploadOffsetResponse* response) {
  const absl::StatusOr<Caller> caller = Admit(context, "GetUploadOffset");
  const absl::StatusOr<LeaseKey> lease = lease_ids_.Decode(request->lease_id());
  absl::Status status = caller.ok() ? lease.status() : caller.status();
  if (status.ok() && request->sha256().size() != kSha256Bytes) {
    status = absl::InvalidArgumentError(
        absl::StrCat("sha256 has ", request->sha256().size(), " bytes; it has ", kSha256Bytes));
  }
  if (!status.ok()) return FinishWith(context, status);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  keeper_->engine()->PostRead([this, reactor, request, response, lease = *lease,
                               scope = caller->owner](const absl::Status& read,
                                                      const Engine::View& view) {
    const absl::Status open = read.ok() ? view.scheduler.TrialOfLease(lease, scope).status() : read;
    if (!open.ok()) return reactor->Finish(ToGrpc(open));
    keeper_->Run([this, reactor, request, response, lease] {
      response->set_offset(keeper_->store()->OffsetOf(lease, request->sha256()));
      reactor->Finish(grpc::Status::OK);
    });
  });
  return reactor;
}

grpc::ServerUnaryReactor* CheckpointServiceImpl::FindUnneeded(
    grpc::CallbackServerContext* context, const v1::FindUnneededRequest* request,
    v1::FindUnneededResponse* response) {
  const absl::StatusOr<Caller> caller = Admit(context, "FindUnneeded");
  if (!caller.ok()) return FinishWith(context, caller.status());
  if (request->checkpoint_ids_size() > kMaxIds) {
    return FinishWith(context, absl::InvalidArgumentError(absl::StrCat(
                                   "checkpoint_ids has ", request->checkpoint_ids_size(),
                                   " entries; at most ", kMaxIds)));
  }
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  keeper_->engine()->PostRead([reactor, request, response, scope = caller->owner](
                                  const absl::Status& status, const Engine::View& view) {
    for (const std::string& id : request->checkpoint_ids()) {
      if (!status.ok() || !IsStoredCheckpointId(id) || view.scheduler.IsNeeded(id, scope)) continue;
      response->add_checkpoint_ids(id);
    }
    reactor->Finish(ToGrpc(status));
  });
  return reactor;
}

}  // namespace halving
