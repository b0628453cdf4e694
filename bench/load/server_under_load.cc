#include "bench/load/server_under_load.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/status.h"
#include "worker/agent/grpc_channel.h"

namespace halving {
namespace {

// All come from one address, which may have half.
constexpr const char* kMaxConnections = "32768";

v1::Parameter& AddParameter(const std::string& name, v1::StudySpec* spec) {
  v1::Parameter& parameter = *spec->add_parameters();
  parameter.set_name(name);
  return parameter;
}

}  // namespace

v1::StudySpec LoadStudy(const std::string& name) {
  v1::StudySpec spec;
  spec.set_name(name);
  spec.set_objective("load");
  auto& rate = *AddParameter("learning_rate", &spec).mutable_float_();
  rate.set_min(1e-4);
  rate.set_max(1);
  rate.set_log(true);
  AddParameter("dropout", &spec).mutable_float_()->set_max(0.5);
  auto& batch = *AddParameter("batch_size", &spec).mutable_int_();
  batch.set_min(16);
  batch.set_max(512);
  auto& activation = *AddParameter("activation", &spec).mutable_choice();
  for (const char* value : {"relu", "gelu", "tanh"}) {
    activation.add_values()->set_string_value(value);
  }
  v1::Halving& halving = *spec.mutable_halving();
  halving.set_min_epochs(1);
  halving.set_max_epochs(9);
  halving.set_eta(3);
  spec.mutable_limits()->set_max_evaluations(1'000'000'000);
  spec.mutable_retry()->mutable_lease()->set_seconds(600);
  spec.set_seed(1);
  return spec;
}

absl::StatusOr<std::unique_ptr<ServerUnderLoad>> ServerUnderLoad::Start(const std::string& binary,
                                                                        const std::string& folder,
                                                                        const std::string& counter,
                                                                        const std::string& certs) {
  std::string sync_file;
  if (!counter.empty()) {
    sync_file = folder + "/syncs";
    const uint64_t none = 0;
    std::ofstream(sync_file, std::ios::binary)
        .write(reinterpret_cast<const char*>(&none), sizeof(none));
    setenv("COUNT_SYNCS", sync_file.c_str(), /*overwrite=*/1);
    setenv("LD_PRELOAD", counter.c_str(), /*overwrite=*/1);
  }
  const std::string data = folder + "/data";
  std::vector<std::string> arguments = {
      binary,       "--listen", "127.0.0.1:0",       "--http",       "off",
      "--data-dir", data,       "--max-connections", kMaxConnections};
  if (!certs.empty()) {
    arguments.insert(arguments.end(), {"--tls-cert", certs + "/server.crt", "--tls-key",
                                       certs + "/server.key", "--auth", "tokens"});
  }
  absl::StatusOr<std::unique_ptr<ServerProcess>> process =
      ServerProcess::Start(arguments, folder + "/server.log");
  unsetenv("LD_PRELOAD");
  if (!process.ok()) return std::move(process).status();
  ServerLink link((*process)->address());
  if (!certs.empty()) {
    HV_ASSIGN_OR_RETURN(const auto secure,
                        ServerLink::Make(link.address(), {.files = {.ca = certs + "/ca.crt"},
                                                          .token_file = data + "/admin.token"}));
    link = *secure;
  }
  return std::unique_ptr<ServerUnderLoad>(
      new ServerUnderLoad(*std::move(process), std::move(link), std::move(sync_file)));
}

ServerUnderLoad::ServerUnderLoad(std::unique_ptr<ServerProcess> process, ServerLink link,
                                 std::string sync_file)
    : process_(std::move(process)),
      link_(std::move(link)),
      sync_file_(std::move(sync_file)),
      studies_(v1::StudyService::NewStub(MakeChannel(link_))) {}

int64_t ServerUnderLoad::Syncs() const {
  uint64_t count = 0;
  std::ifstream(sync_file_, std::ios::binary).read(reinterpret_cast<char*>(&count), sizeof(count));
  return static_cast<int64_t>(count);
}

absl::Status ServerUnderLoad::UseStudy(const std::string& name) {
  if (!study_.empty()) {
    grpc::ClientContext context;
    v1::StopStudyRequest request;
    request.set_name(study_);
    v1::Study response;
    HV_RETURN_IF_ERROR(FromGrpc(studies_->StopStudy(&context, request, &response)));
  }
  grpc::ClientContext context;
  v1::CreateStudyRequest request;
  *request.mutable_study() = LoadStudy(name);
  v1::Study response;
  HV_RETURN_IF_ERROR(FromGrpc(studies_->CreateStudy(&context, request, &response)));
  study_ = name;
  return absl::OkStatus();
}

absl::Duration ProcessorTime(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string stat{std::istreambuf_iterator<char>(file), {}};
  // The name, in parentheses, may hold anything; behind it the 12th and 13th numbers, in ticks.
  const size_t end = stat.rfind(')');
  if (end == std::string::npos) return absl::ZeroDuration();
  const std::vector<std::string> fields = absl::StrSplit(stat.substr(end + 2), ' ');
  int64_t user = 0;
  int64_t system = 0;
  if (fields.size() < 13 || !absl::SimpleAtoi(fields[11], &user) ||
      !absl::SimpleAtoi(fields[12], &system)) {
    return absl::ZeroDuration();
  }
  return absl::Seconds(1) * (user + system) / sysconf(_SC_CLK_TCK);
}

}  // namespace halving
