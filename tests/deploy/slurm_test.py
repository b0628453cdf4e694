"""deploy/slurm on a real Slurm: a cluster of two nodes of its own, and what happens to jobs."""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile

import harness
import slurm_cluster
from harness import BIN, SOURCE, TRAINER, study

SCRIPTS = SOURCE / "deploy" / "slurm"
WORKER = f"{sys.executable} {TRAINER}"


class SlurmTest(harness.EndToEndTest):

    @classmethod
    def setUpClass(cls):
        cls.cluster = None
        if slurm_cluster.missing():
            return
        folder = pathlib.Path(tempfile.mkdtemp(prefix="halving-slurm-"))
        cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
        cls.cluster = slurm_cluster.SlurmCluster(folder / "c")
        cls.addClassCleanup(cls.cluster.stop)
        cls.cluster.start()

    def setUp(self):
        if self.cluster is None:
            self.skipTest(f"{', '.join(slurm_cluster.missing())}: not there; install slurm-wlm")
        super().setUp()
        self.addCleanup(self.cluster.cancel_all)
        self.shared = self.dir / "shared"
        self.shared.mkdir()
        (self.dir / "home").mkdir()
        port = slurm_cluster.free_ports(1)[0]
        self.address = f"127.0.0.1:{port}"
        # What a user's jobs inherit from the shell that submits them.
        self.cluster.environment.update({
            "PATH": f"{BIN}:{os.environ['PATH']}:/usr/sbin:/sbin", "HOME": str(self.dir / "home"),
            "HALVING_SHARED": str(self.shared), "HALVING_PORT": str(port),
            "HALVING_NAME": "127.0.0.1", "HALVING_INSECURE": "1", "HALVING_AUTH": "off",
            "HALVING_GRACE": "8s", "FAKE_TRAINER_SAVES_ON_SIGTERM": "1"})

    def listens(self):
        host, port = self.address.split(":")
        with socket.socket() as probe:
            return probe.connect_ex((host, int(port))) == 0

    def submit_workers(self, tasks, *args):
        return self.cluster.submit(f"--array=1-{tasks}", *args, SCRIPTS / "workers.sbatch",
                                   "--trainer", WORKER, "--max-idle", "2s")

    def say_where(self, address):
        """As a server on a login node does: in one step, or a worker may read half of it."""
        (self.shared / "new").write_text(address + "\n", encoding="utf-8")
        (self.shared / "new").rename(self.shared / "server.address")

    def await_results(self, name, count):
        self.cluster.wait_for(f"{count} results of {name}",
                              lambda: int(self.status(name)["evaluations"]) >= count)

    def await_restart(self, job):
        self.cluster.wait_for(f"job {job} runs again",
                              lambda: self.cluster.job(job)["Restarts"] == "1"
                              and self.cluster.job(job)["JobState"] == "RUNNING")

    def assert_whole(self, name, evaluations):
        """All results are there, each once, and next to no epoch was trained twice."""
        status = self.wait_until_ended(name)
        self.assertEqual(status["study"]["state"], "STUDY_STATE_COMPLETED")
        self.assertEqual(int(status["evaluations"]), evaluations)
        self.assertEqual(int(status["failed_trials"]), 0)
        # Without cgroups Slurm signals the trainers of preempted workers too: one that ends before
        # its worker was told costs what it was at. It is none, most times.
        self.assertLessEqual(int(status["epochs_lost"]), 8, self.cluster.logs())
        results = [(trial["id"], result["epochs"]) for trial in self.trials(name)
                   for result in trial["results"]]
        self.assertEqual(len(results), evaluations)
        self.assertEqual(len(set(results)), evaluations)

    def test_slurm_takes_the_scripts_options(self):
        for script in sorted(SCRIPTS.glob("*.sbatch")):
            self.assertRegex(self.cluster.run("sbatch", "--test-only", script, check=False),
                             r"Job \d+ to start at")

    def test_nothing_is_lost_when_jobs_are_preempted_or_out_of_time_and_requeued(self):
        server = self.cluster.submit(SCRIPTS / "server.sbatch")
        workers = self.submit_workers(3, f"--dependency=after:{server}")
        self.cluster.wait_for("the server", (self.shared / "server.address").exists)
        self.create(study("cluster", objective_options={"pace": 0.15},
                          limits={"max_evaluations": 60}))
        self.await_results("cluster", 3)
        tasks = {task: self.cluster.job(f"{workers}_{task}")["NodeList"] for task in (1, 2, 3)}
        # A job of a higher partition wants the GPUs of one node: its workers are preempted.
        preempted = next(task for task, node in tasks.items()
                         if list(tasks.values()).count(node) == 2)
        other = next(task for task, node in tasks.items() if node != tasks[preempted])
        self.cluster.submit("--partition=urgent", f"--nodelist={tasks[preempted]}", "--gres=gpu:2",
                            "--output=/dev/null", "--wrap", "true")
        # As Slurm does it for --signal=B:USR1@90, when the time of a job is nearly up.
        self.cluster.run("scancel", "--batch", "--signal=USR1", f"{workers}_{other}")
        self.await_restart(f"{workers}_{preempted}")
        self.cluster.run("scancel", "--batch", "--signal=USR1", server)
        self.await_restart(server)
        self.cluster.wait_for("the server listens", self.listens)
        self.await_restart(f"{workers}_{other}")
        self.assert_whole("cluster", 60)
        # With nothing left to do they give their GPUs back.
        self.cluster.wait_for("the workers leave", lambda: all(
            self.cluster.job(f"{workers}_{task}")["JobState"] == "COMPLETED" for task in tasks))
        for task in tasks:  # Once each when it was told, and once when it was idle.
            log = (self.cluster.dir / f"halving-worker-{workers}_{task}.log").read_text()
            self.assertEqual(log.count(f"worker slurm:{workers}_{task} has left"), 2, log)
        self.cluster.run("scancel", server)
        self.cluster.wait_for("the server stops", lambda: self.cluster.job(server)[
            "JobState"] == "CANCELLED")
        log = (self.cluster.dir / f"halving-server-{server}.log").read_text()
        self.assertEqual(len(re.findall(r"\binfo stopped$", log, re.MULTILINE)), 2, log)

    def test_workers_follow_a_server_that_moves(self):
        server = self.start_server(listen=self.address)
        self.say_where(self.address)
        self.create(study("moving", objective_options={"pace": 0.1},
                          limits={"max_evaluations": 20}))
        worker = self.submit_workers(1)
        self.await_results("moving", 3)
        server.kill(harness.signal.SIGTERM)
        server.wait()
        self.start_server(listen="127.0.0.1:0")
        self.say_where(self.address)
        self.assertEqual(int(self.wait_until_ended("moving")["evaluations"]), 20)
        self.cluster.wait_for("the worker leaves", lambda: self.cluster.job(worker + "_1")[
            "JobState"] == "COMPLETED")

    def test_the_page_is_followed(self):
        environment = {key: value for key, value in self.cluster.environment.items()
                       if key not in ("HALVING_INSECURE", "HALVING_AUTH", "HALVING_SHARED")}
        environment.update(HALVING_BIN=str(BIN), SBATCH_OPEN_MODE="append",
                           PYTHONPATH=os.pathsep.join(sys.path))
        done = subprocess.run([sys.executable, SOURCE / "tests" / "docs" / "page_test.py",
                               SOURCE / "docs" / "slurm.md"], capture_output=True, text=True,
                              env=environment)
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, 0, said + self.cluster.logs())
        self.assertRegex(said, r"\d+ blocks were run, 1 skipped", said)

    def test_a_token_that_others_can_read_is_refused(self):
        config = self.dir / "home" / ".config" / "halving"
        config.mkdir(parents=True)
        (config / "worker.token").write_text("hv_0_0")
        (config / "worker.token").chmod(0o640)
        self.say_where(self.address)
        job = self.submit_workers(1)
        self.cluster.wait_for("the job fails", lambda: self.cluster.job(job + "_1")[
            "JobState"] == "FAILED")
        self.assertIn("worker.token can be read by others than you; chmod 600 it",
                      (self.cluster.dir / f"halving-worker-{job}_1.log").read_text())


if __name__ == "__main__":
    harness.main()
