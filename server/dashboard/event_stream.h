// EventStream: server-sent events to one page.
#ifndef HALVING_SERVER_DASHBOARD_EVENT_STREAM_H_
#define HALVING_SERVER_DASHBOARD_EVENT_STREAM_H_

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "server/dashboard/study_feed.h"
#include "server/dashboard/study_index.h"

namespace halving {

// A source of events. Thread-compatible: the thread of its page.
class EventStream {
 public:
  virtual ~EventStream() = default;

  // The next event or, after a while without one, a comment, in the format of a text/event-stream.
  // Waits for it. Not to be called once the stream is over.
  virtual std::string Next() = 0;
  // Whether the last event has come.
  virtual bool over() const = 0;
};

// The status of a study.
std::unique_ptr<EventStream> StreamStatus(std::shared_ptr<StudyFeed> feed);

// Set when the server goes down. Thread-safe.
class ClosingSignal {
 public:
  void Set() ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(&mu_);
    set_ = true;
    changed_.NotifyAll();
  }
  // Whether it is set, waiting for it up to `patience`.
  bool Await(absl::Duration patience) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  Mutex mu_;
  CondVar changed_;
  bool set_ ABSL_GUARDED_BY(mu_) = false;
};

// A page of the studies: what `show` makes of them, whenever that changes.
std::unique_ptr<EventStream> StreamOverview(std::function<absl::StatusOr<std::string>()> show,
                                            ClosingSignal* closing);

}  // namespace halving

#endif  // HALVING_SERVER_DASHBOARD_EVENT_STREAM_H_
