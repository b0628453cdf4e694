// StudyFeed: what all pages that look at one study share.
#ifndef HALVING_SERVER_DASHBOARD_STUDY_FEED_H_
#define HALVING_SERVER_DASHBOARD_STUDY_FEED_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "halving/v1/study.pb.h"
#include "server/dashboard/low_priority.h"
#include "server/dashboard/trial_mirror.h"
#include "server/engine/engine.h"

namespace halving {

// Text that several threads send and nobody changes.
using SharedText = std::shared_ptr<const std::string>;

// The study's trials, its picture, and its status as it changes: asked of the engine once, however
// many pages there are. Thread-safe; its last owner need not be one of its callers.
class StudyFeed : public std::enable_shared_from_this<StudyFeed> {
 public:
  // Neither is owned.
  StudyFeed(Engine* engine, LowPriority* drawing, StudyFacts facts);
  ~StudyFeed();

  TrialMirror& mirror() { return mirror_; }

  // The Figure as JSON, and what tells one from another. Made at most once a second, and so seldom
  // that it takes a hundredth of a core.
  struct Picture {
    SharedText json;
    std::string etag;
  };
  absl::StatusOr<Picture> Figure() ABSL_LOCKS_EXCLUDED(picture_mu_);

  // For a page that is new, and so has seen nothing: what ended may have been extended since.
  void Reopen() ABSL_LOCKS_EXCLUDED(mu_);

  // What there is to say to a page that has seen the status of that number.
  struct News {
    enum class Kind { kNothing, kStatus, kEnded, kDeleted, kUnavailable, kClosing };
    Kind kind = Kind::kNothing;
    uint64_t number = 0;
    SharedText text;  // Of kStatus: the StudyStatus as JSON. Of kUnavailable: why.
  };
  // Waits up to `patience` for it. 0: the page has seen none.
  News Next(uint64_t seen, absl::Duration patience) ABSL_LOCKS_EXCLUDED(json_mu_, mu_);

  // The server goes down: nobody waits any more.
  void Close() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Watch() ABSL_LOCKS_EXCLUDED(mu_);
  // By who has the engine's turn.
  void Take(const absl::Status& status, const Engine::View& view) ABSL_LOCKS_EXCLUDED(mu_);
  void TakeStatus(std::shared_ptr<const v1::StudyStatus> status, const Study& study, absl::Time now)
      ABSL_LOCKS_EXCLUDED(mu_);
  void TakeTrouble(SharedText why) ABSL_LOCKS_EXCLUDED(mu_);
  // Without the text of a status.
  News Tell(uint64_t seen) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  News Await(uint64_t seen, absl::Duration patience) ABSL_LOCKS_EXCLUDED(mu_);
  // The newest status, which `news` tells of.
  void AddText(News* news) ABSL_LOCKS_EXCLUDED(json_mu_, mu_);

  Engine* const engine_;
  LowPriority* const drawing_;
  const Engine::Gone gone_ = Engine::NewGone();
  TrialMirror mirror_;

  Mutex picture_mu_;
  Picture picture_ ABSL_GUARDED_BY(picture_mu_);
  absl::Time draw_after_ ABSL_GUARDED_BY(picture_mu_) = absl::InfinitePast();

  Mutex json_mu_;  // Taken before mu_. One thread makes the text for all.
  SharedText json_ ABSL_GUARDED_BY(json_mu_);
  std::shared_ptr<const v1::StudyStatus> json_of_ ABSL_GUARDED_BY(json_mu_);

  Mutex mu_;  // Taken by who has the engine's turn: held for moments only.
  CondVar changed_;
  uint64_t number_ ABSL_GUARDED_BY(mu_) = 0;
  std::shared_ptr<const v1::StudyStatus> status_ ABSL_GUARDED_BY(mu_);
  SharedText trouble_
      ABSL_GUARDED_BY(mu_);  // Why there is no newer status; null: nothing is wrong.
  uint64_t version_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Time earliest_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();  // By the engine's clock.
  absl::Time retry_at_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();  // After trouble.
  bool watching_ ABSL_GUARDED_BY(mu_) = false;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  bool stale_ ABSL_GUARDED_BY(mu_) = false;  // The status is not to be shown any more.
  bool deleted_ ABSL_GUARDED_BY(mu_) = false;
  bool closing_ ABSL_GUARDED_BY(mu_) = false;
};

// The feeds of the studies that are looked at; one that nobody has asked for in a minute goes.
// Thread-safe.
class StudyFeeds : public EngineObserver {
 public:
  // Not owned.
  explicit StudyFeeds(Engine* engine) : engine_(engine) {}

  // NOT_FOUND: there is no such study. UNAVAILABLE: see AskEngine().
  absl::StatusOr<std::shared_ptr<StudyFeed>> Find(const std::string& name, const Scope& scope)
      ABSL_LOCKS_EXCLUDED(mu_);

  // For what is made of the mirrors.
  LowPriority& drawing() { return drawing_; }

  // Lets go of those that nobody wants any more. To be called now and then.
  void Tidy() ABSL_LOCKS_EXCLUDED(mu_);

  void OnCommitted(absl::Span<const Event> events, absl::Duration took) override;
  // The server goes down: there are no feeds any more.
  void Close() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Entry {
    std::shared_ptr<StudyFeed> feed;
    absl::Time used;
  };

  // The feed of the study of that name, if there is one.
  std::shared_ptr<StudyFeed> Known(const std::string& name) ABSL_LOCKS_EXCLUDED(mu_);
  // False: all of them are looked at. Else one that is not may have had to go, into `unused`.
  bool MakeRoom(std::shared_ptr<StudyFeed>* unused) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<StudyFacts> Ask(const std::string& name) const;
  absl::StatusOr<std::shared_ptr<StudyFeed>> Add(StudyFacts facts) ABSL_LOCKS_EXCLUDED(mu_);

  Engine* const engine_;
  LowPriority drawing_;
  std::atomic<bool> any_ = false;  // Spares each commit the lock while nobody looks.
  Mutex mu_;
  absl::btree_map<StudyUid, Entry> feeds_ ABSL_GUARDED_BY(mu_);
  std::vector<std::shared_ptr<StudyFeed>> deleted_ ABSL_GUARDED_BY(mu_);  // Of deleted studies.
  bool closing_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace halving

#endif  // HALVING_SERVER_DASHBOARD_STUDY_FEED_H_
