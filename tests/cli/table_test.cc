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

}  // namespace
}  // namespace halving
