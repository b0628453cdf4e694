// The picture of a study: every trial's errors over the epochs it was given, as an SVG file.
#ifndef HALVING_CLI_SVG_PLOT_H_
#define HALVING_CLI_SVG_PLOT_H_

#include <cstddef>
#include <string>
#include <vector>

#include "halving/v1/study.pb.h"

namespace halving {

struct PlotOptions {
  bool log = false;              // A logarithmic error axis.
  size_t trials_per_rung = 120;  // Drawn of those that ended at one rung; the rest is counted.
};

// An SVG document: plain shapes and text, no script, nothing loaded from elsewhere, a background of
// its own. Equal input gives equal bytes. Trials with a curve are drawn along it, the others from
// result to result. Hovering shows a trial's config.
std::string RenderSvg(const v1::Study& study, const std::vector<v1::Trial>& trials,
                      const PlotOptions& options);

// `text` for use in XML text or attributes, with control characters made Printable().
std::string XmlEscape(const std::string& text);

}  // namespace halving

#endif  // HALVING_CLI_SVG_PLOT_H_
