"""Real processes for tests/e2e and tests/faults: a server, workers, the halving command, grpcurl.

Nothing here waits for a fixed time: it polls with a deadline, and a deadline that passes is a failure
that shows the logs.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from waiting import DEADLINE_S, wait_for

BIN = pathlib.Path(os.environ["HALVING_BIN"])
SOURCE = pathlib.Path(__file__).resolve().parents[2]
TRAINER = SOURCE / "tests" / "e2e" / "fake_trainer.py"
GRPCURL = SOURCE / "build" / "tools" / "grpcurl"


def study(study_name, /, **changes):
    """d2l's study as CreateStudyRequest, with changes to its spec."""
    spec = {
        "name": study_name,
        "objective": "fake",
        "parameters": [
            {"name": "learning_rate", "float": {"min": 0.01, "max": 1, "log": True}},
            {"name": "batch_size", "int": {"min": 32, "max": 255}},
        ],
        "initial_configs": [{"learning_rate": 0.1, "batch_size": 128}],
        "halving": {"min_epochs": 2, "max_epochs": 10, "eta": 2},
        "limits": {"max_evaluations": 30},
        "seed": 7,
    }
    spec.update(changes)
    return {"study": {key: value for key, value in spec.items() if value is not None}}


class Process:
    """A child whose output goes to a file of the test."""

    def __init__(self, log, args, **kwargs):
        self.log = pathlib.Path(log)
        with open(self.log, "ab") as out:
            self.popen = subprocess.Popen(
                [str(a) for a in args], stdout=out, stderr=out, start_new_session=True, **kwargs)

    def text(self):
        return self.log.read_text(errors="replace")

    def kill(self, number=signal.SIGKILL):
        if self.popen.poll() is None:
            self.popen.send_signal(number)

    def wait(self, deadline_s=DEADLINE_S):
        try:
            return self.popen.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.popen.args} still runs\n{self.text()}") from None


class EndToEndTest(unittest.TestCase):
    """A folder of its own for each test, and no process left behind."""

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="halving-e2e-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.address = None
        self.http = None  # http://HOST:PORT, of a server that was started with --http.
        self.processes = []
        self.addCleanup(self._end_processes)

    def _end_processes(self):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()

    def start(self, name, *args, **kwargs):
        process = Process(self.dir / f"{name}.log", args, **kwargs)
        self.processes.append(process)
        return process

    def start_server(self, *args, listen=None, data=None, **kwargs):
        """Starts a server, by default where the last one of this test listened."""
        listen = listen or self.address or "127.0.0.1:0"
        log = self.dir / f"server-{len(self.processes)}.log"
        if "--http" not in args:  # Its usual port is one for all tests that run now.
            args += ("--http", "off")
        process = self.start(log.stem, BIN / "halving-server", "--listen", listen, "--data-dir",
                             data or self.dir / "data", *args, **kwargs)

        def ready():
            found = re.search(r"listening on ([^,]+),", process.text())
            if found is None and process.popen.poll() is not None:
                raise AssertionError("the server ended: " + process.text())
            return found

        self.address = wait_for("the server listens", ready).group(1)
        dashboard = re.search(r"dashboard on (\S+)", process.text())
        self.http = dashboard.group(1) if dashboard else None
        return process

    def start_worker(self, worker_id, *args, trainer=f"{sys.executable} {TRAINER}",
                     checkpoints="checkpoints", **kwargs):
        command = [BIN / "halving-worker", "--server", self.address, "--id", worker_id,
                   "--checkpoint-dir", self.dir / checkpoints]
        if trainer is not None:
            command += ["--trainer", trainer]
        return self.start(worker_id, *command, *args, **kwargs)

    def halving(self, *args, code=0, text=None):
        """Runs the halving command; its standard output."""
        done = subprocess.run([BIN / "halving", "--server", self.address, *map(str, args)],
                              input=text, capture_output=True, text=True, timeout=DEADLINE_S)
        self.assertEqual(done.returncode, code, f"{args}\n{done.stdout}\n{done.stderr}")
        return done.stdout if code == 0 else done.stdout + done.stderr

    def create(self, request):
        path = self.dir / "study.json"
        path.write_text(json.dumps(request))
        return self.halving("create", path)

    def hold_after_results(self, name, results):
        """A study, worked on by w1, is held once it has so many; the file that lets it go on."""
        gate = self.dir / "gate"
        gate.touch()
        self.create(study(name, objective_options={"gate": str(gate)}))
        self.start_worker("w1")
        wait_for("results", lambda: int(self.status(name)["evaluations"]) >= results)
        gate.unlink()
        return gate

    def status(self, name):
        return json.loads(self.halving("status", name, "--json"))

    def wait_until_ended(self, name, deadline_s=DEADLINE_S):
        def ended():
            status = self.status(name)
            state = status["study"]["state"]
            return status if state not in ("STUDY_STATE_RUNNING", "STUDY_STATE_PAUSED") else None

        return wait_for(f"study {name} ends", ended, deadline_s)

    def trials(self, name):
        return [json.loads(line) for line in self.halving("trials", name, "--json").splitlines()]

    def require_grpcurl(self):
        if not GRPCURL.exists():
            self.skipTest("grpcurl is not there: scripts/install-grpcurl says why")

    def grpcurl(self, method, request=None, code=None):
        """Calls a method by the real grpcurl; the answer as a dict, or the error's text."""
        data = ["-d", json.dumps(request)] if request is not None else []
        done = subprocess.run([GRPCURL, "-plaintext", *data, self.address, *method.split()],
                              capture_output=True, text=True, timeout=DEADLINE_S)
        if code is not None:
            self.assertNotEqual(done.returncode, 0, done.stdout)
            self.assertIn(f"Code: {code}", done.stderr)
            return done.stderr
        self.assertEqual(done.returncode, 0, f"{method} {request}\n{done.stderr}")
        return json.loads(done.stdout) if request is not None else done.stdout


def main():
    """Like unittest.main(), but 77 (skipped, for ctest) when nothing ran."""
    program = unittest.main(exit=False, verbosity=2)
    result = program.result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.testsRun == len(result.skipped) else 0)
