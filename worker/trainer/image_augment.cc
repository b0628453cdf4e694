#include "worker/trainer/image_augment.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <ATen/TensorIndexing.h>
#include <ATen/TensorOperators.h>

namespace halving {

at::Tensor AugmentImages(const at::Tensor& images, uint64_t seed) {
  const int64_t count = images.size(0);
  const at::TensorOptions numbers = at::TensorOptions(at::kLong).device(images.device());
  // Drawn on the CPU, since each device has a generator of its own: two numbers and a bit an image.
  const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const at::Tensor shifts =
      at::randint(0, 2 * kMaxShift + 1, {2, count, 1}, generator, at::kLong).to(numbers.device());
  const at::Tensor mirrored =
      at::randint(0, 2, {count, 1}, generator, at::kLong).to(numbers.device()).to(at::kBool);

  // From a frame of black around each image the rows and columns are picked by their numbers.
  const at::Tensor framed =
      at::constant_pad_nd(images.squeeze(1), {kMaxShift, kMaxShift, kMaxShift, kMaxShift});
  const at::Tensor image = at::arange(count, numbers).view({count, 1, 1});
  const at::Tensor ahead = at::arange(images.size(2), numbers);
  const at::Tensor row = shifts[0] + ahead;
  const at::Tensor column = shifts[1] + at::where(mirrored, ahead.flip(0), ahead);
  return framed.index({image, row.unsqueeze(2), column.unsqueeze(1)}).unsqueeze(1);
}

}  // namespace halving
