#include "worker/trainer/average_pool.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <torch/autograd.h>

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace halving {
namespace {

using at::Tensor;

// The pooled images, and what reaches the images of a gradient that differs from place to place.
std::pair<Tensor, Tensor> PooledAndGradient(const Tensor& images, Tensor (*pool)(const Tensor&)) {
  const Tensor in = images.detach().requires_grad_();
  const Tensor out = pool(in);
  const Tensor gradient = at::arange(out.numel(), at::kFloat).view(out.sizes()) / 7 - 3;
  return {out.detach(), torch::autograd::grad({out}, {in}, {gradient})[0]};
}

Tensor LibtorchPool(const Tensor& images) { return at::avg_pool2d(images, 2); }

void ExpectAsLibtorch(const Tensor& images) {
  const auto [pooled, gradient] = PooledAndGradient(images, AveragePoolByTwo);
  const auto [expected, expected_gradient] = PooledAndGradient(images, LibtorchPool);
  EXPECT_TRUE(pooled.equal(expected));
  EXPECT_TRUE(gradient.equal(expected_gradient));
}

// Values whose sum depends on the order of its terms.
Tensor Images(at::IntArrayRef sizes) {
  const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(7);
  return at::randn(sizes, generator, at::kFloat).exp_();
}

using Sizes = std::vector<int64_t>;
class AveragePoolTest : public testing::TestWithParam<Sizes> {};

TEST_P(AveragePoolTest, GivesTheBitsOfLibtorch) { ExpectAsLibtorch(Images(GetParam())); }

INSTANTIATE_TEST_SUITE_P(, AveragePoolTest,
                         testing::Values(Sizes{1, 1, 2, 2}, Sizes{3, 2, 4, 6}, Sizes{32, 6, 28, 28},
                                         Sizes{32, 16, 10, 10},
                                         Sizes{500, 6, 28, 28}));  // Worth several threads.

TEST(AveragePoolLayoutTest, TakesImagesThatAreNotInOrder) {
  ExpectAsLibtorch(Images({4, 28, 28, 6}).permute({0, 3, 1, 2}));
  ExpectAsLibtorch(Images({4, 6, 28, 28}).transpose(2, 3));
}

TEST(AveragePoolLayoutTest, TakesAGradientThatIsNotInOrder) {
  const Tensor in = Images({2, 3, 4, 4}).requires_grad_();
  const Tensor one = at::ones({}).expand({2, 3, 2, 2});
  EXPECT_TRUE(torch::autograd::grad({AveragePoolByTwo(in)}, {in}, {one})[0].equal(
      at::full({2, 3, 4, 4}, 0.25)));
}

TEST(AveragePoolLayoutTest, KeepsWhatIsNotANumber) {
  Tensor images = at::zeros({1, 1, 4, 4});
  images[0][0][1][2] = std::numeric_limits<float>::quiet_NaN();
  images[0][0][3][0] = std::numeric_limits<float>::infinity();
  const Tensor pooled = AveragePoolByTwo(images).flatten();
  EXPECT_EQ(pooled[0].item<float>(), 0);
  EXPECT_TRUE(std::isnan(pooled[1].item<float>()));
  EXPECT_TRUE(std::isinf(pooled[2].item<float>()));
}

}  // namespace
}  // namespace halving
