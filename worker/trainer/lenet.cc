#include "worker/trainer/lenet.h"

#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "worker/trainer/average_pool.h"
#include "worker/trainer/image_files.h"
#include "worker/trainer/image_objective.h"

namespace halving {
namespace {

class Lenet : public ImageModel {
 public:
  explicit Lenet(bool relu) : relu_(relu) {
    register_module("conv1", conv1_);
    register_module("conv2", conv2_);
    register_module("linear1", linear1_);
    register_module("linear2", linear2_);
    register_module("linear3", linear3_);
  }

  torch::Tensor forward(torch::Tensor images) override {
    torch::Tensor x = AveragePoolByTwo(Activate(conv1_(images)));
    x = AveragePoolByTwo(Activate(conv2_(x)));
    x = Activate(linear1_(x.flatten(1)));
    return linear3_(Activate(linear2_(x)));
  }

 private:
  torch::Tensor Activate(const torch::Tensor& x) const {
    return relu_ ? torch::relu(x) : torch::sigmoid(x);
  }

  const bool relu_;
  torch::nn::Conv2d conv1_{torch::nn::Conv2dOptions(1, 6, 5).padding(2)};
  torch::nn::Conv2d conv2_{torch::nn::Conv2dOptions(6, 16, 5)};
  torch::nn::Linear linear1_{16 * 5 * 5, 120};
  torch::nn::Linear linear2_{120, 84};
  torch::nn::Linear linear3_{84, kImageClasses};
};

ModelChoice ReadLenet(FieldReader* options, FieldReader* /*config*/) {
  const std::string activation = options->OneOf("activation", {"sigmoid", "relu"}, "sigmoid");
  const bool relu = activation == "relu";
  return {.architecture = absl::StrCat("lenet, ", activation),
          .make = [relu] { return std::make_shared<Lenet>(relu); }};
}

}  // namespace

std::unique_ptr<Objective> MakeLenetObjective(std::shared_ptr<ImageStore> store) {
  return MakeImageObjective(std::move(store), ReadLenet);
}

}  // namespace halving
