// The process between the worker and its trainer, which sees to it that neither outlives the other
// unnoticed: `halving-worker --exec-trainer COMMAND`, a mode that people do not use.
#ifndef HALVING_WORKER_AGENT_TRAINER_GUARD_H_
#define HALVING_WORKER_AGENT_TRAINER_GUARD_H_

namespace halving {

inline constexpr char kExecTrainerFlag[] = "--exec-trainer";

// The guard's end of a socket pair whose other end only the worker holds. The kernel closes that
// one when the worker dies, however it dies.
inline constexpr int kLifelineFd = 3;

// Runs `/bin/sh -c command` with the standard streams it was given. When the command has ended,
// writes its wait status, an int, to the lifeline, and stays: what the command has left running is
// still in our group. When the lifeline closes, kills that group, itself included. Returns an exit
// status only if it could not start.
//
// A lifeline, and not prctl(PR_SET_PDEATHSIG): that one fires when the parent's thread ends, is
// not inherited by the command's own children, and has a race with a parent that is already gone.
int RunTrainerGuard(const char* command);

}  // namespace halving

#endif  // HALVING_WORKER_AGENT_TRAINER_GUARD_H_
