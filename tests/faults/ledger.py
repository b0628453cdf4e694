"""What the server has acknowledged, and whether it still says so.

A load driver writes down each answer it got; `verify` asks the server anew, as after a crash.
Every complaint is an AssertionError that names the study and the trial.
"""

import threading
import time

import client
from client import code_of, grpc


class Ledger:
    """Thread-safe."""

    def __init__(self):
        self._mutex = threading.Lock()
        self._studies = {}      # name -> the CreateStudy request, as a dict
        self._assignments = {}  # (study, trial, attempt) -> lease id
        self._holders = {}      # (study, trial) -> (worker, attempt, safe until), while it runs
        self._results = {}      # (study, trial, epochs) -> the acknowledged ReportRequest
        self._settled = set()   # Studies that had ended and were found whole.
        self.acknowledged = 0   # Calls of any kind.

    def created(self, name, request):
        with self._mutex:
            self.acknowledged += 1
            self._studies[name] = request

    def assigned(self, worker_id, assignment, asked_at):
        """An answer with a trial. `asked_at`, time.monotonic() before the ask: the server counts
        the lease from a later time, so until `asked_at` + lease nobody else may get the trial."""
        now = time.monotonic()
        trial = (assignment.study, assignment.trial_id)
        key = (*trial, assignment.attempt)
        with self._mutex:
            self.acknowledged += 1
            known = self._assignments.setdefault(key, assignment.lease_id)
            assert known == assignment.lease_id, f"{key} was handed out under two leases"
            holder = self._holders.get(trial)
            if holder is not None and holder[0] != worker_id:
                assert now >= holder[2], (
                    f"{key} went to {worker_id} while {holder[0]} held attempt {holder[1]} for "
                    f"{holder[2] - now:.3f} s more")
            lease_s = assignment.lease.ToMilliseconds() / 1000
            self._holders[trial] = (worker_id, assignment.attempt, asked_at + lease_s)

    def reporting(self, assignment):
        """Before a final report is sent: it ends the lease, whether its answer comes or not."""
        with self._mutex:
            self._holders.pop((assignment.study, assignment.trial_id), None)

    def reported(self, assignment, request):
        key = (assignment.study, assignment.trial_id, assignment.to_epoch)
        with self._mutex:
            self.acknowledged += 1
            before = self._results.setdefault(key, request)
            assert before.lease_id == request.lease_id, f"{key}: two results were acknowledged"

    @property
    def results(self):
        with self._mutex:
            return dict(self._results)

    @property
    def studies(self):
        with self._mutex:
            return list(self._studies)

    def open_studies(self):
        with self._mutex:
            return [name for name in self._studies if name not in self._settled]

    def verify(self, server):
        """Every acknowledged study, assignment and result is there, each result once; studies that
        had ended are not looked at again."""
        for name in self.open_studies():
            self.verify_study(server, name)

    def verify_all(self, server):
        """Also those studies that had ended."""
        for name in self.studies:
            self.verify_study(server, name)

    def verify_study(self, server, name):
        # First what was acknowledged, then what is shown: the load may go on in the meantime.
        with self._mutex:
            results = {key: request for key, request in self._results.items() if key[0] == name}
            attempts = [key for key in self._assignments if key[0] == name]
        trials = server.trials(name)
        shown = {}
        for trial in trials.values():
            for result in trial.results:
                key = (name, trial.id, result.epochs)
                assert key not in shown, f"{key} is shown twice"
                shown[key] = result.error
        for key, request in results.items():
            assert key in shown, f"{key}: an acknowledged result is lost"
            want = request.completed.error
            assert shown[key] == want, f"{key}: {want} was acknowledged, {shown[key]} is shown"
        for _, trial_id, attempt in attempts:
            assert trial_id in trials, f"{name}: the acknowledged trial {trial_id} is lost"
            assert trials[trial_id].attempts >= attempt, (
                f"{name} trial {trial_id}: attempt {attempt} was acknowledged, "
                f"{trials[trial_id].attempts} is shown")
        status = server.status(name)
        assert status.evaluations == sum(rung.reported for rung in status.rungs), status
        assert len(shown) <= status.evaluations, (
            f"{name}: {len(shown)} results are shown, {status.evaluations} were counted before")
        if client.state(status) not in ("RUNNING", "PAUSED"):
            results = server_results(server, name)
            assert status.evaluations == len(results), f"{name}: {len(results)} results"
            with self._mutex:
                self._settled.add(name)

    def verify_repeats(self, server, keys):
        """The same report again is a duplicate, another one under its lease is refused."""
        results = self.results
        for key in keys:
            again = type(results[key])()
            again.CopyFrom(results[key])
            again.ClearField("next")
            answer = server.worker("Report", again)
            assert answer.duplicate, f"{key}: the report was counted twice"
            again.completed.error += 1
            refusal = None
            try:
                server.worker("Report", again)
            except grpc.RpcError as error:
                refusal = code_of(error)
            assert refusal == grpc.StatusCode.ALREADY_EXISTS, f"{key}: a conflict got {refusal}"


def server_results(server, name):
    """(trial, epochs) -> error, as shown."""
    return {(trial.id, result.epochs): result.error
            for trial in server.trials(name).values() for result in trial.results}
