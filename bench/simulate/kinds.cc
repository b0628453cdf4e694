#include "bench/simulate/kinds.h"

#include "absl/status/status.h"

namespace halving {
namespace {

absl::Status CheckServed(PolicyKind policy, SearcherKind searcher) {
  return Normalise({.name = "s",
                    .objective = "simulated",
                    .parameters = {{"x", FloatRange{0, 1}}},
                    .halving = {.min_epochs = 1, .max_epochs = 9, .eta = 3},
                    .policy = policy,
                    .searcher = searcher,
                    .limits = {.max_evaluations = 100}})
      .status();
}

void NoteSkipped(const std::string& what, const absl::Status& status, std::ostream& notes) {
  notes << "Skipped " << what << ": " << status.message() << "\n";
}

}  // namespace

const std::vector<PolicyChoice>& AllPolicies() {
  static const auto& policies = *new std::vector<PolicyChoice>{
      {kStrict, PolicyKind::kHalvingPerRound, /*strict=*/true},
      {kDefault, PolicyKind::kHalving},
      {kPerRound, PolicyKind::kHalvingPerRound},
      {kAsha, PolicyKind::kAsha},
      {"delayed ASHA", PolicyKind::kDelayedAsha},
      {"Hyperband", PolicyKind::kHyperband},
  };
  return policies;
}

const std::vector<SearcherChoice>& AllSearchers() {
  static const auto& searchers = *new std::vector<SearcherChoice>{
      {kRandom, SearcherKind::kRandom},    {"Sobol", SearcherKind::kSobol},
      {"perturb", SearcherKind::kPerturb}, {"TPE", SearcherKind::kTpe},
      {"GP", SearcherKind::kGp},
  };
  return searchers;
}

std::vector<PolicyChoice> ServedPolicies(std::ostream& notes) {
  std::vector<PolicyChoice> served;
  for (const PolicyChoice& policy : AllPolicies()) {
    const absl::Status status = CheckServed(policy.kind, SearcherKind::kRandom);
    if (status.ok()) {
      served.push_back(policy);
    } else {
      NoteSkipped("policy " + policy.name, status, notes);
    }
  }
  return served;
}

std::vector<SearcherChoice> ServedSearchers(std::ostream& notes) {
  std::vector<SearcherChoice> served;
  for (const SearcherChoice& searcher : AllSearchers()) {
    const absl::Status status = CheckServed(PolicyKind::kHalving, searcher.kind);
    if (status.ok()) {
      served.push_back(searcher);
    } else {
      NoteSkipped("searcher " + searcher.name, status, notes);
    }
  }
  return served;
}

}  // namespace halving
