// What `plan`, `status`, `list`, `workers`, `trials` and `trial` print, whole.
#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "cli/bar.h"
#include "cli/render_study.h"
#include "cli/render_trials.h"
#include "cli/render_workers.h"
#include "cli/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/sample_study.h"

namespace halving {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(RenderStatusTest, ShowsEverything) {
  EXPECT_EQ(RenderStatus(MakeSampleStatus(), {}),
            R"(lenet  RUNNING
objective   lenet
rule        halving, 2 to 10 epochs, eta 2
searcher    random, seed 42
limits      30 evaluations
created     2024-05-01 12:33:01

progress    [############------------------]  40%
time        4m 12s running, about 6m 30s to go
evaluations 12 of 30
epochs      26 trained, 2 of them lost
trials      2 running, 2 queued, 1 failed
utilisation 87% of the workers' time over the last 10 minutes

epochs  gathered          queued  running  reported  failed  promoted    best  median  usual   to go
     2  [###==++---] 3/8       2        1        11       1         4  0.4100  0.6000    22s  1m 10s
     4  [==--------] 0/4       -        1         1       -         -  0.2700  0.2700      -       -
# gathered  = running  + queued

best        trial 3: error 0.2700 at 4 epochs (0.4512 at 2)
            {"batch_size":222,"learning_rate":0.053495259859971896}

trial  attempt  epoch     for  pace        worker
    7        2    3/4  1m 32s  straggling  gpu-1
   12        1    0/2    0.4s  as usual    gpu-2

note: rung 4 has only one result
)");
}

TEST(RenderStatusTest, AnEndedStudySaysWhyAndWhen) {
  v1::StudyStatus status = MakeSampleStatus();
  status.mutable_study()->set_state(v1::STUDY_STATE_STOPPED);
  status.mutable_study()->set_end_reason("stopped by a person");
  status.mutable_study()->mutable_end_time()->set_seconds(1714566781 + 3723);
  const std::string text = RenderStatus(status, {});
  EXPECT_THAT(text, HasSubstr("lenet  STOPPED: stopped by a person\n"));
  EXPECT_THAT(text, HasSubstr("2024-05-01 12:33:01, ended 2024-05-01 13:35:04 (after 1h 02m)\n"));
}

TEST(RenderStatusTest, AFreshStudyHasNoBest) {
  v1::StudyStatus status;
  status.mutable_study()->mutable_spec()->set_name("new");
  const std::string text = RenderStatus(status, {});
  EXPECT_THAT(text, HasSubstr("best        no result yet\n"));
  EXPECT_THAT(text, HasSubstr("[------------------------------]   0%"));
  EXPECT_THAT(text, Not(HasSubstr("attempt")));
}

TEST(RenderStatusTest, RoundsAndBracketsAreShownWhereThereAreAny) {
  v1::StudyStatus status = MakeSampleStatus();
  EXPECT_THAT(RenderStatus(status, {}), Not(HasSubstr("bracket")));
  status.mutable_rungs(1)->set_bracket(2);
  status.mutable_rungs(1)->set_round(3);
  EXPECT_THAT(RenderStatus(status, {}), HasSubstr("bracket   round  epochs  gathered"));
}

TEST(RenderStatusTest, RungsThatNeverCloseAreComparedWithTheFullest) {
  v1::StudyStatus status = MakeSampleStatus();
  for (v1::RungStatus& rung : *status.mutable_rungs()) rung.clear_size();
  const std::string text = RenderStatus(status, {});
  EXPECT_THAT(text, HasSubstr("\nepochs  trials "));
  EXPECT_THAT(text, HasSubstr("[#######=++] 14"));
  EXPECT_THAT(text, HasSubstr("[#=--------] 2 "));
  EXPECT_THAT(text, HasSubstr("median  usual\n"));
  EXPECT_THAT(text, HasSubstr("\n# reported  = running  + queued\n"));
}

TEST(RenderStatusTest, WithoutStragglersNobodysPaceIsTold) {
  v1::StudyStatus status = MakeSampleStatus();
  status.mutable_running(0)->set_straggling(false);
  EXPECT_THAT(RenderStatus(status, {}), Not(HasSubstr("pace")));
}

TEST(RenderStatusTest, StragglersAreListedFirst) {
  v1::StudyStatus status = MakeSampleStatus();
  status.mutable_running(0)->set_straggling(false);
  status.mutable_running(1)->set_straggling(true);
  const std::string text = RenderStatus(status, {.max_running = 1});
  EXPECT_THAT(text, HasSubstr("   12        1    0/2  0.4s  straggling  gpu-2\n... and 1 more"));
}

TEST(RenderStatusTest, TheTimeIsToldAsFarAsItIsKnown) {
  v1::StudyStatus status = MakeSampleStatus();
  status.clear_time_left();
  EXPECT_THAT(RenderStatus(status, {}), HasSubstr("\ntime        4m 12s running\n"));
  status.clear_running_time();
  EXPECT_THAT(RenderStatus(status, {}), Not(HasSubstr("\ntime ")));
  status.mutable_time_left()->set_seconds(5);
  EXPECT_THAT(RenderStatus(status, {}), HasSubstr("\ntime        about 5.0s to go\n"));
  status.mutable_study()->set_state(v1::STUDY_STATE_STOPPED);
  EXPECT_THAT(RenderStatus(status, {}), Not(HasSubstr(" to go\nevaluations")));
}

TEST(RenderStatusTest, ANarrowTerminalIsNotPassed) {
  for (const int width : {62, 79, 80, 100, 120}) {
    const RenderOptions options{.unicode = true, .width_columns = width};
    const std::string text = RenderLiveStatus(MakeSampleStatus(), 24, options);
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      if (absl::StrContains(line, "%")) continue;  // That of the study is clipped.
      const bool table = absl::StrContains(line, "epochs  ") || absl::StrContains(line, "░ ");
      if (!table) continue;
      EXPECT_LE(DisplayWidth(line), width) << width << line;
    }
  }
}

TEST(RenderLiveStatusTest, FitsTheRowsAndKeepsTheNotes) {
  v1::StudyStatus status = MakeSampleStatus();
  for (int64_t id = 100; id < 200; ++id) {
    *status.add_running() = status.running(1);
    status.mutable_running()->rbegin()->set_trial_id(id);
  }
  status.set_running_total(102);
  const std::string text = RenderLiveStatus(status, 24, {.width_columns = 79});
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 24);
  EXPECT_THAT(text, testing::StartsWith("lenet  RUNNING  lenet, halving, 2 to 10 epochs, eta 2\n"
                                        "[############------------------]  40%  4m 12s running, "
                                        "about 6m 30s to go\n"
                                        "12 of 30 evaluations, 26 epochs; 102 running, 2 queued, "
                                        "1 failed; 87% busy\n\n"));
  EXPECT_THAT(text, HasSubstr("            batch_size=222 learning_rate=0.0535\n"));
  EXPECT_THAT(text, HasSubstr(" more running\n\nnote: rung 4 has only one result\n"));
}

TEST(RenderStatusTest, AllThatAStudyBeganWithIsSaid) {
  v1::StudyStatus status = MakeSampleStatus();
  v1::StudySpec* spec = status.mutable_study()->mutable_spec();
  spec->set_searcher(v1::SEARCHER_TPE);
  spec->mutable_halving()->set_policy(v1::POLICY_DELAYED_ASHA);
  spec->mutable_warm_start()->set_study("lenet-1");
  spec->mutable_warm_start()->set_trials(5);
  spec->mutable_limits()->mutable_no_improvement()->set_trials(20);
  EXPECT_THAT(RenderStatus(status, {}),
              HasSubstr("rule        delayed asha, 2 to 10 epochs, eta 2\n"
                        "searcher    tpe, seed 42\n"
                        "warm start  from lenet-1, its best 5 configs at most\n"
                        "limits      30 evaluations, no improvement within 20 trials\n"));
  spec->mutable_limits()->mutable_no_improvement()->set_delta(0.001);
  EXPECT_THAT(RenderStatus(status, {}), HasSubstr("no improvement by 0.001 within 20 trials\n"));
}

TEST(RenderStatusTest, RunningTrialsBeyondTheLimitAreCounted) {
  v1::StudyStatus status = MakeSampleStatus();
  status.set_running_total(2000);
  EXPECT_THAT(RenderStatus(status, {.max_running = 1}),
              HasSubstr("gpu-1\n... and 1999 more running\n"));
}

TEST(RenderStatusTest, NothingFromTheServerDrivesTheTerminal) {
  v1::StudyStatus status = MakeSampleStatus();
  v1::StudySpec* spec = status.mutable_study()->mutable_spec();
  spec->set_name("\x1b]0;a");
  spec->set_objective("\x1b]0;b");
  status.mutable_study()->set_end_reason("\x1b]0;c");
  status.mutable_running(0)->set_worker_id("\x1b]0;d");
  status.set_notes(0, "\x1b]0;e\xc2\x9b");
  (*status.mutable_best()->mutable_config()->mutable_fields())["\x1b]0;f\xc2\x9b"];
  for (const std::string& text :
       {RenderStatus(status, {}), RenderStatusLine(status, {}), RenderLiveStatus(status, 40, {}),
        RenderPlan(*spec, {}, {}), RenderStudies({status.study()}, true, {})}) {
    EXPECT_THAT(text, Not(HasSubstr("\x1b")));
    EXPECT_THAT(text, Not(HasSubstr("\xc2\x9b")));
  }
}

TEST(RenderStatusTest, ColoursComeOnlyWhenAsked) {
  EXPECT_THAT(RenderStatus(MakeSampleStatus(), {}), Not(HasSubstr("\x1b")));
  EXPECT_THAT(RenderStatus(MakeSampleStatus(), {.color = true}),
              HasSubstr("\x1b[1mlenet\x1b[0m  \x1b[36mRUNNING\x1b[0m\n"));
}

TEST(RenderStatusLineTest, IsOneLine) {
  EXPECT_EQ(
      RenderStatusLine(MakeSampleStatus(), {}),
      "RUNNING    40%  12 evaluations  best 0.2700 (trial 3 at 4 epochs)  2 running  1 failed");
}

struct ProgressCase {
  double progress;
  std::string bar;
};
class RenderProgressTest : public testing::TestWithParam<ProgressCase> {};

TEST_P(RenderProgressTest, Bar) {
  EXPECT_EQ(RenderProgress(GetParam().progress, 10, {}), GetParam().bar);
}

INSTANTIATE_TEST_SUITE_P(, RenderProgressTest,
                         testing::ValuesIn(std::vector<ProgressCase>{
                             {0, "[----------]   0%"},
                             {0.556, "[#####-----]  55%"},
                             {0.9999, "[#########-]  99%"},
                             {1, "[##########] 100%"},
                             {7, "[##########] 100%"},
                             {-1, "[----------]   0%"},
                             {std::nan(""), "[----------]   0%"},
                         }));

TEST(RenderPlanTest, ShowsRungsAndCosts) {
  v1::StudyPlan plan;
  for (const auto& [epochs, trials] : {std::pair{2, 8}, {4, 4}, {8, 2}, {10, 1}}) {
    plan.add_rungs()->set_epochs(epochs);
    plan.mutable_rungs()->rbegin()->set_trials(trials);
  }
  plan.set_evaluations_per_round(15);
  plan.set_epochs_per_round(34);
  plan.set_epochs_per_round_from_scratch(58);
  plan.set_rounds(2);
  EXPECT_EQ(RenderPlan(MakeSampleStatus().study().spec(), plan, {}),
            R"(lenet  halving, 2 to 10 epochs, eta 2

One round:
  epochs  trials
       2       8
       4       4
       8       2
      10       1

evaluations 15 per round
epochs      34 per round, resuming from checkpoints (58 from scratch)
limits      30 evaluations
rounds      2 within the limits, the last possibly cut
)");
  plan.set_rounds(0);
  plan.mutable_rungs(3)->set_bracket(1);
  const std::string text = RenderPlan(MakeSampleStatus().study().spec(), plan, {});
  EXPECT_THAT(text, HasSubstr("rounds      not bounded by the limits\n"));
  EXPECT_THAT(text, HasSubstr("  bracket  epochs  trials\n"));
}

TEST(RenderPlanTest, WithoutRoundsSaysWhatSomeTrialsComeTo) {
  v1::StudyPlan plan;
  plan.add_rungs()->set_trials(8);
  plan.set_evaluations_per_round(15);
  plan.set_rounds(2);
  v1::StudySpec spec = MakeSampleStatus().study().spec();
  spec.mutable_halving()->set_policy(v1::POLICY_ASHA);
  const std::string text = RenderPlan(spec, plan, {});
  EXPECT_THAT(text, HasSubstr("\nThere are no rounds. Each 8 trials come to about:\n"));
  EXPECT_THAT(text, HasSubstr("evaluations 15 for those\n"));
  EXPECT_THAT(text, Not(HasSubstr("\nrounds ")));
}

TEST(RenderStudiesTest, OneLineEach) {
  v1::Study ended = MakeSampleStudy(1, 1).study;
  EXPECT_EQ(RenderStudies({ended, MakeSampleStatus().study()}, false, {}),
            "name   state      objective  created              ended                reason\n"
            "lenet  COMPLETED  lenet      2024-05-01 12:33:01  2024-05-01 13:35:04  "
            "max_evaluations reached\n"
            "lenet  RUNNING    lenet      2024-05-01 12:33:01  -\n");
  EXPECT_THAT(RenderStudies({ended}, true, {}),
              HasSubstr("  halving, 2 to 10 epochs, eta 2  random, seed 1  30 evaluations  max_"));
  EXPECT_THAT(RenderStudies({}, false, {}), HasSubstr("halving create FILE.json"));
}

TEST(RenderWorkersTest, OneLineEach) {
  v1::Worker busy;
  busy.set_worker_id("gpu-1");
  busy.set_host("node7");
  busy.set_device("cuda:0 NVIDIA H100");
  busy.add_objectives("lenet");
  busy.add_objectives("mlp");
  busy.mutable_last_seen()->set_seconds(3);
  busy.set_study("lenet");
  busy.set_trial_id(7);
  busy.set_trials_finished(12);
  busy.set_leases_lost(1);
  v1::Worker idle;
  idle.set_worker_id("gpu-22");
  idle.set_device("cpu");
  idle.mutable_idle_for()->set_seconds(95);
  idle.mutable_last_seen();
  idle.set_connected(true);
  idle.set_utilisation(0.4);
  busy.set_connected(true);
  busy.set_straggling(true);
  busy.set_utilisation(0.98);
  v1::Worker gone;
  gone.set_worker_id("gpu-3");
  gone.mutable_idle_for()->set_seconds(9000);
  gone.mutable_last_seen()->set_seconds(9000);
  EXPECT_EQ(RenderWorkers({busy, idle, gone}, false, {}),
            R"(worker  state         doing          busy   last seen  finished  lost  device
gpu-1   straggling    lenet trial 7   98%    3.0s ago        12     1  cuda:0 NVIDIA H100
gpu-22  idle 1m 35s   -               40%    0.0s ago         -     -  cpu
gpu-3   disconnected  -                0%  2h 30m ago         -     -

3 workers: 1 busy (1 straggling), 1 idle, 1 disconnected; utilisation 69%
)");
  EXPECT_THAT(RenderWorkers({busy}, true, {}),
              HasSubstr("  node7  lenet, mlp  cuda:0 NVIDIA H100\n"));
  EXPECT_THAT(RenderWorkers({busy}, false, {.width_columns = 60}),
              HasSubstr("worker  state       doing          busy  device"));
}

TEST(RenderTrialsTest, OneLineEach) {
  const SampleStudy sample = MakeSampleStudy(2, 7);
  v1::Trial fresh = sample.trials[0];
  fresh.clear_results();
  fresh.set_round(0);
  fresh.set_attempts(0);
  fresh.set_state(v1::TRIAL_STATE_QUEUED);
  EXPECT_EQ(
      RenderTrials({sample.trials[6], fresh}, false, {}),
      "id  round  state      epochs   error  attempts  config\n"
      " 7      1  COMPLETED      10  0.1825         4  batch_size=158 learning_rate=0.6046\n"
      " 1      -  QUEUED          -       -         -  batch_size=215 learning_rate=0.3804\n");
  EXPECT_EQ(RenderTrials({}, false, {}), "No trial.\n");
  fresh.set_failure("Traceback:\n  out of memory\n");
  fresh.set_worker_id("gpu-9");
  const std::string wide = RenderTrials({sample.trials[6], fresh}, true, {});
  EXPECT_THAT(wide,
              HasSubstr("trained for  worker  checkpoint  metrics            failure        "));
  EXPECT_THAT(wide,
              HasSubstr("        22s  gpu-3   -           test_error 0.1925  -              "));
  EXPECT_THAT(wide,
              HasSubstr("          -  gpu-9   -           -                    out of memory  "));
}

TEST(RenderTrialTest, ShowsResultsCurveAndFailure) {
  v1::Trial trial = MakeSampleStudy(2, 7).trials[0];
  trial.set_failure("Traceback:\n  \x1b[31mout of memory");
  trial.set_failures(1);
  trial.set_worker_id("gpu-3");
  trial.set_has_checkpoint(true);
  v1::CurvePoint* diverged = trial.add_curve();
  diverged->set_epoch(3);
  diverged->set_error(std::numeric_limits<double>::infinity());
  EXPECT_EQ(
      RenderTrial(trial, {}),
      R"(trial 1  ELIMINATED  round 1  1 attempt  1 failure at this rung  on gpu-3  checkpoint kept
{"batch_size":215,"learning_rate":0.38037638677781926}

epochs   error  from  trained for  reported             worker  metrics
     2  0.6578     0          22s  2024-05-01 12:34:02  gpu-1   test_error 0.6678

epoch   error
    1  0.7710  ##############################
    2  0.6578  ##########################
    3     inf

last failure:
  Traceback:
    \x1b[31mout of memory
)");
}

}  // namespace
}  // namespace halving
