"""What the tests of faults share: a server that can be killed, loaded and given a bad disk."""

import os
import pathlib
import random
import signal
import sys
import threading
import time

import client
import harness

DISK_FAULTS = pathlib.Path(os.environ.get("HALVING_DISK_FAULTS", "/nonexistent"))
ROUND = {2: 8, 4: 4, 8: 2, 10: 1}  # Results of one round of d2l's study.
main = harness.main


class FaultTest(harness.EndToEndTest):
    """Every random choice comes from self.dice, whose seed a failure shows."""

    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("HALVING_SEED") or random.SystemRandom().randrange(1 << 32))
        self.dice = random.Random(self.seed)
        self.rule = self.dir / "disk-faults"
        self.start_time = time.monotonic()
        self.addCleanup(self._say_seed)
        self.server = None
        self.client = None

    def _say_seed(self):
        print(f"{time.monotonic() - self.start_time:.1f} s, HALVING_SEED={self.seed}",
              end=" ... ", file=sys.stderr)

    def connect(self):
        connected = client.Client(self.address)
        self.addCleanup(connected.close)
        return connected

    def serve(self, *args, **kwargs):
        """Starts self.server, or starts it anew, and connects self.client."""
        self.server = self.start_server(*args, **kwargs)
        self.client = self.connect()  # A connection to the last one may not know yet that it died.

    def bad_disk(self):
        """The environment of a server whose disk obeys set_disk()."""
        if not DISK_FAULTS.exists():
            self.skipTest(f"{DISK_FAULTS} is not there: HALVING_DISK_FAULTS names the library")
        return {**os.environ, "LD_PRELOAD": str(DISK_FAULTS), "DISK_FAULTS": str(self.rule)}

    def set_disk(self, rule=""):
        """What the disk does from now on; disk_faults.c has the words. Whole, or not at all."""
        new = self.rule.with_suffix(".new")
        new.write_text(rule)
        new.replace(self.rule)

    def restart(self, **kwargs):
        """A new server after the last one died, on a disk that is well."""
        self.server.wait()
        self.set_disk()
        self.serve(**kwargs)

    def kill_server(self, number=signal.SIGKILL):
        self.server.kill(number)
        self.server.wait()

    def wait_for_death(self, number, deadline_s=20):
        """The server ends by this signal, of itself."""
        code = self.server.wait(deadline_s)
        self.assertEqual(code, -number, self.server.text())

    def wait_for_worker(self, worker_id):
        """It has asked for a trial."""
        request = client.study_pb2.ListWorkersRequest()
        harness.wait_for(f"worker {worker_id} asks", lambda: any(
            worker.worker_id == worker_id
            for worker in self.client.study("ListWorkers", request).workers))

    def assert_rounds(self, status, rounds):
        """Ended, with exactly what was planned."""
        self.assertEqual(client.state(status), "COMPLETED", status)
        self.assertEqual(client.results_per_rung(status),
                         {epochs: count * rounds for epochs, count in ROUND.items()})
        self.assertEqual(status.evaluations, sum(ROUND.values()) * rounds)
        self.assertEqual((status.running_total, status.failed_trials), (0, 0), status)

    def ranking(self, name):
        """Trial ids, best first, each with all its errors."""
        listed = self.halving("trials", name, "--by-error", "--json").splitlines()
        return [(t["id"], [(r["epochs"], r["error"]) for r in t["results"]])
                for t in map(harness.json.loads, listed)]


def at_once(calls):
    """Runs all calls at the same time, each in a thread; their answers or errors, in order."""
    answers = [None] * len(calls)
    together = threading.Barrier(len(calls))

    def run(number):
        together.wait()
        answers[number] = refusal(calls[number])

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def descendants(pid):
    """Processes below this one, children before grandchildren."""
    children = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # It has ended.
        children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found, level = [], [pid]
    while level:
        level = [child for parent in level for child in children.get(parent, [])]
        found += level
    return found


def refusal(call, *args, **kwargs):
    """The code and the message that a call is refused with; (None, the answer) if it is not."""
    try:
        return None, call(*args, **kwargs)
    except client.grpc.RpcError as error:
        return error.code(), error.details()
