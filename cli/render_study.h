// How studies look as text. Pure functions: messages in, text out.
#ifndef HALVING_CLI_RENDER_STUDY_H_
#define HALVING_CLI_RENDER_STUDY_H_

#include <string>
#include <vector>

#include "cli/style.h"
#include "halving/v1/study.pb.h"

namespace halving {

// What the spec would do: its rungs, and what one round costs.
std::string RenderPlan(const v1::StudySpec& spec, const v1::StudyPlan& plan,
                       const RenderOptions& options);

// Everything to know about how a study stands, over many lines.
std::string RenderStatus(const v1::StudyStatus& status, const RenderOptions& options);

// The same in one line, without a time, for logs; it changes only when something to tell does.
std::string RenderStatusLine(const v1::StudyStatus& status, const RenderOptions& options);

// The same for a terminal of so many rows, where it is drawn over and over: the settings on one
// line, and as many running trials as fit.
std::string RenderLiveStatus(const v1::StudyStatus& status, int rows, const RenderOptions& options);

// `wide`: with their rules, searchers and limits.
std::string RenderStudies(const std::vector<v1::Study>& studies, bool wide,
                          const RenderOptions& options);

}  // namespace halving

#endif  // HALVING_CLI_RENDER_STUDY_H_
