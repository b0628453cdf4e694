// All that this trainer can train, by name.
#ifndef HALVING_WORKER_TRAINER_OBJECTIVES_H_
#define HALVING_WORKER_TRAINER_OBJECTIVES_H_

#include <string>

#include "worker/trainer/job_runner.h"

namespace halving {

// On `device`, as SetUpTorch() took it.
Objectives MakeObjectives(const std::string& device);

}  // namespace halving

#endif  // HALVING_WORKER_TRAINER_OBJECTIVES_H_
