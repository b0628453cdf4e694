"""Load: scripted workers in threads, which train nothing and lose no time.

They behave as halving-worker does: an ask is repeated under its request_id and a report as it is
until the server has answered for good, whatever dies in between. All answers go to a Ledger.
"""

import math
import random
import threading
import time

import client
import harness
from client import code_of, grpc

EVALUATIONS_PER_ROUND = 15  # Of d2l's ladder: 8 + 4 + 2 + 1.


def error_of(assignment):
    """Deterministic, and different for all trials."""
    config = assignment.config
    distance = abs(math.log10(config["learning_rate"]) + 0.7) + config["batch_size"] / 1000
    return distance / 3 + 1 / (assignment.to_epoch + 1)


def load_study(name, rounds, lease="60s", **changes):
    return harness.study(name, limits={"max_evaluations": EVALUATIONS_PER_ROUND * rounds},
                         retry={"lease": lease}, seed=len(name) + rounds, **changes)


class Stopped(Exception):
    """The load ends; what is open stays open."""


class Load:
    """`workers` threads, and one more that keeps `studies` studies running, until stop()."""

    def __init__(self, address, ledger, workers=16, studies=2, rounds=4, seed=1,
                 prefix="load"):
        self.address = address
        self.ledger = ledger
        self.rounds = rounds
        self.studies = studies
        self.prefix = prefix
        self.failures = []
        self._made = 0
        self._no_more = threading.Event()  # No more studies.
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._guard, args=(self._create,), daemon=True)]
        self._threads += [
            threading.Thread(target=self._guard, args=(self._work, f"w{n}", seed * 1000 + n),
                             daemon=True) for n in range(workers)]
        for thread in self._threads:
            thread.start()

    def finish(self, deadline_s=60):
        """No more studies; returns once those there are have ended."""
        self._no_more.set()
        self._threads[0].join(deadline_s)  # It may be creating one.
        assert not self._threads[0].is_alive(), "a study is still being created"
        server = client.Client(self.address)

        def ended():
            self.check()
            return all(client.state(server.status(name)) == "COMPLETED"
                       for name in self.ledger.open_studies())

        harness.wait_for("all studies end", ended, deadline_s)
        server.close()

    def stop(self):
        self._no_more.set()
        self._end.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "a scripted worker hangs"
        self.check()

    def check(self):
        if self.failures:
            raise self.failures[0]

    def _guard(self, run, *args):
        server = client.Client(self.address)
        try:
            run(server, *args)
        except Stopped:
            pass
        except BaseException as error:  # For the test's thread.
            self.failures.append(error)
            self._end.set()
        finally:
            server.close()

    def _until_answered(self, call):
        """The answer; an error of the server's that trying again would not change goes up."""
        while not self._end.is_set():
            try:
                return call()
            except grpc.RpcError as error:
                if code_of(error) not in client.OPEN:
                    raise
            self._end.wait(0.005)
        raise Stopped()

    def _create(self, server):
        running = []
        while not self._no_more.is_set():
            while len(running) < self.studies:
                self._made += 1
                name = f"{self.prefix}-{self._made}"
                request = load_study(name, self.rounds)
                self._until_answered(lambda r=request: server.create(r))
                self.ledger.created(name, request)
                running.append(name)
            states = {name: client.state(self._until_answered(lambda n=name: server.status(n)))
                      for name in running}
            running = [name for name in running if states[name] == "RUNNING"]
            self._no_more.wait(0.02)

    def _work(self, server, worker_id, seed):
        dice = random.Random(seed)
        incarnation = f"{worker_id}-{seed}"
        assignment = None
        while not self._end.is_set():
            if assignment is None:
                assignment = self._ask(server, worker_id, incarnation)
                continue
            if dice.random() < 0.2:
                assignment = self._progress(server, assignment)
            if assignment is not None:
                with_next = dice.random() < 0.7
                assignment = self._report(server, worker_id, incarnation, assignment, with_next)

    def _ask(self, server, worker_id, incarnation):
        request = client.ask(worker_id, wait_s=0.2, incarnation=incarnation)
        asked_at = time.monotonic()
        answer = self._until_answered(lambda: server.worker("Suggest", request, 5))
        return self._take(worker_id, answer, asked_at)

    def _take(self, worker_id, answer, asked_at):
        if not answer.HasField("assignment"):
            if answer.draining:
                self._end.wait(0.02)
            return None
        self.ledger.assigned(worker_id, answer.assignment, asked_at)
        return answer.assignment

    def _progress(self, server, assignment):
        answer = self._until_answered(lambda: server.progress(assignment, 5))
        return assignment if answer.directive != client.worker_pb2.DIRECTIVE_STOP else None

    def _report(self, server, worker_id, incarnation, assignment, with_next):
        next_ask = client.ask(worker_id, incarnation=incarnation) if with_next else None
        request = client.completed(assignment, error_of(assignment), next_ask=next_ask)
        self.ledger.reporting(assignment)
        asked_at = time.monotonic()
        answer = self._until_answered(lambda: server.worker("Report", request, 5))
        self.ledger.reported(assignment, request)
        if not answer.HasField("next"):
            return None
        return self._take(worker_id, answer.next, asked_at)
