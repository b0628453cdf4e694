#include "worker/trainer/average_pool.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "common/check.h"

namespace halving {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// What is worth a thread: fewer pixels take less time than to wake one.
constexpr int64_t kPixelsPerThread = 1 << 18;

// Both take `rows` rows of the small images, wherever one ends and the next begins: as heights are
// even, each belongs to two rows of the large images. The order of the sum is that of LibTorch,
// whose bits it must give; a quarter is the same by division or not.
void Pool(const float* in, float* out, int64_t rows, int64_t width) {
  for (int64_t row = 0; row < rows; ++row, in += 2 * width, out += width / 2) {
    for (int64_t column = 0; column < width / 2; ++column) {
      const float* const square = in + 2 * column;
      out[column] = (square[0] + square[1] + square[width] + square[width + 1]) * 0.25F;
    }
  }
}

void SpreadGradient(const float* in, float* out, int64_t rows, int64_t width) {
  for (int64_t row = 0; row < rows; ++row, in += width / 2, out += 2 * width) {
    for (int64_t column = 0; column < width / 2; ++column) {
      const float quarter = in[column] * 0.25F;
      float* const square = out + 2 * column;
      square[0] = quarter;
      square[1] = quarter;
      square[width] = quarter;
      square[width + 1] = quarter;
    }
  }
}

// Calls `work` on ranges of rows of the small images, on all threads.
template <typename Work>
void ForRows(int64_t rows, int64_t large_width, const Work& work) {
  at::parallel_for(0, rows, kPixelsPerThread / (2 * large_width), work);
}

class PoolByTwo : public torch::autograd::Function<PoolByTwo> {
 public:
  static at::Tensor forward(AutogradContext* /*context*/, const at::Tensor& images) {
    const at::Tensor in = images.contiguous();
    const int64_t width = in.size(3);
    at::Tensor out = at::empty({in.size(0), in.size(1), in.size(2) / 2, width / 2}, in.options());
    const float* const from = in.data_ptr<float>();
    float* const to = out.data_ptr<float>();
    ForRows(out.numel() / (width / 2), width, [=](int64_t begin, int64_t end) {
      Pool(from + begin * 2 * width, to + begin * (width / 2), end - begin, width);
    });
    return out;
  }

  static variable_list backward(AutogradContext* /*context*/, const variable_list& gradients) {
    const at::Tensor in = gradients[0].contiguous();
    const int64_t width = 2 * in.size(3);
    at::Tensor out = at::empty({in.size(0), in.size(1), 2 * in.size(2), width}, in.options());
    const float* const from = in.data_ptr<float>();
    float* const to = out.data_ptr<float>();
    ForRows(in.numel() / (width / 2), width, [=](int64_t begin, int64_t end) {
      SpreadGradient(from + begin * (width / 2), to + begin * 2 * width, end - begin, width);
    });
    return {out};
  }
};

}  // namespace

at::Tensor AveragePoolByTwo(const at::Tensor& images) {
  if (!images.device().is_cpu()) return at::avg_pool2d(images, 2);
  HV_CHECK(images.scalar_type() == at::kFloat && images.dim() == 4) << images.toString();
  HV_CHECK(images.size(2) % 2 == 0 && images.size(3) % 2 == 0) << images.size(2);
  return PoolByTwo::apply(images);
}

}  // namespace halving
