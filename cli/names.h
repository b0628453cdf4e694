// Small facts about the contract's messages that several commands show.
#ifndef HALVING_CLI_NAMES_H_
#define HALVING_CLI_NAMES_H_

#include <cstdint>
#include <string>

#include "cli/style.h"
#include "cli/table.h"
#include "halving/v1/study.pb.h"

namespace halving {

// The contract's names without their prefixes: "RUNNING", "ELIMINATED". Numbers that this build
// does not know come out as "STATE 9".
std::string StateName(v1::StudyState state);
std::string StateName(v1::TrialState state);

// In the colour of that state.
Cell StateCell(v1::StudyState state);
Cell StateCell(v1::TrialState state);

// Whether the study is over: COMPLETED, STOPPED or FAILED.
bool HasEnded(v1::StudyState state);

// "halving, 2 to 10 epochs, eta 2".
std::string DescribeRule(const v1::Halving& halving);
// "random, seed 42".
std::string DescribeSearcher(const v1::StudySpec& spec);
// "30 evaluations, target error 0.1000", or "none".
std::string DescribeLimits(const v1::Limits& limits);

// "from lenet-1, its best 5 configs at most".
std::string DescribeWarmStart(const v1::WarmStart& warm_start);

// Whether its rungs gather trials round by round, and close.
bool HasRounds(v1::Policy policy);

// The result at the highest rung; null before the first one.
const v1::RungResult* LastResult(const v1::Trial& trial);

// Trials that run, of which the status lists some.
int64_t RunningTotal(const v1::StudyStatus& status);

// Whether the worker holds a trial.
bool IsBusy(const v1::Worker& worker);

}  // namespace halving

#endif  // HALVING_CLI_NAMES_H_
