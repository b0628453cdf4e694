// ServerUnderLoad: a halving-server whose doings are counted.
#ifndef HALVING_BENCH_LOAD_SERVER_UNDER_LOAD_H_
#define HALVING_BENCH_LOAD_SERVER_UNDER_LOAD_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/child_process.h"
#include "common/server_link.h"
#include "halving/v1/study.grpc.pb.h"

namespace halving {

// What loads run on: four parameters, rungs of 1, 3 and 9 epochs; it does not end by itself.
v1::StudySpec LoadStudy(const std::string& name);

// halving-server on a free port. Thread-compatible.
class ServerUnderLoad {
 public:
  // `binary` with its data, its log and the count of syncs in `folder`, which is there. Without
  // `counter`, the path of count_syncs.so, no syncs are counted. With `certs`, a folder of
  // scripts/make-certs, it serves TLS and wants tokens.
  static absl::StatusOr<std::unique_ptr<ServerUnderLoad>> Start(const std::string& binary,
                                                                const std::string& folder,
                                                                const std::string& counter,
                                                                const std::string& certs = "");

  const std::string& address() const { return process_->address(); }
  const ServerLink& link() const { return link_; }
  pid_t pid() const { return process_->pid(); }
  v1::StudyService::Stub& studies() { return *studies_; }
  // So far.
  int64_t Syncs() const;

  // Creates LoadStudy(name), and stops the one that was created before, if any.
  absl::Status UseStudy(const std::string& name);

 private:
  ServerUnderLoad(std::unique_ptr<ServerProcess> process, ServerLink link, std::string sync_file);

  const std::unique_ptr<ServerProcess> process_;
  const ServerLink link_;
  const std::string sync_file_;
  const std::unique_ptr<v1::StudyService::Stub> studies_;
  std::string study_;
};

// The processor time that a process has used, all its threads, in user space and in the kernel.
absl::Duration ProcessorTime(pid_t pid);

}  // namespace halving

#endif  // HALVING_BENCH_LOAD_SERVER_UNDER_LOAD_H_
