// How trials look as text. Pure functions: messages in, text out.
#ifndef HALVING_CLI_RENDER_TRIALS_H_
#define HALVING_CLI_RENDER_TRIALS_H_

#include <string>
#include <vector>

#include "cli/style.h"
#include "halving/v1/study.pb.h"

namespace halving {

// One line for each trial. `wide`: with where and how long its last rung took, its metrics and its
// last failure.
std::string RenderTrials(const std::vector<v1::Trial>& trials, bool wide,
                         const RenderOptions& options);

// One trial with its results, its curve and its last failure.
std::string RenderTrial(const v1::Trial& trial, const RenderOptions& options);

}  // namespace halving

#endif  // HALVING_CLI_RENDER_TRIALS_H_
