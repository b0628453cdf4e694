// The average pooling of LeNet. Only files that use LibTorch include this.
#ifndef HALVING_WORKER_TRAINER_AVERAGE_POOL_H_
#define HALVING_WORKER_TRAINER_AVERAGE_POOL_H_

#include <ATen/core/Tensor.h>

namespace halving {

// Halves height and width: what torch::avg_pool2d(images, 2) gives, to the last bit, and so its
// gradient. On the CPU LibTorch 1.13's own takes a quarter of LeNet's epoch; this one is written
// out for images of floats, [n, channels, height, width], both sides even. Elsewhere it is
// LibTorch's.
at::Tensor AveragePoolByTwo(const at::Tensor& images);

}  // namespace halving

#endif  // HALVING_WORKER_TRAINER_AVERAGE_POOL_H_
