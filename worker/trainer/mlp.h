// The objective "mlp": a multilayer perceptron, which sees an image as a list of pixels.
#ifndef HALVING_WORKER_TRAINER_MLP_H_
#define HALVING_WORKER_TRAINER_MLP_H_

#include <memory>

#include "worker/trainer/image_store.h"
#include "worker/trainer/objective.h"

namespace halving {

// Hyper-parameters besides those of image_settings.h: `hidden_layers` (1 to 4; 2), `hidden_units`
// of each (1 to 4096; 256), `dropout` after each (0 to 1, 1 not included; 0) and `activation`
// (relu, which is the default, tanh or sigmoid).
std::unique_ptr<Objective> MakeMlpObjective(std::shared_ptr<ImageStore> store);

}  // namespace halving

#endif  // HALVING_WORKER_TRAINER_MLP_H_
