"""The service as people meet it through the real grpcurl."""

import json

import harness
from harness import SOURCE, study

STUDY = "halving.v1.StudyService/"
WORKER = "halving.v1.WorkerService/"


class GrpcurlTest(harness.EndToEndTest):

    def setUp(self):
        super().setUp()
        self.require_grpcurl()
        self.start_server()
        self.asks = 0

    def suggest(self, worker="person"):
        self.asks += 1
        answer = self.grpcurl(WORKER + "Suggest", {"worker_id": worker,
                                                   "request_id": f"ask-{self.asks}"})
        return answer.get("assignment")

    def report(self, assignment, **outcome):
        return self.grpcurl(WORKER + "Report", {"lease_id": assignment["lease_id"], **outcome})

    def test_it_lists_the_services_and_describes_the_messages(self):
        services = self.grpcurl("list").split()
        for service in ("halving.v1.StudyService", "halving.v1.WorkerService", "halving.v1.AdminService",
                        "grpc.health.v1.Health"):
            self.assertIn(service, services)
        for symbol in ("halving.v1.StudySpec", "halving.v1.StudyStatus", "halving.v1.Assignment"):
            self.assertIn("message", self.grpcurl(f"describe {symbol}"))

    def test_it_creates_a_study_from_the_example_files_and_reads_its_status(self):
        for name in ("lenet-fashion-mnist", "lenet-d2l"):
            request = json.loads((SOURCE / "examples" / f"{name}.json").read_text())
            created = self.grpcurl(STUDY + "CreateStudy", request)
            self.assertEqual(created["state"], "STUDY_STATE_RUNNING")
            status = self.grpcurl(STUDY + "GetStatus", {"name": name})
            self.assertEqual([rung["epochs"] for rung in status["rungs"]], ["2", "4", "8", "10"])
            self.assertEqual([rung["size"] for rung in status["rungs"]], ["8", "4", "2", "1"])
            # The command line takes the same file.
            path = SOURCE / "examples" / f"{name}.json"
            self.assertIn(name, self.halving("create", path))

    def test_it_reads_health_of_the_server_and_of_each_service(self):
        for service in ("", "halving.v1.StudyService", "halving.v1.WorkerService", "halving.v1.AdminService"):
            answer = self.grpcurl("grpc.health.v1.Health/Check", {"service": service})
            self.assertEqual(answer["status"], "SERVING")

    def test_an_idle_worker_gets_the_first_trial_of_a_new_round_and_promotions_come_first(self):
        self.grpcurl(STUDY + "CreateStudy", study("scripted"))
        held = [self.suggest() for _ in range(8)]
        straggler, others = held[0], held[1:]
        for assignment in others:
            trial = int(assignment["trial_id"])
            self.report(assignment, completed={"error": trial / 10, "checkpoint_id": f"c{trial}"})
        # Seven of eight are in; nobody waits for the eighth.
        first_of_next_round = self.suggest()
        self.assertEqual((first_of_next_round["trial_id"], first_of_next_round["to_epoch"]),
                         ("9", "2"))
        self.report(straggler, completed={"error": 0.45, "checkpoint_id": "c1"})
        promoted = [self.suggest() for _ in range(4)]
        self.assertEqual([p["trial_id"] for p in promoted], ["2", "3", "4", "1"])
        self.assertEqual({p["to_epoch"] for p in promoted}, {"4"})
        self.assertEqual({p["from_epoch"] for p in promoted}, {"2"})
        self.assertEqual([p["checkpoint_id"] for p in promoted], ["c2", "c3", "c4", "c1"])

    def test_a_trial_shows_its_results_and_its_curve(self):
        self.grpcurl(STUDY + "CreateStudy", study("curve"))
        assignment = self.suggest()
        self.report(assignment, progress={"points": [{"epoch": 1, "error": 0.9}]})
        self.report(assignment, completed={"error": 0.5, "metrics": {"test_error": 0.6}})
        trial = self.grpcurl(STUDY + "GetTrial", {"name": "curve", "trial_id": 1})
        self.assertEqual(trial["curve"], [{"epoch": "1", "error": 0.9}, {"epoch": "2", "error": 0.5}])
        self.assertEqual(trial["results"][0]["metrics"], {"test_error": 0.6})

    def refused_study(self, *words, **changes):
        text = self.grpcurl(STUDY + "CreateStudy", study("bad", **changes), code="InvalidArgument")
        for word in words:
            self.assertIn(word, text)

    def test_bad_studies_are_refused_by_field_value_and_what_is_allowed(self):
        def halving(**changes):
            return {"min_epochs": 2, "max_epochs": 10, "eta": 2, **changes}

        def space(**domain):
            return [{"name": "x", **domain}]

        self.refused_study("parameters", "at least one", parameters=[], initial_configs=None)
        self.refused_study("(x)", "min 5", "max 3", parameters=space(float={"min": 5, "max": 3}))
        self.refused_study("(x)", "min 0", "> 0",
                           parameters=space(float={"min": 0, "max": 1, "log": True}))
        self.refused_study("(x)", "nan", "finite", parameters=space(float={"min": "NaN", "max": 1}))
        self.refused_study("halving.eta is 1", "at least 2", halving=halving(eta=1))
        self.refused_study("max_epochs 1", "min <= max", halving=halving(max_epochs=1))
        self.refused_study('"a/b"', "letters", name="a/b")
        self.refused_study("limits", "max_evaluations", limits={})
        self.refused_study("initial_configs[0]", "learning_rate = 7", "0.01 to 1",
                           initial_configs=[{"learning_rate": 7, "batch_size": 64}])
        self.refused_study("initial_configs[0]", 'lacks "batch_size"', "32 to 255",
                           initial_configs=[{"learning_rate": 0.5}])
        self.refused_study("initial_configs[0]", '"depth"', "none of the study's parameters",
                           initial_configs=[{"learning_rate": 0.5, "batch_size": 64, "depth": 3}])
        self.assertEqual(self.grpcurl(STUDY + "ListStudies", {}), {})

    def test_unknown_things_are_not_found(self):
        self.assertIn('"nobody"', self.grpcurl(STUDY + "GetStatus", {"name": "nobody"},
                                               code="NotFound"))
        self.grpcurl(STUDY + "CreateStudy", study("known"))
        self.assertIn("99", self.grpcurl(STUDY + "GetTrial", {"name": "known", "trial_id": 99},
                                         code="NotFound"))
        self.assertIn("lease_id", self.grpcurl(
            WORKER + "Report", {"lease_id": "1.1.1.0123456789abcdef01234567",
                                "completed": {"error": 1}}, code="NotFound"))

    def test_a_message_of_5_mib_is_refused(self):
        request = study("big", objective_options={"text": "x" * (5 << 20)})
        path = self.dir / "big.json"
        path.write_text(json.dumps(request))
        text = self.halving("create", path, code=1)
        self.assertIn("2097152", text)


if __name__ == "__main__":
    harness.main()
