// What is done to a journal while no server runs on it: verify, restore.
#ifndef HALVING_SERVER_ENGINE_OFFLINE_H_
#define HALVING_SERVER_ENGINE_OFFLINE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "common/clock.h"
#include "server/store/data_directory.h"

namespace halving {

// A journal that was read whole.
struct JournalReport {
  int64_t events = 0;
  int64_t studies = 0;
  int64_t trials = 0;
  int64_t results = 0;
  int64_t running = 0;  // Trials that a worker held when it was written.
};

// Reads all of a journal, or of a backup, and replays it; changes nothing. DATA_LOSS: it is
// damaged, or its end contradicts itself. NOT_FOUND, FAILED_PRECONDITION: there is none, or none of
// ours.
absl::StatusOr<JournalReport> VerifyJournal(const std::string& file);

// Puts a backup into a data directory that has no journal yet, all or nothing. Trials that ran are
// given back without a failure, and leases given out since the backup are void, since the server
// would else give out the same ones again. The errors of VerifyJournal(); FAILED_PRECONDITION: the
// directory has a journal.
absl::StatusOr<JournalReport> RestoreJournal(const std::string& backup,
                                             const DataDirectory& directory, Clock* clock);

}  // namespace halving

#endif  // HALVING_SERVER_ENGINE_OFFLINE_H_
