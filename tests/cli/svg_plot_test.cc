#include "cli/svg_plot.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/sample_study.h"

namespace halving {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

int Count(const std::string& text, const std::string& what) {
  return static_cast<int>(std::vector<std::string>(absl::StrSplit(text, what)).size()) - 1;
}

SampleStudy WithoutCurves(SampleStudy sample) {
  for (v1::Trial& trial : sample.trials) trial.clear_curve();
  return sample;
}

std::string Draw(const SampleStudy& sample, const PlotOptions& options = {}) {
  return RenderSvg(sample.study, sample.trials, options);
}

// Whether every tag that is opened is closed, in order: enough of XML to find a broken file.
bool IsBalanced(const std::string& svg) {
  std::vector<std::string> open;
  for (size_t at = svg.find('<'); at != std::string::npos; at = svg.find('<', at + 1)) {
    const size_t end = svg.find('>', at);
    if (end == std::string::npos) return false;
    const std::string tag = svg.substr(at + 1, end - at - 1);
    if (tag.find('<') != std::string::npos) return false;
    const std::string name = tag.substr(0, tag.find_first_of(" \n"));
    if (tag.back() == '/') continue;
    if (name.front() != '/') {
      open.push_back(name);
    } else if (open.empty() || "/" + open.back() != name) {
      return false;
    } else {
      open.pop_back();
    }
  }
  return open.empty();
}

TEST(RenderSvgTest, DrawsEachTrialThroughItsResults) {
  const std::string svg = Draw(WithoutCurves(MakeSampleStudy(2, 7)));
  EXPECT_THAT(svg, StartsWith("<svg xmlns=\"http://www.w3.org/2000/svg\" "));
  EXPECT_THAT(svg, EndsWith("</svg>\n"));
  EXPECT_TRUE(IsBalanced(svg));
  EXPECT_EQ(Count(svg, "<title>"), 16);
  // Half of the trials got beyond the first rung and so have a line.
  EXPECT_EQ(Count(svg, "<polyline "), 8);
  EXPECT_THAT(svg, HasSubstr("16 trials, 30 results"));
  EXPECT_THAT(svg, HasSubstr(">best: trial 11, 0.1790</text>"));
  EXPECT_THAT(svg, HasSubstr("<title>trial 11, round 2, COMPLETED: error 0.4753 at 2, 0.2993 at 4, "
                             "0.1894 at 8, 0.1790 at 10 epochs\n{&quot;batch_size&quot;:136,"));
  EXPECT_THAT(svg, HasSubstr(">16 results</text>"));
  EXPECT_THAT(svg, Not(HasSubstr("Note:")));
}

TEST(RenderSvgTest, IsTheSameEachTimeAndLoadsNothing) {
  const SampleStudy sample = MakeSampleStudy(2, 7);
  EXPECT_EQ(Draw(sample), Draw(sample));
  for (const char* active : {"<script", "href", "url(", "<image", "@import"}) {
    EXPECT_THAT(Draw(sample), Not(HasSubstr(active)));
  }
}

TEST(RenderSvgTest, TheBestTrialIsDrawnLast) {
  const std::string svg = Draw(WithoutCurves(MakeSampleStudy(2, 7)));
  EXPECT_THAT(svg.substr(svg.rfind("<title>")), StartsWith("<title>trial 11,"));
}

TEST(RenderSvgTest, ForeignTextStaysText) {
  SampleStudy sample = MakeSampleStudy(1, 7);
  sample.study.mutable_spec()->set_objective("<script>alert('x')</script>&\x1b[2J\x01");
  (*sample.trials[0].mutable_config()->mutable_fields())["</title><script>"].set_string_value("&");
  const std::string svg = Draw(sample);
  EXPECT_THAT(svg, Not(HasSubstr("<script")));
  EXPECT_THAT(svg, HasSubstr("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;\\x1b[2J\\x01"));
  EXPECT_TRUE(IsBalanced(svg));
}

TEST(RenderSvgTest, DivergedResultsAreCountedNotDrawn) {
  SampleStudy sample = WithoutCurves(MakeSampleStudy(1, 7));
  sample.trials[0].mutable_results(0)->set_error(std::nan(""));
  sample.trials[2].mutable_results(0)->set_error(std::numeric_limits<double>::infinity());
  const std::string svg = Draw(sample);
  EXPECT_THAT(svg, HasSubstr("Note: 2 diverged results (NaN or infinite) not drawn."));
  EXPECT_EQ(Count(svg, "<title>"), 6);
  for (const char* number : {"\"nan", "\"inf", ",nan", ",inf", "\"-nan"}) {
    EXPECT_THAT(svg, Not(HasSubstr(number)));
  }
}

TEST(RenderSvgTest, WithoutResultsItSaysSo) {
  SampleStudy sample = MakeSampleStudy(1, 7);
  for (v1::Trial& trial : sample.trials) trial.clear_results();
  EXPECT_THAT(Draw(sample), HasSubstr("No results yet"));
  EXPECT_TRUE(IsBalanced(Draw(sample, {.log = true})));
}

TEST(RenderSvgTest, TheTopRungIsOnTheAxisBeforeAnybodyIsThere) {
  SampleStudy sample = MakeSampleStudy(1, 7);
  sample.study.mutable_spec()->mutable_halving()->set_max_epochs(81);
  EXPECT_THAT(Draw(sample), HasSubstr(">81</text>"));
  EXPECT_THAT(Draw(sample), HasSubstr(">0 results</text>"));
  EXPECT_THAT(Draw(sample), HasSubstr("epochs trained (logarithmic)"));
}

TEST(RenderSvgTest, FarApartErrorsSuggestTheLogarithmicAxis) {
  SampleStudy sample = WithoutCurves(MakeSampleStudy(1, 7));
  sample.trials[0].mutable_results(0)->set_error(1000);
  EXPECT_THAT(Draw(sample), HasSubstr("--log"));
  const std::string log = Draw(sample, {.log = true});
  EXPECT_THAT(log, HasSubstr("validation error (logarithmic)"));
  EXPECT_THAT(log, Not(HasSubstr("--log")));
}

TEST(RenderSvgTest, TrialsWithCurvesAreDrawnAlongThem) {
  SampleStudy sample = MakeSampleStudy(1, 7);
  const std::string svg = Draw(sample);
  EXPECT_EQ(Count(svg, "<polyline "), 8) << "one epoch more than a result makes a line";
}

TEST(RenderSvgTest, OneErrorAndOneRungStillMakeAPicture) {
  SampleStudy sample = WithoutCurves(MakeSampleStudy(1, 7));
  sample.trials.resize(1);
  sample.trials[0].mutable_results()->DeleteSubrange(1, sample.trials[0].results_size() - 1);
  for (const double error : {0.9, 0.0, -3.0, 1e-300, 1e300}) {
    sample.trials[0].mutable_results(0)->set_error(error);
    for (const bool log : {false, true}) {
      const std::string svg = Draw(sample, {.log = log});
      EXPECT_TRUE(IsBalanced(svg)) << error;
      EXPECT_THAT(svg, Not(HasSubstr("nan\""))) << error;
      EXPECT_THAT(svg, Not(HasSubstr("inf\""))) << error;
    }
  }
}

TEST(RenderSvgTest, ATrialMayBeginAtAnyRung) {
  SampleStudy sample = MakeSampleStudy(1, 7);
  v1::Trial& late = sample.trials[0];
  late.clear_curve();
  late.clear_results();
  for (const int64_t epochs : {8, 10}) {
    late.add_results()->set_epochs(epochs);
    late.mutable_results()->rbegin()->set_error(0.01);
  }
  const std::string svg = Draw(WithoutCurves(std::move(sample)));
  EXPECT_TRUE(IsBalanced(svg));
  EXPECT_THAT(svg, HasSubstr("best: trial 1, 0.01000"));
  EXPECT_THAT(svg, HasSubstr("error 0.01000 at 8, 0.01000 at 10 epochs"));
}

TEST(RenderSvgTest, TenThousandTrialsStayASmallFile) {
  const SampleStudy sample = WithoutCurves(MakeSampleStudy(1250, 3));
  ASSERT_EQ(sample.trials.size(), 10'000u);
  const std::string svg = Draw(sample);
  EXPECT_LT(svg.size(), 400'000u);
  EXPECT_THAT(svg, HasSubstr("Note: 9520 trials not drawn: at most 120 that ended at one rung."));
}

}  // namespace
}  // namespace halving
