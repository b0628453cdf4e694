// The picture that `halving top` shows. Pure: messages in, text out.
#ifndef HALVING_CLI_RENDER_TOP_H_
#define HALVING_CLI_RENDER_TOP_H_

#include <cstdint>
#include <string>
#include <vector>

#include "cli/style.h"
#include "halving/v1/study.pb.h"

namespace halving {

struct TopPicture {
  std::string server;
  int64_t studies = 0;                   // In all, whatever their state.
  int64_t running_total = 0;             // Of those, that are RUNNING.
  std::vector<v1::StudyStatus> running;  // Of some of these.
  std::vector<v1::Worker> workers;
};

// At most `rows` lines, 0: all. Of the workers, those come first that somebody should look at:
// stragglers, then the longest idle, then the busiest; last those that are gone.
std::string RenderTop(const TopPicture& picture, int rows, const RenderOptions& options);

}  // namespace halving

#endif  // HALVING_CLI_RENDER_TOP_H_
