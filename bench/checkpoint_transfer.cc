// checkpoint_transfer: how fast a checkpoint gets to the server and back, beside a bare gRPC
// stream of the same messages, in one run; and what memory that takes of the server.
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "bench/bare_stream.h"
#include "bench/child_process.h"
#include "bench/program.h"
#include "bench/scratch_folder.h"
#include "bench/simulate/statistics.h"
#include "common/clock.h"
#include "common/file_io.h"
#include "common/random.h"
#include "common/status.h"
#include "common/unique_fd.h"
#include "halving/v1/study.grpc.pb.h"
#include "worker/agent/checkpoint_client.h"
#include "worker/agent/grpc_channel.h"
#include "worker/agent/proto_time.h"
#include "worker/agent/server_client.h"

namespace halving {
namespace {

constexpr int64_t kMaxChunkBytes = 1 << 20;
constexpr char kStudy[] = "transfer";
// Longer than any run, since nothing renews it while the bytes are on their way.
constexpr absl::Duration kLease = absl::Hours(24);

struct Options {
  std::string program;  // This one.
  std::string server_binary;
  std::string folder = ".";
  StreamSize size = {.bytes = int64_t{1} << 30, .chunk_bytes = kMaxChunkBytes};
  int repeats = 3;
  bool serve_bare = false;
};

// What one repeat took.
struct Times {
  absl::Duration disk;  // A plain sequential write, and its fsync.
  absl::Duration hash;  // What a worker does before it uploads.
  absl::Duration up;    // Until the server has it on its disk and says so.
  absl::Duration bare_up;
  absl::Duration down;  // Until the file is written, and found to be what was stored.
  absl::Duration bare_down;
};

absl::StatusOr<absl::Duration> TimeOf(const std::function<absl::Status()>& work) {
  const absl::Time start = Clock::Real()->Now();
  HV_RETURN_IF_ERROR(work());
  return Clock::Real()->Now() - start;
}

// Bytes that do not compress, others for each `seed`: the server would know the same ones again.
absl::Status WriteCheckpoint(const std::string& path, int64_t bytes, uint64_t seed) {
  std::string block(kMaxChunkBytes, '\0');
  for (size_t at = 0; at < block.size(); at += sizeof(uint64_t)) {
    const uint64_t bits = MixBits(seed, at);
    std::memcpy(block.data() + at, &bits, sizeof(bits));
  }
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (fd.get() < 0) return FileError(errno, "make", path);
  for (int64_t offset = 0; offset < bytes; offset += kMaxChunkBytes) {
    std::memcpy(block.data(), &offset, sizeof(offset));
    const auto size = static_cast<size_t>(std::min(kMaxChunkBytes, bytes - offset));
    HV_RETURN_IF_ERROR(WriteAt(fd.get(), absl::string_view(block).substr(0, size), offset, path));
  }
  return fsync(fd.get()) == 0 ? absl::OkStatus() : FileError(errno, "sync", path);
}

// A worker that holds the one trial of a study, of `max_epochs` epochs.
class LeaseHolder {
 public:
  static absl::StatusOr<std::unique_ptr<LeaseHolder>> Create(const std::string& address,
                                                             int64_t max_epochs);

  // Measures what is done with the checkpoint of `epoch`, whose bytes are in `file`.
  absl::Status Transfer(const std::string& file, int64_t epoch, Times* times);

 private:
  explicit LeaseHolder(const ServerLink& link) : server_(link), transfers_(link) {}

  absl::Status TakeLease(const std::string& address, int64_t max_epochs);
  absl::Status Name(const std::string& checkpoint_id, int64_t epoch);
  absl::Status Fetch(const std::string& checkpoint_id, const std::string& file, Times* times);

  ServerClient server_;
  CheckpointClient transfers_;
  const WakeEvent never_;
  std::string lease_id_;
};

absl::StatusOr<std::unique_ptr<LeaseHolder>> LeaseHolder::Create(const std::string& address,
                                                                 int64_t max_epochs) {
  std::unique_ptr<LeaseHolder> holder(new LeaseHolder(ServerLink(address)));
  HV_RETURN_IF_ERROR(holder->TakeLease(address, max_epochs));
  return holder;
}

absl::Status LeaseHolder::TakeLease(const std::string& address, int64_t max_epochs) {
  v1::CreateStudyRequest create;
  v1::StudySpec& spec = *create.mutable_study();
  spec.set_name(kStudy);
  spec.set_objective("none");
  v1::Parameter& parameter = *spec.add_parameters();
  parameter.set_name("x");
  parameter.mutable_float_()->set_max(1);
  spec.mutable_halving()->set_min_epochs(max_epochs);
  spec.mutable_halving()->set_max_epochs(max_epochs);
  spec.mutable_halving()->set_eta(2);
  spec.mutable_limits()->set_max_evaluations(1);
  *spec.mutable_retry()->mutable_lease() = ToProto(kLease);
  v1::Study study;
  grpc::ClientContext context;
  const auto stub = v1::StudyService::NewStub(MakeChannel(address));
  const grpc::Status created = stub->CreateStudy(&context, create, &study);
  if (!created.ok()) return FromGrpc(created);
  v1::SuggestRequest ask;
  ask.set_worker_id(kStudy);
  ask.set_request_id("1");
  HV_ASSIGN_OR_RETURN(const v1::SuggestResponse answer,
                      server_.SuggestUntilAnswered(ask, Patience()));
  if (!answer.has_assignment()) return absl::InternalError("the server handed out no trial");
  lease_id_ = answer.assignment().lease_id();
  return absl::OkStatus();
}

absl::Status LeaseHolder::Name(const std::string& checkpoint_id, int64_t epoch) {
  v1::ReportRequest report;
  report.set_lease_id(lease_id_);
  v1::CurvePoint& point = *report.mutable_progress()->add_points();
  point.set_epoch(epoch);
  point.set_error(1);
  report.mutable_progress()->set_checkpoint_id(checkpoint_id);
  report.mutable_progress()->set_checkpoint_epoch(epoch);
  return server_.ReportUntilAnswered(report, Patience()).status();
}

absl::Status LeaseHolder::Fetch(const std::string& checkpoint_id, const std::string& file,
                                Times* times) {
  HV_ASSIGN_OR_RETURN(const v1::CheckpointHeader header,
                      transfers_.Describe(lease_id_, checkpoint_id, never_));
  const auto fetch = [&] { return transfers_.DownloadUntilWhole(lease_id_, header, file, never_); };
  HV_ASSIGN_OR_RETURN(times->down, TimeOf(fetch));
  return absl::OkStatus();
}

absl::Status LeaseHolder::Transfer(const std::string& file, int64_t epoch, Times* times) {
  CheckpointClient::Upload upload{.lease_id = lease_id_, .epoch = epoch, .file = file};
  std::string id;
  HV_ASSIGN_OR_RETURN(times->hash, TimeOf([&]() -> absl::Status {
                        HV_ASSIGN_OR_RETURN(upload.digest, DigestOfFile(file));
                        return absl::OkStatus();
                      }));
  HV_ASSIGN_OR_RETURN(times->up, TimeOf([&]() -> absl::Status {
                        HV_ASSIGN_OR_RETURN(id, transfers_.UploadUntilStored(upload, never_));
                        return absl::OkStatus();
                      }));
  HV_RETURN_IF_ERROR(Name(id, epoch));
  const std::string fetched = file + ".fetched";
  HV_RETURN_IF_ERROR(Fetch(id, fetched, times));
  unlink(fetched.c_str());
  unlink(file.c_str());
  return absl::OkStatus();
}

// The middle one of what `value` is for each repeat.
double MedianOf(const std::vector<Times>& repeats,
                const std::function<double(const Times&)>& value) {
  std::vector<double> values;
  values.reserve(repeats.size());
  for (const Times& times : repeats) values.push_back(value(times));
  return Median(std::move(values));
}

using TimeIn = std::function<absl::Duration(const Times&)>;

void PrintLine(const std::string& name, const Options& options, const std::vector<Times>& repeats,
               const TimeIn& time, const TimeIn& bare) {
  const double megabytes = static_cast<double>(options.size.bytes) / 1e6;
  const double speed = MedianOf(
      repeats, [&](const Times& times) { return megabytes / absl::ToDoubleSeconds(time(times)); });
  std::cout << absl::StrFormat("%-44s %8.0f", name, speed);
  if (bare != nullptr) {
    const double share = MedianOf(
        repeats, [&](const Times& times) { return absl::FDivDuration(bare(times), time(times)); });
    std::cout << absl::StrFormat(" %8.2f", share);
  }
  std::cout << "\n";
}

void PrintTable(const Options& options, const std::vector<Times>& repeats) {
  const TimeIn bare_up = [](const Times& t) { return t.bare_up; };
  const TimeIn bare_down = [](const Times& t) { return t.bare_down; };
  const auto print = [&](const std::string& name, const TimeIn& time, const TimeIn& bare) {
    PrintLine(name, options, repeats, time, bare);
  };
  std::cout << options.size.bytes << " bytes, median of " << options.repeats << "\n"
            << absl::StrFormat("%-44s %8s %8s\n", "", "MB/s", "of bare");
  print(
      "disk: sequential write and fsync", [](const Times& t) { return t.disk; }, nullptr);
  print(
      "SHA-256 of a file", [](const Times& t) { return t.hash; }, nullptr);
  print("up: bare stream", bare_up, nullptr);
  print(
      "up: stored by halving-server", [](const Times& t) { return t.up; }, bare_up);
  print(
      "up: hashed first, and stored", [](const Times& t) { return t.hash + t.up; }, bare_up);
  print("down: bare stream", bare_down, nullptr);
  print(
      "down: written and checked", [](const Times& t) { return t.down; }, bare_down);
}

absl::StatusOr<Times> MeasureOnce(const Options& options, const ScratchFolder& folder,
                                  int64_t epoch, v1::CheckpointService::Stub* bare,
                                  LeaseHolder* holder) {
  Times times;
  // A new one each time, as it is for the server.
  const std::string file = folder.File(absl::StrCat("checkpoint-", epoch));
  HV_ASSIGN_OR_RETURN(times.bare_up, TimeOf([&] { return UploadBare(bare, options.size); }));
  HV_ASSIGN_OR_RETURN(times.disk, TimeOf([&] {
                        return WriteCheckpoint(file, options.size.bytes,
                                               static_cast<uint64_t>(epoch));
                      }));
  HV_RETURN_IF_ERROR(holder->Transfer(file, epoch, &times));
  HV_ASSIGN_OR_RETURN(times.bare_down, TimeOf([&] { return DownloadBare(bare, options.size); }));
  return times;
}

absl::Status Measure(const Options& options) {
  const ScratchFolder folder(options.folder);
  if (!folder.is_there()) return FileError(errno, "make a folder in", options.folder);
  HV_ASSIGN_OR_RETURN(const auto bare,
                      ServerProcess::Start({options.program, "--serve-bare", "--bytes",
                                            absl::StrCat(options.size.bytes), "--chunk",
                                            absl::StrCat(options.size.chunk_bytes)},
                                           folder.File("bare.log")));
  HV_ASSIGN_OR_RETURN(
      const auto server,
      ServerProcess::Start(
          {options.server_binary, "--listen", "127.0.0.1:0", "--http", "off", "--data-dir",
           folder.File("data"), "--max-checkpoint-size", "1TiB", "--max-checkpoint-total", "1TiB"},
          folder.File("server.log")));
  const auto stub = v1::CheckpointService::NewStub(MakeChannel(bare->address()));
  HV_ASSIGN_OR_RETURN(const auto holder,
                      LeaseHolder::Create(server->address(), options.repeats + 1));
  const int64_t before = ResidentBytes(server->pid());
  std::vector<Times> repeats;
  const MemoryWatch watch(server->pid());
  for (int repeat = 0; repeat < options.repeats; ++repeat) {
    HV_ASSIGN_OR_RETURN(Times times,
                        MeasureOnce(options, folder, repeat + 1, stub.get(), holder.get()));
    repeats.push_back(times);
  }
  PrintTable(options, repeats);
  std::cout << absl::StrFormat(
      "halving-server's resident memory, MB: %.0f before, %.0f at most (%.0f by the kernel), "
      "%.0f after\n",
      static_cast<double>(before) / 1e6, static_cast<double>(watch.most_bytes()) / 1e6,
      static_cast<double>(PeakResidentBytes(server->pid())) / 1e6,
      static_cast<double>(ResidentBytes(server->pid())) / 1e6);
  return absl::OkStatus();
}

void AddOptions(CLI::App& app, Options& options) {
  const auto add_size = [&app](const std::string& name, int64_t& bytes, int64_t most,
                               const std::string& what) {
    app.add_option(name, bytes, what)
        ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false))
        ->check(CLI::Range(int64_t{1}, most))
        ->type_name("SIZE")
        ->capture_default_str();
  };
  add_size("--bytes", options.size.bytes, int64_t{1} << 40, "Of the checkpoint, such as 1GiB");
  add_size("--chunk", options.size.chunk_bytes, kMaxChunkBytes,
           "Of the bare stream's messages; the real ones have 1MiB");
  app.add_option("--repeats", options.repeats, "How often all is measured; the median counts")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--server-binary", options.server_binary,
                 "halving-server [the one beside this program]");
  app.add_option("--folder", options.folder, "Where the checkpoints lie, of both sides")
      ->check(CLI::ExistingDirectory)
      ->capture_default_str();
  app.add_flag("--serve-bare", options.serve_bare, "Be the bare server")->group("");
}

}  // namespace
}  // namespace halving

int main(int argc, char** argv) {
  halving::Options options;
  options.program = halving::ThisProgram();
  options.server_binary = halving::BesideThisProgram("halving-server");
  CLI::App app("Measures the transfer of checkpoints against a bare gRPC stream.",
               "checkpoint_transfer");
  halving::AddOptions(app, options);
  return halving::RunProgram(app, argc, argv, [&] {
    return options.serve_bare ? halving::ServeBare(options.size) : halving::Measure(options);
  });
}
