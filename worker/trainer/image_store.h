// ImageStore: the images, where training needs them.
#ifndef HALVING_WORKER_TRAINER_IMAGE_STORE_H_
#define HALVING_WORKER_TRAINER_IMAGE_STORE_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace halving {

struct DeviceImages;  // Tensors; see device_images.h.

// ImageStore loads a dataset onto the device once and keeps it from job to job, since most jobs of
// a worker are of one study. It holds one dataset at a time, and does not look whether files
// change.
//
// Thread-compatible: the thread that runs jobs owns it.
class ImageStore {
 public:
  // `device` as SetUpTorch() took it.
  explicit ImageStore(std::string device) : device_(std::move(device)) {}

  // Errors as of ReadImageFiles(), and RESOURCE_EXHAUSTED when the device cannot hold them.
  absl::StatusOr<std::shared_ptr<const DeviceImages>> Load(const std::string& directory);

  const std::string& device() const { return device_; }

 private:
  const std::string device_;
  std::string directory_;
  std::shared_ptr<const DeviceImages> images_;  // Those of `directory_`.
};

}  // namespace halving

#endif  // HALVING_WORKER_TRAINER_IMAGE_STORE_H_
