// The objective "lenet": LeNet-5 as d2l.ai trains it on Fashion-MNIST.
#ifndef HALVING_WORKER_TRAINER_LENET_H_
#define HALVING_WORKER_TRAINER_LENET_H_

#include <memory>

#include "worker/trainer/image_store.h"
#include "worker/trainer/objective.h"

namespace halving {

// Options besides those of image_settings.h: `activation`, sigmoid (the default, as the book has
// it) or relu, which learns within its first hundred steps.
std::unique_ptr<Objective> MakeLenetObjective(std::shared_ptr<ImageStore> store);

}  // namespace halving

#endif  // HALVING_WORKER_TRAINER_LENET_H_
