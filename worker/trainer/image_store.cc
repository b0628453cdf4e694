#include "worker/trainer/image_store.h"

#include <ATen/Functions.h>
#include <c10/core/Device.h>

#include <utility>

#include "common/status.h"
#include "worker/trainer/device_images.h"
#include "worker/trainer/image_files.h"
#include "worker/trainer/torch_runtime.h"

namespace halving {
namespace {

DeviceImageSet ToDevice(LabelledImages* images, const c10::Device& device) {
  const at::Tensor pixels =
      at::from_blob(images->pixels.data(), {images->count, 1, kImageSide, kImageSide}, at::kByte);
  const at::Tensor labels = at::from_blob(images->labels.data(), {images->count}, at::kByte);
  // from_blob does not own its bytes, so these must be copies also where nothing would change.
  return {.pixels = pixels.to(device, at::kByte, /*non_blocking=*/false, /*copy=*/true),
          .labels = labels.to(device, at::kLong, /*non_blocking=*/false, /*copy=*/true)};
}

}  // namespace

absl::StatusOr<std::shared_ptr<const DeviceImages>> ImageStore::Load(const std::string& directory) {
  if (images_ != nullptr && directory == directory_) return images_;
  images_ = nullptr;  // The device may not hold two datasets.
  HV_ASSIGN_OR_RETURN(ImageFiles files, ReadImageFiles(directory));
  try {
    const c10::Device device(device_);
    auto images = std::make_shared<DeviceImages>();
    images->train = ToDevice(&files.train, device);
    images->test = ToDevice(&files.test, device);
    images_ = std::move(images);
  } catch (...) {
    return StatusOfTorchException();
  }
  directory_ = directory;
  return images_;
}

}  // namespace halving
