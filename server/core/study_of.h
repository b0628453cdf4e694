// Which study an event is of.
#ifndef HALVING_SERVER_CORE_STUDY_OF_H_
#define HALVING_SERVER_CORE_STUDY_OF_H_

#include <variant>

#include "server/core/events.h"

namespace halving {

// 0: it is of none.
inline StudyUid StudyOf(const Event& event) {
  return std::visit(
      [](const auto& e) -> StudyUid {
        if constexpr (requires { e.study; }) return e.study;
        return 0;
      },
      event);
}

}  // namespace halving

#endif  // HALVING_SERVER_CORE_STUDY_OF_H_
