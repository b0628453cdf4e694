// What a study's pictures show, cut to what a page can draw.
#ifndef HALVING_SERVER_DASHBOARD_FIGURE_H_
#define HALVING_SERVER_DASHBOARD_FIGURE_H_

#include <cstddef>
#include <vector>

#include "halving/v1/dashboard.pb.h"
#include "server/dashboard/trial_mirror.h"

namespace halving {

inline constexpr size_t kMostDrawn = 600;     // Trials.
inline constexpr size_t kMostCurves = 50;     // Of those, with what lies between the rungs.
inline constexpr int kMostCurvePoints = 100;  // Of each.

// All trials with a result while there are at most kMostDrawn of them; else of each rung the best
// and, of the others, an even choice. Without curves.
void ShowFigure(const TrialMirror& mirror, v1::Figure* to);

// The best of those that the figure draws: by the rung they came to, then by error.
std::vector<TrialId> CurvesFor(const v1::Figure& figure);

// At most kMostCurvePoints of the trial's curve, the first and the last among them.
void ShowCurve(const Trial& trial, v1::FigureTrial* to);

}  // namespace halving

#endif  // HALVING_SERVER_DASHBOARD_FIGURE_H_
