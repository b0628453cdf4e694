#include "server/service/admin_service.h"

#include "absl/strings/str_cat.h"
#include "common/status.h"
#include "server/service/backup_reactor.h"
#include "server/service/caller.h"
#include "server/service/grpc_status.h"
#include "server/service/translate.h"
#include "spdlog/spdlog.h"

namespace halving {
namespace {

absl::StatusOr<Role> RoleOf(v1::Role role) {
  switch (role) {
    case v1::ROLE_READER:
      return Role::kReader;
    case v1::ROLE_WORKER:
      return Role::kWorker;
    case v1::ROLE_ADMIN:
      return Role::kAdmin;
    default:
      return absl::InvalidArgumentError(absl::StrCat(
          "role is ", static_cast<int>(role), "; it is ROLE_READER, ROLE_WORKER or ROLE_ADMIN"));
  }
}

v1::Role RoleOf(Role role) {
  switch (role) {
    case Role::kReader:
      return v1::ROLE_READER;
    case Role::kWorker:
      return v1::ROLE_WORKER;
    case Role::kAdmin:
      return v1::ROLE_ADMIN;
  }
  return v1::ROLE_UNSPECIFIED;
}

void ShowToken(const TokenRecord& from, v1::Token* to) {
  to->set_name(from.name);
  to->set_id(from.id);
  to->set_role(RoleOf(from.role));
  to->set_owner(from.owner);
  ToProto(from.created, to->mutable_create_time());
  if (from.expires != absl::InfiniteFuture()) ToProto(from.expires, to->mutable_expire_time());
  to->set_max_calls_per_second(from.max_calls_per_second);
}

absl::StatusOr<Access::NewToken> FromProto(const v1::CreateTokenRequest& from) {
  Access::NewToken token{.name = from.name(),
                         .owner = from.owner(),
                         .max_calls_per_second = from.max_calls_per_second()};
  HV_ASSIGN_OR_RETURN(token.role, RoleOf(from.role()));
  if (from.has_lifetime()) {
    HV_ASSIGN_OR_RETURN(token.lifetime, halving::FromProto(from.lifetime(), "lifetime"));
  }
  return token;
}

}  // namespace

absl::StatusOr<Caller> AdminServiceImpl::Admit(grpc::CallbackServerContext* context,
                                               absl::string_view method) const {
  return CallerOf(*access_, *context, absl::StrCat("/halving.v1.AdminService/", method));
}

grpc::ServerWriteReactor<v1::BackupResponse>* AdminServiceImpl::Backup(
    grpc::CallbackServerContext* context, const v1::BackupRequest*) {
  return BackupReactor::Start(engine_, access_, Admit(context, "Backup"));
}

grpc::ServerUnaryReactor* AdminServiceImpl::CreateToken(grpc::CallbackServerContext* context,
                                                        const v1::CreateTokenRequest* request,
                                                        v1::CreateTokenResponse* response) {
  const absl::StatusOr<Caller> caller = Admit(context, "CreateToken");
  if (!caller.ok()) return FinishWith(context, caller.status());
  const absl::StatusOr<Access::NewToken> token = FromProto(*request);
  if (!token.ok()) return FinishWith(context, token.status());
  const absl::StatusOr<Access::CreatedToken> made = access_->Create(*token);
  if (!made.ok()) return FinishWith(context, made.status());
  ShowToken(made->record, response->mutable_token());
  response->set_text(made->text);
  spdlog::info("token \"{}\" ({}, id {}) created by \"{}\"", made->record.name,
               RoleName(made->record.role), made->record.id, caller->token);
  return FinishWith(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* AdminServiceImpl::ListTokens(grpc::CallbackServerContext* context,
                                                       const v1::ListTokensRequest*,
                                                       v1::ListTokensResponse* response) {
  const absl::StatusOr<Caller> caller = Admit(context, "ListTokens");
  if (!caller.ok()) return FinishWith(context, caller.status());
  for (const Access::ListedToken& listed : access_->List()) {
    v1::Token* token = response->add_tokens();
    ShowToken(listed.record, token);
    if (listed.last_used != absl::InfinitePast()) {
      ToProto(listed.last_used, token->mutable_last_use_time());
    }
  }
  return FinishWith(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* AdminServiceImpl::RevokeToken(grpc::CallbackServerContext* context,
                                                        const v1::RevokeTokenRequest* request,
                                                        v1::RevokeTokenResponse*) {
  const absl::StatusOr<Caller> caller = Admit(context, "RevokeToken");
  if (!caller.ok()) return FinishWith(context, caller.status());
  const absl::Status revoked = access_->Revoke(request->name());
  if (revoked.ok()) {
    spdlog::info("token \"{}\" revoked by \"{}\"", request->name(), caller->token);
  }
  return FinishWith(context, revoked);
}

}  // namespace halving
