#include "cli/names.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "cli/text.h"

namespace halving {
namespace {

// "POLICY_DELAYED_ASHA" -> "delayed asha".
std::string Words(const std::string& name, absl::string_view prefix) {
  return absl::StrReplaceAll(absl::AsciiStrToLower(absl::StripPrefix(name, prefix)), {{"_", " "}});
}

std::string Stripped(const std::string& name, absl::string_view prefix, int number) {
  if (name.empty()) return absl::StrCat("STATE ", number);
  return std::string(absl::StripPrefix(name, prefix));
}

}  // namespace

std::string StateName(v1::StudyState state) {
  return Stripped(v1::StudyState_Name(state), "STUDY_STATE_", state);
}

std::string StateName(v1::TrialState state) {
  return Stripped(v1::TrialState_Name(state), "TRIAL_STATE_", state);
}

Cell StateCell(v1::StudyState state) {
  Ink ink = Ink::kPlain;
  if (state == v1::STUDY_STATE_RUNNING) ink = Ink::kCyan;
  if (state == v1::STUDY_STATE_PAUSED || state == v1::STUDY_STATE_STOPPED) ink = Ink::kYellow;
  if (state == v1::STUDY_STATE_COMPLETED) ink = Ink::kGreen;
  if (state == v1::STUDY_STATE_FAILED) ink = Ink::kRed;
  return {StateName(state), ink};
}

Cell StateCell(v1::TrialState state) {
  Ink ink = Ink::kPlain;
  if (state == v1::TRIAL_STATE_RUNNING) ink = Ink::kCyan;
  if (state == v1::TRIAL_STATE_ELIMINATED) ink = Ink::kDim;
  if (state == v1::TRIAL_STATE_COMPLETED) ink = Ink::kGreen;
  if (state == v1::TRIAL_STATE_FAILED) ink = Ink::kRed;
  if (state == v1::TRIAL_STATE_STOPPED) ink = Ink::kYellow;
  return {StateName(state), ink};
}

bool HasEnded(v1::StudyState state) {
  return state == v1::STUDY_STATE_COMPLETED || state == v1::STUDY_STATE_STOPPED ||
         state == v1::STUDY_STATE_FAILED;
}

std::string DescribeRule(const v1::Halving& halving) {
  const v1::Policy policy =
      halving.policy() == v1::POLICY_UNSPECIFIED ? v1::POLICY_HALVING : halving.policy();
  std::string text =
      absl::StrCat(Words(v1::Policy_Name(policy), "POLICY_"), ", ", halving.min_epochs(), " to ",
                   halving.max_epochs(), " epochs, eta ", halving.eta());
  if (halving.prefactor() != 0 && halving.prefactor() != 1) {
    absl::StrAppend(&text, ", prefactor ", FormatExact(halving.prefactor()));
  }
  return text;
}

std::string DescribeSearcher(const v1::StudySpec& spec) {
  const v1::Searcher searcher =
      spec.searcher() == v1::SEARCHER_UNSPECIFIED ? v1::SEARCHER_RANDOM : spec.searcher();
  return absl::StrCat(Words(v1::Searcher_Name(searcher), "SEARCHER_"), ", seed ", spec.seed());
}

std::string DescribeLimits(const v1::Limits& limits) {
  std::vector<std::string> parts;
  if (limits.max_evaluations() > 0) parts.push_back(Plural(limits.max_evaluations(), "evaluation"));
  if (limits.max_rounds() > 0) parts.push_back(Plural(limits.max_rounds(), "round"));
  if (limits.max_total_epochs() > 0) parts.push_back(Plural(limits.max_total_epochs(), "epoch"));
  if (limits.has_max_wall_time()) {
    parts.push_back(absl::StrCat(HumanDuration(FromProto(limits.max_wall_time())), " running"));
  }
  if (limits.has_target_error()) {
    parts.push_back(absl::StrCat("target error ", FormatError(limits.target_error())));
  }
  if (limits.no_improvement().trials() > 0) {
    const double delta = limits.no_improvement().delta();
    parts.push_back(absl::StrCat("no improvement ",
                                 delta > 0 ? absl::StrCat("by ", FormatExact(delta), " ") : "",
                                 "within ", Plural(limits.no_improvement().trials(), "trial")));
  }
  return parts.empty() ? "none" : absl::StrJoin(parts, ", ");
}

std::string DescribeWarmStart(const v1::WarmStart& warm_start) {
  return absl::StrCat("from ", Printable(warm_start.study()), ", its best ",
                      Plural(warm_start.trials(), "config"), " at most");
}

bool HasRounds(v1::Policy policy) {
  return policy != v1::POLICY_ASHA && policy != v1::POLICY_DELAYED_ASHA;
}

const v1::RungResult* LastResult(const v1::Trial& trial) {
  return trial.results().empty() ? nullptr : &trial.results(trial.results_size() - 1);
}

int64_t RunningTotal(const v1::StudyStatus& status) {
  return std::max<int64_t>(status.running_total(), status.running_size());
}

bool IsBusy(const v1::Worker& worker) { return worker.trial_id() > 0; }

}  // namespace halving
