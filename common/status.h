// Macros that pass a status up untouched.
#ifndef HALVING_COMMON_STATUS_H_
#define HALVING_COMMON_STATUS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define HV_RETURN_IF_ERROR(expr)                                            \
  do {                                                                      \
    if (absl::Status hv_status = (expr); !hv_status.ok()) return hv_status; \
  } while (false)

#define HV_CONCAT_INNER(a, b) a##b
#define HV_CONCAT(a, b) HV_CONCAT_INNER(a, b)

// HV_ASSIGN_OR_RETURN(const Foo foo, MakeFoo());
#define HV_ASSIGN_OR_RETURN(lhs, expr) \
  HV_ASSIGN_OR_RETURN_IMPL(HV_CONCAT(hv_or_, __LINE__), lhs, expr)
#define HV_ASSIGN_OR_RETURN_IMPL(result, lhs, expr)    \
  auto result = (expr);                                \
  if (!result.ok()) return std::move(result).status(); \
  lhs = *std::move(result)

#endif  // HALVING_COMMON_STATUS_H_
