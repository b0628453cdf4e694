#include "server/access/method_rules.h"

#include "absl/container/flat_hash_map.h"

namespace halving {
namespace {

constexpr bool kYes = true;
constexpr bool kNo = false;

}  // namespace

const std::vector<MethodRule>& MethodRules() {
  //                                                          reader worker whole server
  static const auto* const kRules = new std::vector<MethodRule>{
      {"/halving.v1.StudyService/CreateStudy", kNo, kNo, kNo},
      {"/halving.v1.StudyService/PlanStudy", kYes, kNo, kNo},
      {"/halving.v1.StudyService/GetStudy", kYes, kNo, kNo},
      {"/halving.v1.StudyService/ListStudies", kYes, kNo, kNo},
      {"/halving.v1.StudyService/GetStatus", kYes, kNo, kNo},
      {"/halving.v1.StudyService/WatchStatus", kYes, kNo, kNo},
      {"/halving.v1.StudyService/ListTrials", kYes, kNo, kNo},
      {"/halving.v1.StudyService/GetTrial", kYes, kNo, kNo},
      {"/halving.v1.StudyService/GetTrialLog", kYes, kNo, kNo},
      {"/halving.v1.StudyService/ListWorkers", kYes, kNo, kNo},
      {"/halving.v1.StudyService/PauseStudy", kNo, kNo, kNo},
      {"/halving.v1.StudyService/ResumeStudy", kNo, kNo, kNo},
      {"/halving.v1.StudyService/StopStudy", kNo, kNo, kNo},
      {"/halving.v1.StudyService/ExtendStudy", kNo, kNo, kNo},
      {"/halving.v1.StudyService/DeleteStudy", kNo, kNo, kNo},
      {"/halving.v1.WorkerService/Suggest", kNo, kYes, kNo},
      {"/halving.v1.WorkerService/Report", kNo, kYes, kNo},
      {"/halving.v1.CheckpointService/Upload", kNo, kYes, kNo},
      {"/halving.v1.CheckpointService/GetUploadOffset", kNo, kYes, kNo},
      {"/halving.v1.CheckpointService/Download", kYes, kYes, kNo},
      {"/halving.v1.CheckpointService/FindUnneeded", kNo, kYes, kNo},
      {"/halving.v1.AdminService/Backup", kNo, kNo, kYes},
      {"/halving.v1.AdminService/CreateToken", kNo, kNo, kYes},
      {"/halving.v1.AdminService/ListTokens", kNo, kNo, kYes},
      {"/halving.v1.AdminService/RevokeToken", kNo, kNo, kYes},
      {"/grpc.health.v1.Health/Check", kYes, kYes, kNo},
      {"/grpc.health.v1.Health/Watch", kYes, kYes, kNo},
      {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", kYes, kYes, kNo},
      // Not served; clients ask for it first, and for the older one when they are told so.
      {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", kYes, kYes, kNo},
      // What HTTP has and gRPC has not: server/dashboard.
      {"/http/page", kYes, kNo, kNo},
      {"/http/metrics", kYes, kNo, kYes},
  };
  return *kRules;
}

const MethodRule* FindRule(absl::string_view path) {
  static const auto* const kByPath = [] {
    auto* rules = new absl::flat_hash_map<absl::string_view, const MethodRule*>();
    for (const MethodRule& rule : MethodRules()) rules->emplace(rule.path, &rule);
    return rules;
  }();
  const auto at = kByPath->find(path);
  return at == kByPath->end() ? nullptr : at->second;
}

}  // namespace halving
