#include "cli/live_view.h"

#include "gtest/gtest.h"
#include "tests/cli/console_fixture.h"

namespace halving {
namespace {

TEST(LiveViewTest, TheNextFrameGoesOverTheLast) {
  TestConsole console;
  LiveView view("`halving status` shows all", console.get());
  view.Draw("one\ntwo\n", "");
  EXPECT_EQ(console.out.str(), "\x1b[?25lone\x1b[K\ntwo\x1b[K\n\x1b[J\x1b[?25h");
  console.out.str("");
  view.Draw("three\n", "");
  EXPECT_EQ(console.out.str(), "\x1b[?25l\x1b[2Athree\x1b[K\n\x1b[J\x1b[?25h");
}

TEST(LiveViewTest, LinesAreClippedToTheTerminalAsItIsNow) {
  TestConsole console;
  console.size.columns = 8;
  LiveView view("`halving status` shows all", console.get());
  view.Draw("0123456789\n", "");
  EXPECT_EQ(console.out.str(), "\x1b[?25l0123...\x1b[K\n\x1b[J\x1b[?25h");
}

TEST(LiveViewTest, AFrameIsNeverHigherThanTheTerminal) {
  TestConsole console;
  console.size.rows = 4;
  LiveView view("`halving status` shows all", console.get());
  view.Draw("1\n2\n3\n4\n5\n", "");
  EXPECT_EQ(console.out.str(),
            "\x1b[?25l1\x1b[K\n2\x1b[K\n... and 3 lines more; `halving status` shows all\x1b[K\n"
            "\x1b[J\x1b[?25h");
}

TEST(LiveViewTest, TheFooterIsThereHoweverManyLines) {
  TestConsole console;
  console.size.rows = 6;
  LiveView view("more", console.get());
  view.Draw("1\n2\n3\n4\n5\n", "keys");
  EXPECT_EQ(console.out.str(),
            "\x1b[?25l1\x1b[K\n2\x1b[K\n... and 3 lines more; more\x1b[K\n\x1b[K\nkeys\x1b[K\n"
            "\x1b[J\x1b[?25h");
}

TEST(LiveViewTest, WhatIsClearedLeavesItsPlace) {
  TestConsole console;
  LiveView view("", console.get());
  view.Clear();
  EXPECT_EQ(console.out.str(), "");
  view.Draw("one\ntwo\n", "");
  console.out.str("");
  view.Clear();
  view.Clear();
  EXPECT_EQ(console.out.str(), "\x1b[2A\x1b[J");
  view.Draw("three\n", "");
  EXPECT_EQ(console.out.str(), "\x1b[2A\x1b[J\x1b[?25lthree\x1b[K\n\x1b[J\x1b[?25h");
}

}  // namespace
}  // namespace halving
