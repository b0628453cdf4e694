// What an experiment is asked, and what it found.
#ifndef HALVING_BENCH_SIMULATE_FINDINGS_H_
#define HALVING_BENCH_SIMULATE_FINDINGS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace halving {

struct ExperimentOptions {
  int seeds = 0;  // 0: as many as the experiment needs for its aims.
  int threads = 1;
  int64_t rounds = 0;  // Of the ladder, that a search may cost. 0: what tells them apart.
  bool quick = false;  // So little that the figures mean nothing; that it runs is shown.
};

struct Picture {
  std::string file;  // Its name.
  std::string svg;
};

struct Findings {
  std::string markdown;
  std::vector<Picture> pictures;
};

// A table in Markdown.
class MarkdownTable {
 public:
  explicit MarkdownTable(const std::vector<std::string>& columns);
  // One cell for each column.
  void Add(const std::vector<std::string>& cells);
  const std::string& text() const { return text_; }

 private:
  void AddLine(const std::vector<std::string>& cells);

  const size_t columns_;
  std::string text_;
};

// "12,345", rounded to a whole number.
std::string FormatCount(double count);

}  // namespace halving

#endif  // HALVING_BENCH_SIMULATE_FINDINGS_H_
