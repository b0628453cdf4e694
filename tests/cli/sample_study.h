// Studies as they look in practice, for tests of what is shown of them.
#ifndef HALVING_TESTS_CLI_SAMPLE_STUDY_H_
#define HALVING_TESTS_CLI_SAMPLE_STUDY_H_

#include <cstdint>
#include <vector>

#include "halving/v1/study.pb.h"

namespace halving {

struct SampleStudy {
  v1::Study study;
  std::vector<v1::Trial> trials;  // By id.
};

// LeNet tuned by learning rate and batch size on the ladder 2, 4, 8, 10 with eta 2: `rounds` rounds
// of eight trials, rungs shared, all over. Learning curves fall towards a floor that depends on the
// learning rate. The same for the same arguments.
SampleStudy MakeSampleStudy(int64_t rounds, uint64_t seed);

// The status that a server would give for trials 1 to 4 running, waiting and done: every part of
// the page is filled.
v1::StudyStatus MakeSampleStatus();

}  // namespace halving

#endif  // HALVING_TESTS_CLI_SAMPLE_STUDY_H_
