// Study files: the JSON in which people write down a study.
#ifndef HALVING_CLI_STUDY_FILE_H_
#define HALVING_CLI_STUDY_FILE_H_

#include <istream>
#include <string>

#include "absl/status/statusor.h"
#include "halving/v1/study.pb.h"

namespace halving {

// Reads a study from JSON text: a CreateStudyRequest, {"study": {...}}, as grpcurl takes it too,
// or the bare StudySpec. `source` names the text in messages. INVALID_ARGUMENT says where the text
// is no JSON, or which field is unknown or holds what it cannot. Whether the study makes sense is
// for the server to say.
absl::StatusOr<v1::StudySpec> ParseStudy(const std::string& text, const std::string& source);

// The same from a file, or from `in` when `path` is "-". INVALID_ARGUMENT when it cannot be read.
absl::StatusOr<v1::StudySpec> ReadStudy(const std::string& path, std::istream& in);

}  // namespace halving

#endif  // HALVING_CLI_STUDY_FILE_H_
