#include "worker/trainer/mlp.h"

#include <torch/nn/modules/linear.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "worker/trainer/image_files.h"
#include "worker/trainer/image_objective.h"

namespace halving {
namespace {

struct MlpSettings {
  int64_t hidden_layers = 0;
  int64_t hidden_units = 0;
  double dropout = 0;  // The share of units that a step leaves out.
  std::string activation;
};

class Mlp : public ImageModel {
 public:
  explicit Mlp(const MlpSettings& settings) : settings_(settings) {
    int64_t inputs = kImageSide * kImageSide;
    for (int64_t layer = 1; layer <= settings.hidden_layers; ++layer) {
      hidden_.push_back(register_module(absl::StrCat("hidden", layer),
                                        torch::nn::Linear(inputs, settings.hidden_units)));
      inputs = settings.hidden_units;
    }
    output_ = register_module("output", torch::nn::Linear(inputs, kImageClasses));
  }

  torch::Tensor forward(torch::Tensor images) override {
    torch::Tensor x = images.flatten(1);
    for (torch::nn::Linear& layer : hidden_) {
      x = Activate(layer(x));
      if (settings_.dropout > 0) x = torch::dropout(x, settings_.dropout, is_training());
    }
    return output_(x);
  }

 private:
  torch::Tensor Activate(const torch::Tensor& x) const {
    if (settings_.activation == "tanh") return torch::tanh(x);
    return settings_.activation == "relu" ? torch::relu(x) : torch::sigmoid(x);
  }

  const MlpSettings settings_;
  std::vector<torch::nn::Linear> hidden_;
  torch::nn::Linear output_ = nullptr;
};

ModelChoice ReadMlp(FieldReader* /*options*/, FieldReader* config) {
  MlpSettings settings;
  settings.hidden_layers = config->Integer("hidden_layers", 1, 4, 2);
  settings.hidden_units = config->Integer("hidden_units", 1, 4096, 256);
  settings.dropout = config->Number(
      "dropout", "a number from 0 to 1, 1 not included",
      [](double share) { return share >= 0 && share < 1; }, 0.0);
  settings.activation = config->OneOf("activation", {"relu", "tanh", "sigmoid"}, "relu");
  return {.architecture = absl::StrCat("mlp, ", settings.hidden_layers, " hidden layers of ",
                                       settings.hidden_units, " units, ", settings.activation),
          .make = [settings] { return std::make_shared<Mlp>(settings); }};
}

}  // namespace

std::unique_ptr<Objective> MakeMlpObjective(std::shared_ptr<ImageStore> store) {
  return MakeImageObjective(std::move(store), ReadMlp);
}

}  // namespace halving
