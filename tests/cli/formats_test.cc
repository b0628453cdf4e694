// -o and its older ways, for each command that has it; colours; and which workers are listed.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/cli/command_fixture.h"

namespace halving {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

class FormatsTest : public CommandFixture {
 protected:
  nlohmann::json Json() const { return nlohmann::json::parse(out(), nullptr, false); }

  void AddSeven() {
    for (int i = 0; i < 7; ++i) {
      SampleStudy sample = MakeSampleStudy(1, 7);
      sample.study.mutable_spec()->set_name(absl::StrCat("study-", i));
      service_->AddStudy(sample);
      v1::Worker worker;
      worker.set_worker_id(absl::StrCat("gpu-", i));
      worker.set_connected(true);
      worker.set_utilisation(0.1 * i);
      worker.set_trials_finished(10 - i);
      worker.set_leases_lost(i % 3);
      worker.mutable_last_seen()->set_seconds(i == 3 ? 100 : 1);
      if (i % 2 == 0) {
        worker.set_study(i == 0 ? "lenet" : "other");
        worker.set_trial_id(7 + i);
      } else {
        worker.mutable_idle_for()->set_seconds(10 * i);
      }
      service_->AddWorker(worker);
    }
  }
};

TEST_F(FormatsTest, ListsAreOneDocumentOverAllPages) {
  AddSeven();
  EXPECT_EQ(Run({"list", "-o", "json"}), kExitOk) << err();
  ASSERT_THAT(Json()["studies"], SizeIs(7));
  EXPECT_EQ(Json()["studies"][6]["spec"]["name"], "study-6");
  EXPECT_EQ(Json()["next_page_token"], "");
  EXPECT_EQ(Run({"workers", "--output=json"}), kExitOk) << err();
  ASSERT_THAT(Json()["workers"], SizeIs(7));
  EXPECT_EQ(Json()["workers"][6]["worker_id"], "gpu-6");
  EXPECT_EQ(Run({"list", "--json"}), kExitOk) << err();
  EXPECT_THAT(Json()["studies"], SizeIs(7));
}

TEST_F(FormatsTest, EmptyListsAreDocumentsToo) {
  EXPECT_EQ(Run({"list", "-o", "json"}), kExitOk) << err();
  EXPECT_THAT(Json()["studies"], SizeIs(0));
  EXPECT_EQ(Run({"list", "-o", "name"}), kExitOk) << err();
  EXPECT_EQ(out(), "");
  EXPECT_EQ(Run({"workers", "-o", "name"}), kExitOk) << err();
  EXPECT_EQ(out(), "");
}

TEST_F(FormatsTest, NamesAreOneALine) {
  AddSeven();
  service_->AddStudy(MakeSampleStudy(1, 7));
  EXPECT_EQ(Run({"list", "-o", "name"}), kExitOk) << err();
  EXPECT_THAT(out(), StartsWith("lenet\nstudy-0\nstudy-1\n"));
  EXPECT_EQ(Run({"workers", "-o", "name", "--idle"}), kExitOk) << err();
  EXPECT_EQ(out(), "gpu-1\ngpu-3\ngpu-5\n");
  EXPECT_EQ(Run({"trials", "lenet", "-o", "name", "--by-error", "--limit", "2"}), kExitOk) << err();
  EXPECT_THAT(OutLines(), SizeIs(2));
  EXPECT_EQ(Run({"trials", "lenet", "-o", "name"}), kExitOk) << err();
  EXPECT_EQ(out(), "1\n2\n3\n4\n5\n6\n7\n8\n");
}

TEST_F(FormatsTest, WideTablesSayMore) {
  AddSeven();
  service_->AddStudy(MakeSampleStudy(1, 7));
  EXPECT_EQ(Run({"list", "-o", "wide"}), kExitOk) << err();
  EXPECT_THAT(OutLines()[0], HasSubstr("searcher"));
  EXPECT_EQ(Run({"workers", "-o", "wide"}), kExitOk) << err();
  EXPECT_THAT(OutLines()[0], AllOf(HasSubstr("host"), HasSubstr("objectives")));
  EXPECT_EQ(Run({"trials", "lenet", "-o", "wide"}), kExitOk) << err();
  EXPECT_THAT(OutLines()[0], AllOf(HasSubstr("trained for"), HasSubstr("failure")));
}

TEST_F(FormatsTest, TrialsAreLines) {
  service_->AddStudy(MakeSampleStudy(2, 7));
  EXPECT_EQ(Run({"trials", "lenet", "--json"}), kExitOk);
  const std::vector<nlohmann::json> older = JsonLines();
  EXPECT_EQ(Run({"trials", "lenet", "-o", "json"}), kExitOk);
  EXPECT_TRUE(JsonLines() == older);
  EXPECT_THAT(OutLines(), SizeIs(16));
  EXPECT_EQ(Run({"trials", "lenet", "--csv"}), kExitOk);
  const std::string csv = out();
  EXPECT_EQ(Run({"trials", "lenet", "-o", "csv"}), kExitOk);
  EXPECT_EQ(out(), csv);
  EXPECT_EQ(Run({"trials", "lenet", "-o", "csv", "--json"}), kExitUsage);
}

TEST_F(FormatsTest, OneThingIsItsMessage) {
  service_->AddStudy(MakeSampleStudy(2, 7));
  service_->SetStatus(MakeSampleStatus());
  EXPECT_EQ(Run({"status", "lenet", "-o", "json"}), kExitOk) << err();
  EXPECT_EQ(Json()["time_left"], "390s");
  EXPECT_EQ(Run({"trial", "lenet", "1", "-o", "json"}), kExitOk) << err();
  EXPECT_EQ(Json()["id"], "1");
  console_.in.str(R"({"name": "lenet"})");
  v1::StudyPlan plan;
  plan.set_epochs_per_round(34);
  service_->SetPlan(plan);
  EXPECT_EQ(Run({"plan", "-", "-o", "json"}), kExitOk) << err();
  EXPECT_EQ(Json()["epochs_per_round"], "34");
}

TEST_F(FormatsTest, ChangesAnswerWithTheStudy) {
  console_.in.str(R"({"name": "fresh"})");
  EXPECT_EQ(Run({"create", "-", "-o", "json"}), kExitOk) << err();
  EXPECT_EQ(Json()["spec"]["name"], "fresh");
  console_.in.clear();
  console_.in.str(R"({"name": "fresh"})");
  EXPECT_EQ(Run({"create", "-", "-o", "name"}), kExitOk) << err();
  EXPECT_EQ(out(), "fresh\n");
  for (const auto& [command, state] : {std::pair{"pause", "STUDY_STATE_PAUSED"},
                                       {"resume", "STUDY_STATE_RUNNING"},
                                       {"stop", "STUDY_STATE_STOPPED"}}) {
    EXPECT_EQ(Run({command, "fresh", "-o", "json"}), kExitOk) << err();
    EXPECT_EQ(Json()["state"], state) << command;
  }
  EXPECT_EQ(Run({"extend", "fresh", "--max-rounds", "3", "-o", "json"}), kExitOk) << err();
  EXPECT_EQ(Json()["spec"]["limits"]["max_rounds"], "3");
  EXPECT_EQ(Run({"extend", "fresh", "-o", "json"}), kExitUsage) << "no limit was named";
}

TEST_F(FormatsTest, WhatIsNoFormatIsRefusedWithThoseThereAre) {
  EXPECT_EQ(Run({"list", "-o", "xml"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("\"xml\" is no output format; there are wide, json and name"));
  EXPECT_EQ(Run({"status", "lenet", "-o", "name"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("there is only json"));
  EXPECT_EQ(Run({"top", "-o", "json"}), kExitUsage);
}

TEST_F(FormatsTest, ColoursAreAsAskedFor) {
  service_->SetStatus(MakeSampleStatus());
  EXPECT_EQ(Run({"status", "lenet", "--color", "always"}), kExitOk);
  EXPECT_THAT(out(), HasSubstr("\x1b["));
  console_.get()->options.color = true;
  EXPECT_EQ(Run({"status", "lenet", "--color=never"}), kExitOk);
  EXPECT_THAT(out(), Not(HasSubstr("\x1b[")));
  console_.get()->options.color = true;
  EXPECT_EQ(Run({"status", "lenet", "--color=auto"}), kExitOk);
  EXPECT_THAT(out(), HasSubstr("\x1b["));
  EXPECT_EQ(Run({"--color=never", "status", "--help"}), kExitOk);
  EXPECT_THAT(out(), Not(HasSubstr("\x1b[")));
  EXPECT_EQ(Run({"status", "lenet", "--color=pink"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("there are auto, always and never"));
}

TEST_F(FormatsTest, WorkersAreFilteredSortedAndSummedUp) {
  AddSeven();
  const auto names = [this](std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"workers", "-o", "name"});
    EXPECT_EQ(Run(flags), kExitOk) << err();
    return OutLines();
  };
  EXPECT_THAT(names({"--study", "lenet"}), ElementsAre("gpu-0"));
  EXPECT_THAT(names({"--sort", "busy"})[0], "gpu-6");
  EXPECT_THAT(names({"--sort", "idle"})[0], "gpu-5");
  EXPECT_THAT(names({"--sort", "seen"})[0], "gpu-3");
  EXPECT_THAT(names({"--sort", "finished"})[0], "gpu-0");
  EXPECT_THAT(names({"--sort", "lost"}), testing::Contains("gpu-2").Times(1));
  EXPECT_THAT(names({"--sort", "lost"})[0], "gpu-2") << "the first by name of those that lost two";
  EXPECT_EQ(Run({"workers"}), kExitOk);
  EXPECT_THAT(out(), HasSubstr("\n7 workers: 4 busy, 3 idle; utilisation 30%\n"));
  EXPECT_EQ(Run({"workers", "--study", "nobodys"}), kExitOk);
  EXPECT_EQ(out(), "None of 7 workers holds a trial of that study.\n");
  EXPECT_EQ(Run({"workers", "--sort", "size"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("\"size\" is no order; there are name, busy, "));
  EXPECT_EQ(Run({"workers", "--idle", "--study", "lenet"}), kExitUsage);
}

}  // namespace
}  // namespace halving
