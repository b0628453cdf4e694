// CheckpointService: the bytes of checkpoints.
#ifndef HALVING_SERVER_SERVICE_CHECKPOINT_SERVICE_H_
#define HALVING_SERVER_SERVICE_CHECKPOINT_SERVICE_H_

#include <string>
#include <utility>

#include "halving/v1/checkpoint.grpc.pb.h"
#include "server/access/access.h"
#include "server/service/checkpoint_keeper.h"
#include "server/service/download_reactor.h"
#include "server/service/lease_id.h"
#include "server/service/upload_reactor.h"

namespace halving {

// Thread-safe.
class CheckpointServiceImpl : public v1::CheckpointService::CallbackService {
 public:
  // Neither is owned; both must outlive the gRPC server.
  CheckpointServiceImpl(CheckpointKeeper* keeper, const Access* access, const std::string& secret)
      : keeper_(keeper), access_(access), lease_ids_(secret) {}

  grpc::ServerReadReactor<v1::UploadRequest>* Upload(grpc::CallbackServerContext* context,
                                                     v1::UploadResponse* response) override {
    return new UploadReactor(keeper_, &lease_ids_, access_, Admit(context, "Upload"), context,
                             response);
  }
  grpc::ServerUnaryReactor* GetUploadOffset(grpc::CallbackServerContext* context,
                                            const v1::GetUploadOffsetRequest* request,
                                            v1::GetUploadOffsetResponse* response) override;
  grpc::ServerWriteReactor<v1::DownloadResponse>* Download(
      grpc::CallbackServerContext* context, const v1::DownloadRequest* request) override {
    return new DownloadReactor(keeper_, &lease_ids_, access_, Admit(context, "Download"), context,
                               *request);
  }
  grpc::ServerUnaryReactor* FindUnneeded(grpc::CallbackServerContext* context,
                                         const v1::FindUnneededRequest* request,
                                         v1::FindUnneededResponse* response) override;

 private:
  absl::StatusOr<Caller> Admit(grpc::CallbackServerContext* context,
                               absl::string_view method) const;

  CheckpointKeeper* const keeper_;
  const Access* const access_;
  const LeaseIds lease_ids_;
};

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_CHECKPOINT_SERVICE_H_
