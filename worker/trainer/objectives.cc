#include "worker/trainer/objectives.h"

#include <memory>

#include "worker/trainer/image_store.h"
#include "worker/trainer/lenet.h"
#include "worker/trainer/mlp.h"
#include "worker/trainer/resnet8.h"

namespace halving {

Objectives MakeObjectives(const std::string& device) {
  const auto images = std::make_shared<ImageStore>(device);
  Objectives objectives;
  objectives["lenet"] = MakeLenetObjective(images);
  objectives["mlp"] = MakeMlpObjective(images);
  objectives["resnet8"] = MakeResnet8Objective(images);
  return objectives;
}

}  // namespace halving
