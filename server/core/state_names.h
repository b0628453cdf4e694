// The states' names as people read them.
#ifndef HALVING_SERVER_CORE_STATE_NAMES_H_
#define HALVING_SERVER_CORE_STATE_NAMES_H_

#include "server/core/events.h"

namespace halving {

inline const char* StateName(StudyState state) {
  switch (state) {
    case StudyState::kRunning:
      return "RUNNING";
    case StudyState::kPaused:
      return "PAUSED";
    case StudyState::kCompleted:
      return "COMPLETED";
    case StudyState::kStopped:
      return "STOPPED";
    case StudyState::kFailed:
      return "FAILED";
  }
  return "UNKNOWN";
}

}  // namespace halving

#endif  // HALVING_SERVER_CORE_STATE_NAMES_H_
