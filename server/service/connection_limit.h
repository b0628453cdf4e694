// ConnectionLimit: how many connections are served at a time.
#ifndef HALVING_SERVER_SERVICE_CONNECTION_LIMIT_H_
#define HALVING_SERVER_SERVICE_CONNECTION_LIMIT_H_

#include <sys/types.h>

#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "common/clock.h"

namespace halving {

// Counts connections that are gRPC's, which does not say when one ends: each is remembered by its
// descriptor and the inode of its socket, and when there seem to be too many, those whose
// descriptor is another file by now, or none, are forgotten. It closes nothing itself.
// Thread-compatible: the Listener's thread calls it.
class ConnectionLimit {
 public:
  // Neither is owned. Of `most` at least two, one address may have half.
  ConnectionLimit(int most, Clock* clock);

  // Whether one that was just accepted may stay; says in the log, now and then, when not.
  bool Admit(int fd);

  // Those that are there, and those that have ended since it last had to know.
  int count() const { return static_cast<int>(connections_.size()); }

  // As many as the limit of open files leaves room for, some thousands if that is unlimited.
  static int Usual();

 private:
  struct Connection {
    ino_t inode = 0;
    std::string from;
  };

  bool IsFull(const std::string& from) const;
  void Add(int fd, Connection connection);
  // One from there has ended.
  void CountOff(const std::string& from);
  // Forgets those that have ended. Not again at once: a flood must not keep it at it.
  void Sweep();
  void SayRefused(const std::string& from);

  const int most_;
  Clock* const clock_;
  absl::flat_hash_map<int, Connection> connections_;  // By descriptor.
  absl::flat_hash_map<std::string, int> by_address_;  // How many of those.
  absl::Time swept_ = absl::InfinitePast();
  absl::Time said_ = absl::InfinitePast();
  int unsaid_ = 0;  // Refused since.
};

}  // namespace halving

#endif  // HALVING_SERVER_SERVICE_CONNECTION_LIMIT_H_
