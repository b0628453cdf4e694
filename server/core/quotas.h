// Quotas: how far what a server holds in memory may grow.
#ifndef HALVING_SERVER_CORE_QUOTAS_H_
#define HALVING_SERVER_CORE_QUOTAS_H_

#include <cstdint>

namespace halving {

// They only forbid what is new. Replay knows none of them, so that they may change between
// versions.
struct Quotas {
  int64_t studies = 10'000;
  int64_t trials_per_study = 1'000'000;
  int64_t workers = 100'000;           // Seen within a day.
  int64_t points_per_trial = 100'000;  // Those beyond are dropped.
  int64_t checkpoint_bytes_per_study = INT64_MAX;
};

}  // namespace halving

#endif  // HALVING_SERVER_CORE_QUOTAS_H_
