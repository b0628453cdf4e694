#include "worker/trainer/resnet8.h"

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "worker/trainer/image_files.h"
#include "worker/trainer/image_objective.h"

namespace halving {
namespace {

// A batch norm follows each, which has a bias of its own.
torch::nn::Conv2d Convolution(int64_t inputs, int64_t outputs, int64_t kernel, int64_t stride) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(inputs, outputs, kernel)
                               .stride(stride)
                               .padding(kernel / 2)
                               .bias(false));
}

// ResidualBlock adds to its input what two convolutions make of it.
class ResidualBlock : public torch::nn::Module {
 public:
  ResidualBlock(int64_t inputs, int64_t outputs, int64_t stride)
      : conv1_(Convolution(inputs, outputs, 3, stride)),
        norm1_(outputs),
        conv2_(Convolution(outputs, outputs, 3, 1)),
        norm2_(outputs) {
    register_module("conv1", conv1_);
    register_module("norm1", norm1_);
    register_module("conv2", conv2_);
    register_module("norm2", norm2_);
    if (inputs == outputs && stride == 1) return;
    shortcut_ = register_module("shortcut", Convolution(inputs, outputs, 1, stride));
    shortcut_norm_ = register_module("shortcut_norm", torch::nn::BatchNorm2d(outputs));
  }

  torch::Tensor Apply(const torch::Tensor& x) {
    const torch::Tensor residual = norm2_(conv2_(torch::relu(norm1_(conv1_(x)))));
    return torch::relu(residual + (shortcut_.is_empty() ? x : shortcut_norm_(shortcut_(x))));
  }

 private:
  torch::nn::Conv2d conv1_;
  torch::nn::BatchNorm2d norm1_;
  torch::nn::Conv2d conv2_;
  torch::nn::BatchNorm2d norm2_;
  torch::nn::Conv2d shortcut_ = nullptr;  // Where the sizes of input and output differ.
  torch::nn::BatchNorm2d shortcut_norm_ = nullptr;
};

class Resnet8 : public ImageModel {
 public:
  explicit Resnet8(int64_t width)
      : conv_(Convolution(1, width, 3, 1)),
        norm_(width),
        stage1_(std::make_shared<ResidualBlock>(width, width, 1)),
        stage2_(std::make_shared<ResidualBlock>(width, 2 * width, 2)),
        stage3_(std::make_shared<ResidualBlock>(2 * width, 4 * width, 2)),
        linear_(4 * width, kImageClasses) {
    register_module("conv", conv_);
    register_module("norm", norm_);
    register_module("stage1", stage1_);
    register_module("stage2", stage2_);
    register_module("stage3", stage3_);
    register_module("linear", linear_);
  }

  torch::Tensor forward(torch::Tensor images) override {
    const torch::Tensor x = torch::relu(norm_(conv_(images)));
    // The mean over all places of a channel.
    return linear_(stage3_->Apply(stage2_->Apply(stage1_->Apply(x))).mean({2, 3}));
  }

 private:
  torch::nn::Conv2d conv_;
  torch::nn::BatchNorm2d norm_;
  const std::shared_ptr<ResidualBlock> stage1_;
  const std::shared_ptr<ResidualBlock> stage2_;
  const std::shared_ptr<ResidualBlock> stage3_;
  torch::nn::Linear linear_;
};

ModelChoice ReadResnet8(FieldReader* /*options*/, FieldReader* config) {
  const int64_t width = config->Integer("width", 1, 128, 16);
  return {.architecture = absl::StrCat("resnet8, width ", width),
          .make = [width] { return std::make_shared<Resnet8>(width); },
          .augment = config->Boolean("augment", false)};
}

}  // namespace

std::unique_ptr<Objective> MakeResnet8Objective(std::shared_ptr<ImageStore> store) {
  return MakeImageObjective(std::move(store), ReadResnet8);
}

}  // namespace halving
