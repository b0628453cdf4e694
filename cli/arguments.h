// What single words of a command line must look like, and what they mean.
#ifndef HALVING_CLI_ARGUMENTS_H_
#define HALVING_CLI_ARGUMENTS_H_

#include <optional>
#include <string>
#include <vector>

#include "halving/v1/study.pb.h"

namespace halving {

// Each Check...() is a validator as CLI11 wants it: what is wrong with the text, empty when all is
// well.
std::string CheckName(const std::string& name);
std::string CheckCount(const std::string& text);
std::string CheckWarmStart(const std::string& text);
std::string CheckNoImprovement(const std::string& text);
std::string CheckDuration(const std::string& text);
std::string CheckPositiveDuration(const std::string& text);
std::string CheckServer(const std::string& server);
// `what` is said of the values, as in "is no <what>"; there is at least one.
std::string CheckOneOf(const std::string& text, const std::string& what,
                       const std::vector<std::string>& values);

// "OTHER" or "OTHER:N". nullopt for anything else.
std::optional<v1::WarmStart> ParseWarmStart(const std::string& text);

// "TRIALS" or "TRIALS:DELTA". nullopt for anything else.
std::optional<v1::NoImprovement> ParseNoImprovement(const std::string& text);

// The names that ParseTrialState() knows, in the order of a trial's life.
std::vector<std::string> TrialStateNames();

// In any case. UNSPECIFIED for what is no state's name.
v1::TrialState ParseTrialState(const std::string& name);

}  // namespace halving

#endif  // HALVING_CLI_ARGUMENTS_H_
