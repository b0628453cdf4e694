// Training images that are never quite the same. Only files that use LibTorch include this.
#ifndef HALVING_WORKER_TRAINER_IMAGE_AUGMENT_H_
#define HALVING_WORKER_TRAINER_IMAGE_AUGMENT_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace halving {

// Pixels by which an image may move in each direction; what it leaves becomes black.
inline constexpr int64_t kMaxShift = 2;

// Moves each image by up to kMaxShift pixels and mirrors half of them left to right, all at once on
// the device where they are: [n, 1, side, side] in and out. What happens to the i-th is a function
// of (seed, i), the same on every device.
at::Tensor AugmentImages(const at::Tensor& images, uint64_t seed);

}  // namespace halving

#endif  // HALVING_WORKER_TRAINER_IMAGE_AUGMENT_H_
