// The limit of open files, which each connection takes one of.
#ifndef HALVING_COMMON_OPEN_FILES_H_
#define HALVING_COMMON_OPEN_FILES_H_

#include <sys/resource.h>

namespace halving {

// Raises this process's limit to what the system allows: the usual one is 1024, far below.
inline void RaiseOpenFilesLimit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace halving

#endif  // HALVING_COMMON_OPEN_FILES_H_
