// Objectives that train a classifier of images by SGD. One of them differs from another in its
// model only; this holds what they share. Only files that use LibTorch include this.
#ifndef HALVING_WORKER_TRAINER_IMAGE_OBJECTIVE_H_
#define HALVING_WORKER_TRAINER_IMAGE_OBJECTIVE_H_

#include <torch/nn/module.h>
#include <torch/types.h>

#include <functional>
#include <memory>
#include <string>

#include "worker/trainer/field_reader.h"
#include "worker/trainer/image_store.h"
#include "worker/trainer/objective.h"

namespace halving {

// A classifier: [n, 1, side, side] floats from 0 to 1 in, [n, classes] logits out.
class ImageModel : public torch::nn::Module {
 public:
  virtual torch::Tensor forward(torch::Tensor images) = 0;
};

struct ModelChoice {
  std::string architecture;  // Tells apart models that cannot go on from each other's checkpoints.
  std::function<std::shared_ptr<ImageModel>()> make;
  bool augment = false;  // Whether it trains on images as AugmentImages() changes them.
};

// Reads the options and hyper-parameters that are the model's own, beside those of
// image_settings.h; problems are kept in the readers.
using ReadModel = std::function<ModelChoice(FieldReader* options, FieldReader* config)>;

// Draws the weights of every convolution and linear layer from Xavier's uniform distribution and
// leaves biases at PyTorch's default (uniform, by the layer's inputs), as d2l.ai does. Layers of
// other kinds keep what their constructors give, which must not be random. The initial state is a
// function of the job's seed alone, the same on every device.
//
// What a model draws from LibTorch's default generator while it trains, as dropout does, is a
// function of (seed, epoch, step), so that a resumed trial draws what an unbroken one would have.
std::unique_ptr<Objective> MakeImageObjective(std::shared_ptr<ImageStore> store, ReadModel read);

}  // namespace halving

#endif  // HALVING_WORKER_TRAINER_IMAGE_OBJECTIVE_H_
