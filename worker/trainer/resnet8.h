// The objective "resnet8": the smallest of the residual networks for small images (He et al. 2015,
// section 4.2), with one block a stage: a convolution, three blocks of two, and a linear layer.
#ifndef HALVING_WORKER_TRAINER_RESNET8_H_
#define HALVING_WORKER_TRAINER_RESNET8_H_

#include <memory>

#include "worker/trainer/image_store.h"
#include "worker/trainer/objective.h"

namespace halving {

// Hyper-parameters besides those of image_settings.h: `width`, the channels of the first stage (1
// to 128; 16), which doubles with each stage, and `augment` (false), whether to train on images
// that are moved and mirrored at random.
std::unique_ptr<Objective> MakeResnet8Objective(std::shared_ptr<ImageStore> store);

}  // namespace halving

#endif  // HALVING_WORKER_TRAINER_RESNET8_H_
