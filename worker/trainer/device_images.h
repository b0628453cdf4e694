// Images as tensors. Only files that use LibTorch include this.
#ifndef HALVING_WORKER_TRAINER_DEVICE_IMAGES_H_
#define HALVING_WORKER_TRAINER_DEVICE_IMAGES_H_

#include <ATen/core/Tensor.h>

namespace halving {

// Pixels stay bytes, a quarter of the memory of floats and as fast: each batch is converted as it
// is used.
struct DeviceImageSet {
  at::Tensor pixels;  // uint8, [count, 1, side, side]
  at::Tensor labels;  // int64, [count]
};

struct DeviceImages {
  DeviceImageSet train;
  DeviceImageSet test;
};

}  // namespace halving

#endif  // HALVING_WORKER_TRAINER_DEVICE_IMAGES_H_
