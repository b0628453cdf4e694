#include "cli/csv.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/sample_study.h"

namespace halving {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

struct FieldCase {
  std::string text;
  std::string field;
};
class CsvFieldTest : public testing::TestWithParam<FieldCase> {};

TEST_P(CsvFieldTest, QuotesAsRfc4180Says) {
  EXPECT_EQ(CsvField(GetParam().text), GetParam().field);
}

INSTANTIATE_TEST_SUITE_P(, CsvFieldTest,
                         testing::ValuesIn(std::vector<FieldCase>{
                             {"", ""},
                             {"plain text", "plain text"},
                             {"a,b", "\"a,b\""},
                             {"say \"x\"", "\"say \"\"x\"\"\""},
                             {"two\nlines", "\"two\nlines\""},
                             {"carriage\rreturn", "\"carriage\rreturn\""},
                         }));

v1::Study MakeStudy() {
  v1::Study study;
  study.mutable_spec()->add_parameters()->set_name("rate");
  study.mutable_spec()->add_parameters()->set_name("activation");
  return study;
}

v1::Trial MakeTrial() {
  v1::Trial trial;
  trial.set_id(3);
  trial.set_round(1);
  trial.set_state(v1::TRIAL_STATE_WAITING);
  (*trial.mutable_config()->mutable_fields())["rate"].set_number_value(0.1);
  (*trial.mutable_config()->mutable_fields())["activation"].set_string_value("relu, leaky");
  v1::RungResult* result = trial.add_results();
  result->set_epochs(2);
  result->set_error(1.0 / 3);
  result->set_worker_id("gpu-1");
  result->mutable_train_time()->set_seconds(1);
  result->mutable_train_time()->set_nanos(250'000'000);
  result->mutable_end_time()->set_seconds(1714566781);
  result->mutable_end_time()->set_nanos(500'000'000);
  result->set_study_epochs(12);
  (*result->mutable_metrics())["test_error"] = 0.5;
  result = trial.add_results();
  result->set_epochs(4);
  result->set_from_epoch(2);
  result->set_error(std::nan(""));
  result->mutable_end_time()->set_seconds(1714566791);
  result->set_study_epochs(14);
  return trial;
}

TEST(ResultsCsvTest, HasOneRowForEachResult) {
  v1::Trial without_result;
  without_result.set_id(4);
  EXPECT_EQ(ResultsCsv(MakeStudy(), {MakeTrial(), without_result}),
            "trial,round,state,epochs,error,from_epoch,train_seconds,worker,end_time,study_epochs,"
            "rate,activation,test_error\n"
            "3,1,WAITING,2,0.3333333333333333,0,1.25,gpu-1,2024-05-01T12:33:01.5Z,12,"
            "0.1,\"relu, leaky\",0.5\n"
            "3,1,WAITING,4,NaN,2,,,2024-05-01T12:33:11Z,14,0.1,\"relu, leaky\",\n");
}

TEST(ResultsCsvTest, TakenColumnNamesGetAPrefix) {
  v1::Study study = MakeStudy();
  study.mutable_spec()->add_parameters()->set_name("epochs");
  v1::Trial trial = MakeTrial();
  (*trial.mutable_results(0)->mutable_metrics())["rate"] = 7;
  EXPECT_THAT(ResultsCsv(study, {trial}),
              HasSubstr(",rate,activation,config.epochs,metrics.rate,test_error\n"));
}

TEST(ResultsCsvTest, ParametersThatOnlyAConfigKnowsComeLast) {
  v1::Trial trial = MakeTrial();
  (*trial.mutable_config()->mutable_fields())["extra"].set_bool_value(true);
  EXPECT_THAT(ResultsCsv(MakeStudy(), {trial}), HasSubstr(",rate,activation,extra,test_error\n"));
}

TEST(ResultsCsvTest, AParameterThatATrialDoesNotHaveIsEmpty) {
  v1::Trial trial = MakeTrial();
  trial.mutable_config()->mutable_fields()->erase("rate");
  EXPECT_THAT(ResultsCsv(MakeStudy(), {trial}), HasSubstr(",12,,\"relu, leaky\",0.5\n"));
}

TEST(ResultsCsvTest, NoTrialLeavesTheHeader) {
  EXPECT_THAT(ResultsCsv({}, {}), StartsWith("trial,round,"));
}

TEST(ResultsTableTest, CoversWhatItHasNoted) {
  const SampleStudy sample = MakeSampleStudy(1, 7);
  ResultsTable table(sample.study);
  v1::Trial trial = sample.trials[0];
  EXPECT_FALSE(table.Covers(trial)) << "it has a metric";
  table.Note(trial);
  EXPECT_TRUE(table.Covers(trial));
  (*trial.mutable_config()->mutable_fields())["momentum"].set_number_value(0.9);
  EXPECT_FALSE(table.Covers(trial));
  table.Note(trial);
  EXPECT_TRUE(table.Covers(trial));
  EXPECT_THAT(table.Header(), testing::EndsWith(",learning_rate,batch_size,momentum,test_error\n"));
}

}  // namespace
}  // namespace halving
