// What a trainer prints, cut into lines and read: any program may stand there, and print anything.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/check.h"
#include "worker/agent/line_splitter.h"
#include "worker/agent/text.h"
#include "worker/agent/trainer_lines.h"

namespace halving {
namespace {

// Small, so that inputs of a few hundred bytes have lines that are too long.
constexpr size_t kMaxLineBytes = 200;

std::vector<OutputLine> Lines(absl::string_view output, size_t piece_bytes) {
  LineSplitter splitter(kMaxLineBytes);
  for (size_t at = 0; at < output.size(); at += piece_bytes) {
    splitter.Append(output.substr(at, piece_bytes));
  }
  splitter.Finish();
  std::vector<OutputLine> lines;
  while (std::optional<OutputLine> line = splitter.Next()) lines.push_back(*std::move(line));
  return lines;
}

void CheckText(const std::string& text) {
  HV_CHECK(ValidUtf8(text) == text) << "what comes out is no UTF-8: " << text;
}

void Check(const EpochLine&) {}
void Check(const CheckpointLine&) {}
void Check(const DoneLine& line) {
  HV_CHECK(line.metrics.size() <= kMaxMetrics) << line.metrics.size() << " metrics";
  HV_CHECK(line.dropped_metrics >= 0) << line.dropped_metrics;
  for (const auto& [name, value] : line.metrics) {
    CheckText(name);
    HV_CHECK(name.size() <= kMaxMetricNameBytes) << name;
  }
}
void Check(const FailedLine& line) { CheckText(line.reason); }
void Check(const LogLine& line) { CheckText(line.text); }
void Check(const MalformedLine& line) {
  CheckText(line.why);
  HV_CHECK(line.why.find('\n') == std::string::npos) << "a message of two lines: " << line.why;
}

void CheckLine(absl::string_view line) {
  std::visit([](const auto& parsed) { Check(parsed); }, ParseTrainerLine(line));
}

// How the bytes arrive must not matter.
void CheckPieces(absl::string_view output, const std::vector<OutputLine>& lines) {
  const std::vector<OutputLine> again = Lines(output, 7);
  HV_CHECK(lines.size() == again.size()) << lines.size() << " lines, " << again.size();
  for (size_t i = 0; i < lines.size(); ++i) {
    HV_CHECK(lines[i].text == again[i].text && lines[i].too_long == again[i].too_long)
        << "line " << i << " is \"" << lines[i].text << "\" and \"" << again[i].text << "\"";
    HV_CHECK(lines[i].text.size() <= kMaxLineBytes) << lines[i].text.size() << " bytes";
  }
}

void CheckOutput(absl::string_view output) {
  const std::vector<OutputLine> lines = Lines(output, std::max<size_t>(1, output.size()));
  CheckPieces(output, lines);
  for (const OutputLine& line : lines) CheckLine(line.text);
  CheckLine(output);  // Newlines and all.
}

}  // namespace
}  // namespace halving

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  halving::CheckOutput({reinterpret_cast<const char*>(data), size});
  return 0;
}
