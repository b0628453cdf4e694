// Compaction of a journal: the same events come back, whatever it is broken off by.
#include "server/store/sqlite_compaction.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/scheduler.h"
#include "server/store/event_codec.h"
#include "server/store/sqlite_statement.h"
#include "tests/store/journal_files.h"
#include "tests/support/dice.h"
#include "tests/support/matchers.h"
#include "tests/support/random_studies.h"
#include "tests/support/simulator.h"
#include "tests/support/temp_dir.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::Gt;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Lt;

std::string StateOf(const std::vector<Event>& events) {
  Scheduler scheduler;
  for (const Event& event : events) scheduler.Apply(event);
  return scheduler.DebugString();
}

std::string StateIn(const std::string& directory) {
  const absl::StatusOr<std::vector<Event>> events = OpenAndReplay(directory);
  return events.ok() ? StateOf(*events) : absl::StrCat("no state: ", events.status().ToString());
}

// Events under faults of up to three studies, some of which have ended and some not.
struct History {
  std::vector<Event> events;
  CompactionPlan plan;
};

History HistoryOf(uint64_t seed) {
  const SimResult run = Simulate(RandomOptions(seed));
  HV_CHECK(run.status.ok()) << run.status;
  Dice dice(seed);
  const size_t last = run.ends.size() - 1;
  const size_t end = run.ends[static_cast<size_t>(
      dice.Between(static_cast<int64_t>(last / 2), static_cast<int64_t>(last)))];
  History history;
  Scheduler scheduler;
  for (size_t i = 0; i < end; ++i) {
    if (!IsDurable(run.events[i])) continue;
    // As a journal gives it back: the simulator's times are finer than nanoseconds.
    history.events.push_back(*DecodeEvent(EncodeEvent(run.events[i])));
    scheduler.Apply(history.events.back());
  }
  for (const auto& [uid, study] : scheduler.studies()) {
    if (study->ended()) history.plan.ended.push_back(uid);
  }
  return history;
}

void AppendAll(SqliteJournal& journal, const std::vector<Event>& events) {
  for (size_t i = 0; i < events.size(); i += 50) {
    const auto begin = events.begin() + static_cast<std::ptrdiff_t>(i);
    const auto end = events.begin() + static_cast<std::ptrdiff_t>(std::min(i + 50, events.size()));
    ASSERT_THAT(journal.Append({begin, end}), IsOk());
  }
}

// Steps it to its end; how many steps that took, or what broke it off.
absl::StatusOr<int> Finish(JournalCompaction& compaction) {
  for (int steps = 1;; ++steps) {
    HV_ASSIGN_OR_RETURN(const bool done, compaction.Step());
    if (done) return steps;
  }
}

int Compact(SqliteJournal& journal, const CompactionPlan& plan) {
  const auto compaction = journal.StartCompaction(plan);
  HV_CHECK(compaction.ok()) << compaction.status();
  const absl::StatusOr<int> steps = Finish(**compaction);
  HV_CHECK(steps.ok()) << steps.status();
  return *steps;
}

StudyCreated Created(StudyUid uid) {
  return {.study = uid,
          .spec = {.name = absl::StrCat("s", uid),
                   .objective = "none",
                   .objective_options_json = "{}",
                   .parameters = {{"x", FloatRange{.min = 0, .max = 1}}},
                   .halving = {.min_epochs = 1, .max_epochs = 1, .eta = 2},
                   .limits = {.max_evaluations = 1000},
                   .seed = 1},
          .time = absl::FromUnixSeconds(1)};
}

// A study of `trials` trials that were all sampled, and nothing more.
std::vector<Event> Sampled(StudyUid uid, int trials) {
  std::vector<Event> events = {Created(uid)};
  for (int i = 1; i <= trials; ++i) {
    events.emplace_back(TrialSampled{.study = uid, .trial = i, .round = i, .config = {0.5}});
  }
  return events;
}

StudyEnded Ended(StudyUid uid) {
  return {.study = uid, .state = StudyState::kStopped, .reason = "stopped"};
}

// The same, of a study that was stopped then.
std::vector<Event> SampledAndEnded(StudyUid uid, int trials) {
  std::vector<Event> events = Sampled(uid, trials);
  events.emplace_back(Ended(uid));
  return events;
}

int Rows(const std::string& directory) {
  sqlite3* db = nullptr;
  HV_CHECK(sqlite3_open((directory + "/journal.db").c_str(), &db) == SQLITE_OK);
  int rows = 0;
  {
    const SqliteStatement count(db, "SELECT count(*) FROM events");
    HV_CHECK(sqlite3_step(count.get()) == SQLITE_ROW);
    rows = sqlite3_column_int(count.get(), 0);
  }
  sqlite3_close(db);
  return rows;
}

class CompactionOf : public testing::TestWithParam<uint64_t> {};

TEST_P(CompactionOf, AJournalGivesTheSameStateBack) {
  const History history = HistoryOf(GetParam());
  const TempDir directory;
  {
    const OpenedJournal journal = MustOpen(directory.path());
    AppendAll(*journal, history.events);
    Compact(*journal, history.plan);
    EXPECT_EQ(journal->CompactedStudies(), history.plan.ended);
    EXPECT_FALSE(journal->CompactionPending());
  }
  const absl::StatusOr<std::vector<Event>> events = OpenAndReplay(directory.path());
  ASSERT_THAT(events, IsOk());
  EXPECT_EQ(events->size(), history.events.size());
  EXPECT_EQ(StateOf(*events), StateOf(history.events)) << "seed " << GetParam();
}

TEST_P(CompactionOf, AJournalMayBreakOffAtEveryStepAndBeDoneAnew) {
  const History history = HistoryOf(GetParam());
  const std::string state = StateOf(history.events);
  const TempDir directory;
  const OpenedJournal journal = MustOpen(directory.path());
  AppendAll(*journal, history.events);
  const auto compaction = journal->StartCompaction(history.plan);
  ASSERT_THAT(compaction, IsOk());
  for (bool done = false; !done;) {
    const absl::StatusOr<bool> step = (*compaction)->Step();
    ASSERT_THAT(step, IsOk());
    done = *step;
    const TempDir killed;
    CopyJournal(directory.path(), killed.path());
    ASSERT_EQ(StateIn(killed.path()), state) << "seed " << GetParam();
    {
      const OpenedJournal again = MustOpen(killed.path());
      Compact(*again, history.plan);
    }
    ASSERT_EQ(StateIn(killed.path()), state) << "seed " << GetParam();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, CompactionOf, testing::Range<uint64_t>(1, 9));

TEST(CompactionTest, ALongStudyTakesAFewRowsAndLessRoom) {
  const TempDir directory;
  std::vector<Event> events = SampledAndEnded(1, 20'000);
  const std::string state = StateOf(events);
  {
    const OpenedJournal journal = MustOpen(directory.path());
    AppendAll(*journal, events);
    EXPECT_THAT(Compact(*journal, {.ended = {1}}), Gt(40)) << "in slices";
  }
  EXPECT_THAT(Rows(directory.path()), Lt(30));
  EXPECT_EQ(StateIn(directory.path()), state);
}

TEST(CompactionTest, WhatIsAppendedMeanwhileStays) {
  const TempDir directory;
  std::vector<Event> events = SampledAndEnded(1, 3'000);
  {
    const OpenedJournal journal = MustOpen(directory.path());
    AppendAll(*journal, events);
    const auto compaction = journal->StartCompaction({.ended = {1}});
    ASSERT_THAT(compaction, IsOk());
    for (StudyUid uid = 2;; ++uid) {
      const absl::StatusOr<bool> done = (*compaction)->Step();
      ASSERT_THAT(done, IsOk());
      if (*done) break;
      const std::vector<Event> more = Sampled(uid, 2);
      ASSERT_THAT(journal->Append(more), IsOk());
      events.insert(events.end(), more.begin(), more.end());
    }
  }
  EXPECT_EQ(StateIn(directory.path()), StateOf(events));
}

TEST(CompactionTest, OfADeletedStudyOnlyItsEndStays) {
  const TempDir directory;
  std::vector<Event> events = SampledAndEnded(1, 500);
  events.emplace_back(StudyDeleted{.study = 1});
  {
    const OpenedJournal journal = MustOpen(directory.path());
    AppendAll(*journal, events);
    Compact(*journal, {.deleted = {1}});
    EXPECT_THAT(journal->CompactedStudies(), IsEmpty());
  }
  EXPECT_EQ(Rows(directory.path()), 2) << "a gap, and StudyDeleted";
  EXPECT_THAT(OpenAndReplay(directory.path()),
              IsOkAndHolds(ElementsAre(Event(StudyDeleted{.study = 1}))));
  EXPECT_EQ(StateIn(directory.path()), StateOf(events)) << "its uid is not given out again";
}

TEST(CompactionTest, AStudyThatWasCompactedMayBeDeletedAndCompactedAgain) {
  const TempDir directory;
  std::vector<Event> events = SampledAndEnded(1, 500);
  {
    const OpenedJournal journal = MustOpen(directory.path());
    AppendAll(*journal, events);
    Compact(*journal, {.ended = {1}});
    events.emplace_back(StudyDeleted{.study = 1});
    AppendAll(*journal, {events.back()});
  }
  EXPECT_EQ(StateIn(directory.path()), StateOf(events));
  Compact(*MustOpen(directory.path()), {.deleted = {1}});
  EXPECT_EQ(Rows(directory.path()), 2);
  EXPECT_EQ(StateIn(directory.path()), StateOf(events));
}

TEST(CompactionTest, AStudyThatGoesOnMeanwhileIsLeftAsItIs) {
  const TempDir directory;
  std::vector<Event> events = Sampled(1, 1'000);
  const std::vector<Event> other = Sampled(2, 1'000);
  events.insert(events.end(), other.begin(), other.end());
  events.emplace_back(Ended(1));
  events.emplace_back(Ended(2));
  {
    const OpenedJournal journal = MustOpen(directory.path());
    AppendAll(*journal, events);
    const auto compaction = journal->StartCompaction({.ended = {1, 2}});
    ASSERT_THAT(compaction, IsOk());
    ASSERT_THAT((*compaction)->Step(), IsOkAndHolds(false));
    events.emplace_back(StudyExtended{.study = 1, .limits = {.max_evaluations = 2'000}});
    AppendAll(*journal, {events.back()});
    (*compaction)->Exclude(1);
    ASSERT_THAT(Finish(**compaction), IsOk());
    EXPECT_THAT(journal->CompactedStudies(), ElementsAre(2));
  }
  EXPECT_EQ(StateIn(directory.path()), StateOf(events));
}

TEST(CompactionTest, AStudyThatWentOnAfterwardsIsCompactedAgain) {
  const TempDir directory;
  std::vector<Event> events = SampledAndEnded(1, 1'000);
  const OpenedJournal journal = MustOpen(directory.path());
  AppendAll(*journal, events);
  Compact(*journal, {.ended = {1}});
  std::vector<Event> more = {StudyExtended{.study = 1, .limits = {.max_evaluations = 2'000}}};
  for (int i = 1'001; i <= 1'500; ++i) {
    more.emplace_back(TrialSampled{.study = 1, .trial = i, .round = i, .config = {0.5}});
  }
  more.emplace_back(Ended(1));
  AppendAll(*journal, more);
  events.insert(events.end(), more.begin(), more.end());
  for (const bool compacted : {false, true}) {
    if (compacted) Compact(*journal, {.ended = {1}});
    const TempDir copy;
    CopyJournal(directory.path(), copy.path());
    EXPECT_EQ(StateIn(copy.path()), StateOf(events)) << "compacted again: " << compacted;
    EXPECT_EQ(Rows(copy.path()) < 5, compacted) << Rows(copy.path()) << " rows";
  }
}

TEST(CompactionTest, AFullDiskBreaksItOffAndLeavesTheJournalWhole) {
  const TempDir directory;
  std::vector<Event> events = SampledAndEnded(1, 5'000);
  const OpenedJournal journal = MustOpen(directory.path());
  AppendAll(*journal, events);
  const auto compaction = journal->StartCompaction({.ended = {1}});
  ASSERT_THAT(compaction, IsOk());
  absl::Status broken_off;
  {
    const FileSizeLimit full(4096);
    broken_off = Finish(**compaction).status();
  }
  EXPECT_THAT(broken_off, StatusIs(StatusCode::kResourceExhausted, testing::_));
  events.emplace_back(Created(2));
  ASSERT_THAT(journal->Append({events.back()}), IsOk());
  const TempDir copy;
  CopyJournal(directory.path(), copy.path());
  EXPECT_EQ(StateIn(copy.path()), StateOf(events));
}

// ---- damage

class DamageAfterCompaction : public testing::Test {
 protected:
  DamageAfterCompaction() {
    std::vector<Event> events = SampledAndEnded(1, 1'000);
    events.emplace_back(Created(2));
    const OpenedJournal journal = MustOpen(directory_.path());
    AppendAll(*journal, events);
    Compact(*journal, {.ended = {1}});
  }
  absl::Status After(const std::string& sql) {
    RunSql(directory_.File("journal.db"), sql);
    return OpenAndReplay(directory_.path()).status();
  }

  const TempDir directory_;
};

TEST_F(DamageAfterCompaction, OfNothingIsReadAsItIs) { EXPECT_THAT(After("SELECT 1"), IsOk()); }

TEST_F(DamageAfterCompaction, AGapThatIsGoneIsNoticed) {
  EXPECT_THAT(After("DELETE FROM events WHERE seq = (SELECT min(seq) FROM events)"),
              StatusIs(StatusCode::kDataLoss, HasSubstr("checksum")));
}

TEST_F(DamageAfterCompaction, AChangedGapIsNoticed) {
  const std::string of_gap = " WHERE seq = (SELECT min(seq) FROM events)";
  EXPECT_THAT(After("UPDATE events SET chain = substr(chain, 1, 31) || x'00'" + of_gap),
              StatusIs(StatusCode::kDataLoss, HasSubstr("checksum")));
  // {"gap": {"first": 2}}
  EXPECT_THAT(After("UPDATE events SET data = x'aa01020802'" + of_gap),
              StatusIs(StatusCode::kDataLoss, HasSubstr("checksum")));
}

TEST_F(DamageAfterCompaction, AFlippedBitInAPackIsNoticed) {
  EXPECT_THAT(After("UPDATE events SET data = substr(data, 1, 100) || x'00' || substr(data, 102) "
                    "WHERE length(data) = (SELECT max(length(data)) FROM events)"),
              StatusIs(StatusCode::kDataLoss, HasSubstr("checksum")));
}

TEST_F(DamageAfterCompaction, AChangedTableOfPackedStudiesIsNoticed) {
  EXPECT_THAT(After("UPDATE packed SET upto = upto - 1"),
              StatusIs(StatusCode::kDataLoss, HasSubstr("compacted studies")));
}

TEST_F(DamageAfterCompaction, ALostRowOfThatTableIsNoticed) {
  EXPECT_THAT(After("DELETE FROM packed"),
              StatusIs(StatusCode::kDataLoss, HasSubstr("compacted studies")));
}

TEST(CompactionTest, OfADamagedRowIsRefused) {
  const TempDir directory;
  {
    std::vector<Event> events = SampledAndEnded(1, 100);
    AppendAll(*MustOpen(directory.path()), events);
  }
  RunSql(directory.File("journal.db"),
         "UPDATE events SET data = (SELECT data FROM events WHERE seq = 50) WHERE seq = 51");
  const OpenedJournal journal = MustOpen(directory.path());
  const auto compaction = journal->StartCompaction({.ended = {1}});
  ASSERT_THAT(compaction, IsOk());
  EXPECT_THAT((*compaction)->Step().status(),
              StatusIs(StatusCode::kDataLoss, HasSubstr("event 51")));
}

TEST(CompactionTest, PacksOfPacksStaySmall) {
  const TempDir directory;
  std::vector<Event> events = SampledAndEnded(1, 30'000);
  {
    const OpenedJournal journal = MustOpen(directory.path());
    AppendAll(*journal, events);
    for (int i = 0; i < 3; ++i) Compact(*journal, {.ended = {1}});
  }
  EXPECT_THAT(Rows(directory.path()), Gt(10));
  EXPECT_EQ(StateIn(directory.path()), StateOf(events));
}

}  // namespace
}  // namespace halving
