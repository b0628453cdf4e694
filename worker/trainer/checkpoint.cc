#include "worker/trainer/checkpoint.h"

#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/crypto.h"
#include "common/status.h"
#include "worker/trainer/files.h"

namespace halving {
namespace {

constexpr char kVersionKey[] = "halving_checkpoint";
constexpr char kFormatVersion[] = "2";  // 1 had no digest.
constexpr char kObjectiveKey[] = "objective";
constexpr char kEpochKey[] = "epoch";
// The SHA-256, in hexadecimal, of the file as it would be without this entry. A changed bit among
// the weights would otherwise go unnoticed, and train on to an error that is nobody's.
constexpr char kDigestKey[] = "sha256";

// Above the largest model that this trainer has, a perceptron of 0.45 GB with its momentum, and
// below what would trouble a machine.
constexpr size_t kMaxCheckpointBytes = size_t{1} << 30;

absl::Status Unusable(const Job& job, absl::string_view problem) {
  return absl::DataLossError(
      absl::StrCat("cannot go on from checkpoint ", job.checkpoint_in, ": ", problem));
}

std::string Digest(const Safetensors& without_digest) {
  return absl::BytesToHexString(Sha256(SerializeSafetensors(without_digest)));
}

std::string Lookup(const Safetensors& file, const std::string& key) {
  const auto found = file.metadata.find(key);
  return found == file.metadata.end() ? "" : found->second;
}

absl::Status CheckMetadata(const Job& job, const Safetensors& file) {
  if (const std::string version = Lookup(file, kVersionKey); version != kFormatVersion) {
    return Unusable(job, absl::StrCat("its metadata say ", kVersionKey, " \"", version,
                                      "\"; this trainer reads \"", kFormatVersion, "\""));
  }
  if (const std::string objective = Lookup(file, kObjectiveKey); objective != job.objective) {
    return Unusable(job, absl::StrCat("it is of objective \"", objective, "\"; the job is of \"",
                                      job.objective, "\""));
  }
  if (const std::string epoch = Lookup(file, kEpochKey); epoch != absl::StrCat(job.from_epoch)) {
    return Unusable(job, absl::StrCat("it stands at epoch \"", epoch,
                                      "\"; the job's from_epoch is ", job.from_epoch));
  }
  return absl::OkStatus();
}

// Takes the digest out of the file.
absl::Status CheckDigest(const Job& job, Safetensors* file) {
  const std::string digest = Lookup(*file, kDigestKey);
  file->metadata.erase(kDigestKey);
  if (const std::string computed = Digest(*file); computed != digest) {
    return Unusable(
        job, absl::StrCat("its content was changed after it was written: its metadata ", "say ",
                          kDigestKey, " \"", digest, "\", but it is ", computed));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteCheckpoint(const Job& job, int64_t epoch, Safetensors state) {
  state.metadata[kVersionKey] = std::string(kFormatVersion);
  state.metadata[kObjectiveKey] = job.objective;
  state.metadata[kEpochKey] = absl::StrCat(epoch);
  state.metadata[kDigestKey] = Digest(state);
  return WriteFileAtomically(job.checkpoint_out, SerializeSafetensors(state));
}

absl::StatusOr<std::optional<Safetensors>> ReadCheckpoint(const Job& job) {
  if (job.from_epoch == 0) return std::nullopt;
  const absl::StatusOr<std::string> bytes = ReadFile(job.checkpoint_in, kMaxCheckpointBytes);
  if (!bytes.ok()) return Unusable(job, bytes.status().message());
  absl::StatusOr<Safetensors> file = ParseSafetensors(*bytes);
  if (!file.ok()) return Unusable(job, file.status().message());
  HV_RETURN_IF_ERROR(CheckMetadata(job, *file));
  HV_RETURN_IF_ERROR(CheckDigest(job, &*file));
  return *std::move(file);
}

}  // namespace halving
