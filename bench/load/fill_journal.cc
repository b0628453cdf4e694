#include "bench/load/fill_journal.h"

#include <sqlite3.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/load/server_under_load.h"
#include "common/clock.h"
#include "common/random.h"
#include "common/status.h"
#include "server/core/scheduler.h"
#include "server/service/translate.h"
#include "server/store/sqlite_journal.h"

namespace halving {
namespace {

constexpr int64_t kWorkers = 64;
constexpr size_t kEventsInOneAppend = 2'000;
constexpr absl::Duration kTrainTime = absl::Seconds(60);  // Of each evaluation.

class Filler {
 public:
  Filler(SqliteJournal* journal, const FillPlan& plan) : journal_(*journal), plan_(plan) {}

  absl::StatusOr<Filled> Fill() {
    for (int64_t i = 1; i <= plan_.studies; ++i) {
      HV_ASSIGN_OR_RETURN(StudySpec spec, FromProto(LoadStudy(absl::StrCat("study-", i))));
      HV_RETURN_IF_ERROR(Do(CreateStudy{.spec = std::move(spec)}).status());
    }
    while (sampled_ < plan_.trials) HV_RETURN_IF_ERROR(TrainOne());
    for (int64_t i = 1; plan_.ended && i <= plan_.studies; ++i) {
      HV_RETURN_IF_ERROR(Do(StopStudy{.name = absl::StrCat("study-", i)}).status());
    }
    HV_RETURN_IF_ERROR(Append());
    return filled_;
  }

 private:
  absl::Status TrainOne() {
    now_ += kTrainTime / kWorkers;
    const int64_t number = ++filled_.evaluations;
    const Ask ask{.worker = absl::StrCat("worker-", number % kWorkers),
                  .request_id = absl::StrCat("request-", number),
                  .incarnation = "incarnation"};
    HV_ASSIGN_OR_RETURN(const Answer answer, Do(ask));
    const Assignment& assignment = answer.assignment.value();
    const double error = UnitInterval(MixBits(static_cast<uint64_t>(assignment.lease.trial))) /
                         static_cast<double>(assignment.to_epoch);
    return Do(Report{.lease = assignment.lease,
                     .outcome = Completed{.error = error, .train_time = kTrainTime}})
        .status();
  }

  absl::StatusOr<Answer> Do(const Command& command) {
    const size_t before = events_.size();
    absl::StatusOr<Answer> answer = scheduler_.Execute(command, now_, &events_);
    for (size_t i = before; i < events_.size(); ++i) {
      if (std::holds_alternative<TrialSampled>(events_[i])) ++sampled_;
    }
    if (events_.size() >= kEventsInOneAppend) HV_RETURN_IF_ERROR(Append());
    return answer;
  }

  absl::Status Append() {
    std::erase_if(events_, [](const Event& event) { return !IsDurable(event); });
    filled_.events += static_cast<int64_t>(events_.size());
    HV_RETURN_IF_ERROR(journal_.Append(events_));
    events_.clear();
    return absl::OkStatus();
  }

  SqliteJournal& journal_;
  const FillPlan plan_;
  Scheduler scheduler_;
  std::vector<Event> events_;
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  int64_t sampled_ = 0;
  Filled filled_;
};

absl::Status SqliteFailed(sqlite3* db) {
  return absl::InternalError(absl::StrCat("SQLite: ", sqlite3_errmsg(db)));
}

absl::Status Read(sqlite3* db) {
  sqlite3_stmt* select = nullptr;
  const char* sql = "SELECT seq, data, chain FROM events ORDER BY seq";
  if (sqlite3_prepare_v2(db, sql, -1, &select, nullptr) != SQLITE_OK) return SqliteFailed(db);
  int step = SQLITE_ROW;
  int64_t bytes = 0;
  while ((step = sqlite3_step(select)) == SQLITE_ROW) {
    bytes += sqlite3_column_bytes(select, 1) + sqlite3_column_bytes(select, 2);
  }
  sqlite3_finalize(select);
  return step == SQLITE_DONE && bytes > 0 ? absl::OkStatus() : SqliteFailed(db);
}

}  // namespace

absl::StatusOr<Filled> FillJournal(const std::string& data_dir, const FillPlan& plan) {
  HV_ASSIGN_OR_RETURN(DataDirectory directory, DataDirectory::Lock(data_dir));
  HV_ASSIGN_OR_RETURN(const std::unique_ptr<SqliteJournal> journal,
                      SqliteJournal::Open(std::move(directory)));
  return Filler(journal.get(), plan).Fill();
}

absl::StatusOr<absl::Duration> ReadEveryRow(const std::string& data_dir) {
  const absl::Time start = Clock::Real()->Now();
  sqlite3* db = nullptr;
  const std::string file = data_dir + "/journal.db";
  absl::Status status =
      sqlite3_open_v2(file.c_str(), &db, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK
          ? Read(db)
          : SqliteFailed(db);
  sqlite3_close(db);
  if (!status.ok()) return status;
  return Clock::Real()->Now() - start;
}

}  // namespace halving
