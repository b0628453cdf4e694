// What people see of a study, a trial, a worker: the core's state as the contract's messages.
#ifndef HALVING_SERVER_SERVICE_VIEWS_H_
#define HALVING_SERVER_SERVICE_VIEWS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "halving/v1/dashboard.pb.h"
#include "halving/v1/study.pb.h"
#include "server/core/scheduler.h"

namespace halving {

// NOT_FOUND, with a hint at what there is.
absl::Status NoStudy(const std::string& name);
absl::Status NoTrial(const Study& study, TrialId id);

void ShowStudy(const Study& study, v1::Study* to);
void ShowTrial(const Study& study, const Trial& trial, bool with_curve, v1::Trial* to);
void ShowStatus(const Scheduler& scheduler, const Study& study, absl::Time now,
                v1::StudyStatus* to);

// One line of a list of studies.
void ShowRow(const Scheduler& scheduler, const Study& study, absl::Time now, v1::StudyRow* to);

// Whether the worker is that owner's, or has a trial of his.
bool IsWithin(const Scope& scope, const Scheduler& scheduler, const std::string& worker);

// Of what is within the scope. Pages, which end early near 1 MiB. INVALID_ARGUMENT for a page_size
// out of bounds and a page_token that is none of ours.
absl::Status ListStudies(const Scheduler& scheduler, const Scope& scope,
                         const v1::ListStudiesRequest& request, v1::ListStudiesResponse* to);
absl::Status ListWorkers(const Scheduler& scheduler, const Scope& scope, absl::Time now,
                         const v1::ListWorkersRequest& request, v1::ListWorkersResponse* to);
// Looks at no more than 100,000 trials a call, so that a page that filters by state may come short,
// and even empty, with a token to go on from.
absl::Status ListTrials(const Study& study, const v1::ListTrialsRequest& request,
                        v1::ListTrialsResponse* to);

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_VIEWS_H_
