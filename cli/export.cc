#include "cli/export.h"

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/csv.h"
#include "cli/json.h"
#include "cli/text.h"
#include "common/file_io.h"
#include "common/status.h"

namespace halving {
namespace {

constexpr size_t kBufferBytes = size_t{256} * 1024;
constexpr int64_t kTrialsPerSign = 500;  // A page.

// The file or standard output. Thread-compatible.
class Sink {
 public:
  Sink(const std::string& path, Console* console) : path_(path), console_(console) {}

  absl::Status Open() {
    if (path_ == "-") return absl::OkStatus();
    struct stat info {};
    // Its name would be given to the new file.
    if (stat(path_.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
      return absl::InvalidArgumentError(
          absl::StrCat(path_, " is there and is no plain file; -o - writes to standard output"));
    }
    file_ = std::make_unique<WholeFile>(path_);
    return file_->Open();
  }

  absl::Status Write(absl::string_view data) {
    absl::StrAppend(&buffer_, data);
    return buffer_.size() < kBufferBytes ? absl::OkStatus() : Flush();
  }

  absl::Status Finish() {
    HV_RETURN_IF_ERROR(Flush());
    return file_ == nullptr ? absl::OkStatus() : file_->Finish();
  }

 private:
  absl::Status Flush() {
    const std::string data = std::exchange(buffer_, "");
    if (file_ != nullptr) return file_->Write(data);
    WriteData(data, console_);
    if (!*console_->out) return absl::UnavailableError("standard output could not be written");
    return absl::OkStatus();
  }

  const std::string path_;
  Console* const console_;  // Not owned.
  std::unique_ptr<WholeFile> file_;
  std::string buffer_;
};

// A line on a terminal that says how far it has come. Thread-compatible.
class ProgressLine {
 public:
  ProgressLine(std::string doing, Console* console) : doing_(std::move(doing)), console_(console) {}
  ~ProgressLine() {
    if (console_->err_is_terminal && count_ >= kTrialsPerSign) *console_->err << "\r\x1b[K";
  }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void Count() {
    if (++count_ % kTrialsPerSign != 0 || !console_->err_is_terminal) return;
    *console_->err << "\r\x1b[K" << doing_ << ": " << Plural(count_, "trial") << std::flush;
  }

  int64_t count() const { return count_; }

 private:
  const std::string doing_;
  Console* const console_;  // Not owned.
  int64_t count_ = 0;
};

// One export. Thread-compatible: the command's own.
class Exporter {
 public:
  Exporter(const std::string& name, Client* client, Console* console)
      : client_(client), console_(console) {
    request_.set_name(name);
  }

  // Both return the errors of the file; those of calls go to `called`.
  absl::Status WriteCsv(Sink* sink, absl::Status& called);
  absl::Status WriteJsonLines(Sink* sink, absl::Status& called);

  int64_t trials() const { return trials_; }

 private:
  absl::Status WriteEach(Sink* sink, absl::Status& called,
                         absl::FunctionRef<absl::StatusOr<std::string>(const v1::Trial&)> line);

  v1::ListTrialsRequest request_;
  Client* const client_;  // Neither is owned.
  Console* const console_;
  int64_t trials_ = 0;
};

absl::Status Exporter::WriteEach(
    Sink* sink, absl::Status& called,
    absl::FunctionRef<absl::StatusOr<std::string>(const v1::Trial&)> line) {
  ProgressLine progress("Writing", console_);
  absl::Status written;
  called = client_->ForEachTrial(request_, [&](const v1::Trial& trial) {
    const absl::StatusOr<std::string> text = line(trial);
    written = text.ok() ? sink->Write(*text) : text.status();
    progress.Count();
    return written.ok();
  });
  trials_ = progress.count();
  return written;
}

absl::Status Exporter::WriteJsonLines(Sink* sink, absl::Status& called) {
  return WriteEach(sink, called, [](const v1::Trial& trial) -> absl::StatusOr<std::string> {
    return ToJsonLine(trial);
  });
}

absl::Status Exporter::WriteCsv(Sink* sink, absl::Status& called) {
  const absl::StatusOr<v1::Study> study = client_->GetStudy(request_.name());
  called = study.status();
  if (!called.ok()) return absl::OkStatus();
  ResultsTable table(*study);
  {
    ProgressLine progress("Looking", console_);
    called = client_->ForEachTrial(request_, [&](const v1::Trial& trial) {
      table.Note(trial);
      progress.Count();
      return true;
    });
    if (!called.ok()) return absl::OkStatus();
  }
  HV_RETURN_IF_ERROR(sink->Write(table.Header()));
  return WriteEach(sink, called, [&](const v1::Trial& trial) -> absl::StatusOr<std::string> {
    if (table.Covers(trial)) return table.Rows(trial);
    return absl::AbortedError(
        absl::StrCat("while it was read the study got a metric that it had not before, in trial ",
                     trial.id(), ", and the columns were written already; run the command again"));
  });
}

}  // namespace

int ExportCommand(const std::string& name, const std::string& path, ExportFormat format,
                  Client* client, Console* console) {
  const bool csv = format == ExportFormat::kCsv;
  const std::string file = path.empty() ? absl::StrCat(name, csv ? ".csv" : ".jsonl") : path;
  Sink sink(file, console);
  Exporter exporter(name, client, console);
  absl::Status called;
  absl::Status written = sink.Open();
  if (written.ok()) {
    written = csv ? exporter.WriteCsv(&sink, called) : exporter.WriteJsonLines(&sink, called);
  }
  if (written.ok() && called.ok()) written = sink.Finish();
  if (!called.ok()) return Fail(called, client, console);
  if (!written.ok()) {
    *console->err << "error: " << Printable(written.message()) << "\n";
    return kExitFailed;
  }
  if (file != "-") {
    *console->out << "Wrote " << Printable(file) << " (" << Plural(exporter.trials(), "trial")
                  << ").\n";
  }
  return kExitOk;
}

}  // namespace halving
