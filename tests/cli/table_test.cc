#include "cli/table.h"

#include "gtest/gtest.h"

namespace halving {
namespace {

Table MakeTable() {
  Table table({{"id"}, {"worker", Table::Align::kLeft}, {"config", Table::Align::kLeft}});
  table.AddRow({NumberCell(1), {"gpu-1"}, {"rate=0.1 batch=64"}});
  table.AddRow({NumberCell(120), {"b", Ink::kRed}, {""}});
  return table;
}

TEST(TableTest, AlignsColumnsAndEndsNoLineInBlanks) {
  EXPECT_EQ(MakeTable().Render(2, {}),
            "   id  worker  config\n"
            "    1  gpu-1   rate=0.1 batch=64\n"
            "  120  b\n");
}

TEST(TableTest, ClipsTheLastColumnToTheTerminal) {
  EXPECT_EQ(MakeTable().Render(0, {.width_columns = 25}),
            " id  worker  config\n"
            "  1  gpu-1   rate=0.1 ...\n"
            "120  b\n");
}

TEST(TableTest, ColoursDoNotChangeTheLayout) {
  EXPECT_EQ(MakeTable().Render(0, {.color = true}),
            " \x1b[2mid\x1b[0m  \x1b[2mworker\x1b[0m  \x1b[2mconfig\x1b[0m\n"
            "  1  gpu-1   rate=0.1 batch=64\n"
            "120  \x1b[31mb\x1b[0m\n");
}

TEST(TableTest, EscapesWhatWouldDriveTheTerminal) {
  Table table({{"worker", Table::Align::kLeft}, {"n"}});
  table.AddRow({{"\x1b[2Jx\n"}, CountCell(0)});
  EXPECT_EQ(table.Render(0, {}),
            "worker      n\n"
            "\\x1b[2Jx\\n  -\n");
}

TEST(TableTest, ColumnsThatMayGoAreLeftOutTheHighestFirst) {
  constexpr auto kLeft = Table::Align::kLeft;
  constexpr auto kRight = Table::Align::kRight;
  Table table({{"first", kLeft}, {"second", kRight, 1}, {"third", kRight, 2}, {"last"}});
  table.AddRow({{"a"}, {"b"}, {"c"}, {"d"}});
  EXPECT_EQ(table.Render(0, {}),
            "first  second  third  last\n"
            "a           b      c     d\n");
  EXPECT_EQ(table.Render(0, {.width_columns = 25}),
            "first  second  last\n"
            "a           b     d\n");
  EXPECT_EQ(table.Render(0, {.width_columns = 12}),
            "first  last\n"
            "a         d\n");
}

TEST(TableTest, ColumnsThatMayShrinkAreClippedTheWidestFirst) {
  constexpr auto kLeft = Table::Align::kLeft;
  Table table({{"a", kLeft, 0, true}, {"b", kLeft, 0, true}, {"c", kLeft}});
  table.AddRow({{std::string(30, 'x')}, {std::string(12, 'y')}, {"z"}});
  EXPECT_EQ(table.Render(0, {.width_columns = 35}),
            "a                   b             c\n"
            "xxxxxxxxxxxxxxx...  yyyyyyyyyyyy  z\n");
}

TEST(TableTest, TheLastColumnIsClippedBeforeANameIsUnreadable) {
  constexpr auto kLeft = Table::Align::kLeft;
  Table table({{"name", kLeft, 0, true}, {"reason", kLeft}});
  table.AddRow({{std::string(16, 'n')}, {std::string(30, 'r')}});
  EXPECT_EQ(table.Render(0, {.width_columns = 28}),
            "name              reason\n"
            "nnnnnnnnnnnnnnnn  rrrrrrr...\n");
  EXPECT_EQ(table.Render(0, {.width_columns = 22}),
            "name          reason\n"
            "nnnnnnnnn...  rrrrr...\n");
}

TEST(TableTest, PaintedCellsKeepTheirColours) {
  Table table({{"bar", Table::Align::kLeft}, {"n"}});
  table.AddRow({{"\x1b[32m##\x1b[0m", Ink::kPlain, true}, {"\x1b[32m"}});
  EXPECT_EQ(table.Render(0, {}),
            "bar         n\n"
            "\x1b[32m##\x1b[0m   \\x1b[32m\n");
}

}  // namespace
}  // namespace halving
