#include "bench/simulate/table_problem.h"

#include <cmath>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"

namespace halving {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr char kTable[] =
    "rate,units,1,2,3\n"
    "0,0,0.9,0.8,0.7\n"
    "0,1,0.9,0.5,0.25\n"
    "1,0,0.6,nan,nan\n"
    "1,1,0.5,0.4,0.3\n";

TEST(TableProblemTest, LooksErrorsUp) {
  const auto problem = ParseTableProblem("t", kTable, "t.csv");
  ASSERT_THAT(problem, IsOk());
  EXPECT_EQ((*problem)->parameters(),
            (std::vector<Parameter>{{"rate", IntRange{.min = 0, .max = 1}},
                                    {"units", IntRange{.min = 0, .max = 1}}}));
  EXPECT_EQ((*problem)->ladder(), (LadderOptions{.min_epochs = 1, .max_epochs = 3, .eta = 3}));
  EXPECT_EQ((*problem)->Error({1, 1}, 2, 99), 0.4);
  EXPECT_TRUE(std::isnan((*problem)->Error({1, 0}, 2, 99)));
  EXPECT_EQ((*problem)->best(), (Config{0, 1}));
  EXPECT_EQ((*problem)->optimum(), 0.25);
  EXPECT_EQ((*problem)->FinalError({0, 0}), 0.7);
  EXPECT_EQ((*problem)->Regret({1, 0}), 1);  // Diverged.
}

TEST(TableProblemTest, ReadsAFile) {
  const TempDir folder;
  WriteTestFile(folder.File("t.csv"), kTable);
  ASSERT_THAT(ReadTableProblem("t", folder.File("t.csv")), IsOk());
  EXPECT_THAT(ReadTableProblem("t", folder.File("none.csv")),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("none.csv"), HasSubstr("record_curves.py"))));
}

TEST(TableProblemTest, WindowsLineEndsAndEmptyLinesDoNotMatter) {
  EXPECT_THAT(ParseTableProblem("t", "x,1\r\n0,0.5\r\n1,0.25\r\n\r\n", "t.csv"), IsOk());
}

struct BadTable {
  std::string name;
  std::string csv;
  std::string error;
};
class BadTableTest : public testing::TestWithParam<BadTable> {};

TEST_P(BadTableTest, IsRefused) {
  EXPECT_THAT(ParseTableProblem("t", GetParam().csv, "t.csv"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().error)));
}

INSTANTIATE_TEST_SUITE_P(
    , BadTableTest,
    testing::ValuesIn(std::vector<BadTable>{
        {"Empty", "", "t.csv:1: column \"\""},
        {"NoEpochs", "x,y\n0,0\n", "t.csv:1: 2 parameters and 0 epochs"},
        {"NoParameters", "1,2\n0.5,0.4\n", "t.csv:1: 0 parameters and 2 epochs"},
        {"EpochMissing", "x,1,3\n", "t.csv:1: column \"3\" after 1 parameters and 1 epochs"},
        {"NameAfterEpochs", "x,1,y\n", "t.csv:1: column \"y\""},
        {"NoLines", "x,1\n", "no line with errors"},
        {"FieldMissing", "x,1,2\n0,0.5\n", "t.csv:2: 2 fields; the first line has 3"},
        {"NoPlace", "x,1\n0,0.5\n0.1,0.5\n", "t.csv:3: x is \"0.1\""},
        {"Negative", "x,1\n-1,0.5\n", "t.csv:2: x is \"-1\""},
        {"NoNumber", "x,1,2\n0,0.5,low\n", "t.csv:2: the error after epoch 2 is \"low\""},
        {"Hole", "x,y,1\n0,0,1\n0,1,1\n1,0,1\n", "3 configs; the grid that they span has 4"},
        {"Twice", "x,y,1\n0,0,1\n0,1,1\n\n1,1,1\n1,1,1\n", "t.csv:6: this config was there before"},
        {"AllDiverged", "x,1\n0,nan\n1,nan\n", "0 of 2 configs end with a number"},
    }),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace halving
