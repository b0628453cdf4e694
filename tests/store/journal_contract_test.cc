// What every Journal promises, whatever it keeps its events on.
#include <functional>
#include <memory>
#include <string>

#include "common/check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/store/memory_journal.h"
#include "tests/store/journal_files.h"
#include "tests/store/sample_events.h"
#include "tests/support/fault_journal.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"

namespace halving {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

// A journal, and how to close and open it again with what it holds.
class Holder {
 public:
  virtual ~Holder() = default;
  virtual Journal& journal() = 0;
  virtual void Reopen() = 0;
};

template <typename InMemory>
class MemoryHolder : public Holder {
 public:
  Journal& journal() override { return journal_; }
  void Reopen() override {}

 private:
  InMemory journal_;
};

class SqliteHolder : public Holder {
 public:
  SqliteHolder() { Reopen(); }
  Journal& journal() override { return *journal_; }
  void Reopen() override {
    journal_.reset();
    absl::StatusOr<std::unique_ptr<SqliteJournal>> opened = OpenJournal(directory_.path());
    HV_CHECK(opened.ok()) << opened.status();
    journal_ = *std::move(opened);
  }

 private:
  TempDir directory_;
  std::unique_ptr<SqliteJournal> journal_;
};

struct Kind {
  std::string name;
  std::function<std::unique_ptr<Holder>()> make;
};

class JournalTest : public testing::TestWithParam<Kind> {
 protected:
  Journal& journal() { return holder_->journal(); }
  std::vector<Event> Replayed() {
    absl::StatusOr<std::vector<Event>> events = ReplayAll(journal());
    EXPECT_THAT(events, IsOk());
    return events.ok() ? *std::move(events) : std::vector<Event>{};
  }

  const std::unique_ptr<Holder> holder_ = GetParam().make();
};

TEST_P(JournalTest, IsEmptyAtFirst) { EXPECT_THAT(Replayed(), IsEmpty()); }

TEST_P(JournalTest, GivesBackWhatWasAppendedInOrder) {
  ASSERT_THAT(journal().Append(SmallEvents(0, 3)), IsOk());
  ASSERT_THAT(journal().Append(SmallEvents(3, 1)), IsOk());
  ASSERT_THAT(journal().Append(SmallEvents(4, 20)), IsOk());
  EXPECT_TRUE(Replayed() == SmallEvents(0, 24));
  holder_->Reopen();
  EXPECT_TRUE(Replayed() == SmallEvents(0, 24));
}

TEST_P(JournalTest, GoesOnWhereItWasLeft) {
  ASSERT_THAT(journal().Append(SmallEvents(0, 3)), IsOk());
  holder_->Reopen();
  ASSERT_THAT(journal().Append(SmallEvents(3, 3)), IsOk());
  holder_->Reopen();
  EXPECT_TRUE(Replayed() == SmallEvents(0, 6));
}

TEST_P(JournalTest, CanBeReplayedMoreThanOnce) {
  ASSERT_THAT(journal().Append(SmallEvents(0, 3)), IsOk());
  EXPECT_TRUE(Replayed() == Replayed());
  ASSERT_THAT(journal().Append(SmallEvents(3, 1)), IsOk());
  EXPECT_TRUE(Replayed() == SmallEvents(0, 4));
}

TEST_P(JournalTest, AnEmptyAppendIsNothing) {
  ASSERT_THAT(journal().Append({}), IsOk());
  EXPECT_THAT(Replayed(), IsEmpty());
  ASSERT_THAT(journal().Append(SmallEvents(0, 1)), IsOk());
  ASSERT_THAT(journal().Append({}), IsOk());
  EXPECT_TRUE(Replayed() == SmallEvents(0, 1));
}

TEST_P(JournalTest, GivesBackEveryKindAsItWas) {
  const std::vector<Event> events = OneOfEachKind();
  ASSERT_THAT(journal().Append(events), IsOk());
  holder_->Reopen();
  const std::vector<Event> replayed = Replayed();
  ASSERT_THAT(replayed, SizeIs(events.size()));
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_TRUE(ComparableNan(replayed[i]) == ComparableNan(events[i])) << KindOf(events[i]);
  }
}

TEST_P(JournalTest, RefusesNothingThatItWrote) {
  std::string every_byte;
  for (int byte = 0; byte < 256; ++byte) every_byte.push_back(static_cast<char>(byte));
  const std::vector<Event> events = {
      WorkerStarted{},
      AttemptFailed{.study = 1, .trial = 1, .attempt = 1, .reason = every_byte},
      AttemptFailed{.study = 1, .trial = 1, .attempt = 1, .reason = std::string(4 << 20, 'x')},
      RungClosed{.study = 1, .eliminated = std::vector<TrialId>(100'000, 7)},
  };
  ASSERT_THAT(journal().Append(events), IsOk());
  holder_->Reopen();
  EXPECT_TRUE(Replayed() == events);
}

TEST_P(JournalTest, ItsSecretStays) {
  const std::string secret = journal().secret();
  EXPECT_THAT(secret, SizeIs(32));
  holder_->Reopen();
  EXPECT_EQ(journal().secret(), secret);
}

INSTANTIATE_TEST_SUITE_P(
    , JournalTest,
    testing::Values(Kind{"Memory", [] { return std::make_unique<MemoryHolder<MemoryJournal>>(); }},
                    Kind{"Fault", [] { return std::make_unique<MemoryHolder<FaultJournal>>(); }},
                    Kind{"Sqlite", [] { return std::make_unique<SqliteHolder>(); }}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace halving
