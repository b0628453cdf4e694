#include "worker/trainer/objectives.h"

#include <memory>

#include "worker/trainer/image_store.h"
#include "worker/trainer/lenet.h"

namespace halving {

Objectives MakeObjectives(const std::string& device) {
  const auto images = std::make_shared<ImageStore>(device);
  Objectives objectives;
  objectives["lenet"] = MakeLenetObjective(images);
  return objectives;
}

}  // namespace halving
