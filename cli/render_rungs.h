// How a study's rungs look as text. Pure: messages in, text out.
#ifndef HALVING_CLI_RENDER_RUNGS_H_
#define HALVING_CLI_RENDER_RUNGS_H_

#include <string>

#include "cli/style.h"
#include "halving/v1/study.pb.h"

namespace halving {

// A line for each rung with what it has gathered of what closes it, as a bar and as numbers, and
// when it is expected to close; then what the bars are made of. Where rungs do not close, a bar
// compares all trials of its rung with those of the fullest.
std::string RenderRungs(const v1::StudyStatus& status, const RenderOptions& options);

}  // namespace halving

#endif  // HALVING_CLI_RENDER_RUNGS_H_
