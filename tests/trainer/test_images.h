// A small dataset for tests: images that a network can learn in a few epochs.
#ifndef HALVING_TESTS_TRAINER_TEST_IMAGES_H_
#define HALVING_TESTS_TRAINER_TEST_IMAGES_H_

#include <cstdint>
#include <string>
#include <vector>

namespace halving {

// The bytes of an IDX file of unsigned bytes with these sizes.
std::string IdxBytes(const std::vector<uint32_t>& sizes, const std::string& data);

// `bytes` as a gzip file.
std::string Gzip(const std::string& bytes);

// Writes the four files of a dataset to `directory`: an image of class c has a bright bar whose
// place is c's own, on noise. The same at each call.
void WriteTestImages(const std::string& directory, int train_images, int test_images);

}  // namespace halving

#endif  // HALVING_TESTS_TRAINER_TEST_IMAGES_H_
