"""Halving's contract for Python's gRPC: a client of both services and of health, without a plugin.

The messages are generated into the build folder; PYTHONPATH says where.
"""

import os
import sys

# So often an idle channel of Python's looks at its connection, the server's farewell included.
os.environ.setdefault("GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS", "50")

try:
    import grpc
    from google.protobuf import json_format
except ImportError as error:
    print(f"skipped: {error}; install python3-grpcio and python3-protobuf")
    sys.exit(77)

import health_pb2
from halving.v1 import study_pb2, worker_pb2

# Neither says whether the call took effect; the same request again finds out.
OPEN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL)

STUDY = {
    "CreateStudy": study_pb2.Study, "GetStudy": study_pb2.Study,
    "GetStatus": study_pb2.StudyStatus, "ListTrials": study_pb2.ListTrialsResponse,
    "GetTrial": study_pb2.Trial, "ListWorkers": study_pb2.ListWorkersResponse,
    "ListStudies": study_pb2.ListStudiesResponse, "PauseStudy": study_pb2.Study,
    "StopStudy": study_pb2.Study,
}
WORKER = {"Suggest": worker_pb2.SuggestResponse, "Report": worker_pb2.ReportResponse}


def code_of(error):
    return error.code() if isinstance(error, grpc.RpcError) else None


class Client:
    """One connection of its own. Each call is tried once; grpc.RpcError when it is refused.

    A call waits for the connection: those that fail at once leave nobody who would make it.
    """

    def __init__(self, address):
        self._channel = grpc.insecure_channel(address, options=[
            ("grpc.use_local_subchannel_pool", 1),  # Else equal addresses share a connection.
            ("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 200),
            ("grpc.enable_retries", 0)])
        self._methods = {}

    def close(self):
        self._channel.close()

    def _call(self, path, request, answer, timeout_s):
        if path not in self._methods:
            self._methods[path] = self._channel.unary_unary(
                path, type(request).SerializeToString, answer.FromString)
        return self._methods[path](request, timeout=timeout_s, wait_for_ready=True)

    def study(self, method, request, timeout_s=20):
        return self._call(f"/halving.v1.StudyService/{method}", request, STUDY[method], timeout_s)

    def worker(self, method, request, timeout_s=20):
        return self._call(f"/halving.v1.WorkerService/{method}", request, WORKER[method], timeout_s)

    def is_serving(self, service=""):
        """What health says; None when it says nothing."""
        try:
            answer = self._call("/grpc.health.v1.Health/Check",
                                health_pb2.HealthCheckRequest(service=service),
                                health_pb2.HealthCheckResponse, 5)
        except grpc.RpcError:
            return None
        return answer.status == health_pb2.HealthCheckResponse.SERVING

    def create(self, request):
        """Creates a study from the harness's dict."""
        return self.study("CreateStudy", json_format.ParseDict(request,
                                                               study_pb2.CreateStudyRequest()))

    def status(self, name):
        return self.study("GetStatus", study_pb2.GetStatusRequest(name=name))

    def trial(self, name, trial_id):
        return self.study("GetTrial", study_pb2.GetTrialRequest(name=name, trial_id=trial_id))

    def trials(self, name):
        """All trials of a study, by id."""
        found, token = {}, ""
        while True:
            answer = self.study("ListTrials", study_pb2.ListTrialsRequest(
                name=name, page_size=1000, page_token=token))
            found.update((trial.id, trial) for trial in answer.trials)
            token = answer.next_page_token
            if not token:
                return found

    def suggest(self, worker_id, request_id="", wait_s=0, incarnation="", objectives=(),
                timeout_s=20):
        """An Assignment, or None."""
        answer = self.worker("Suggest", ask(worker_id, request_id, wait_s, incarnation, objectives),
                             timeout_s)
        return answer.assignment if answer.HasField("assignment") else None

    def complete(self, assignment, error, **fields):
        return self.worker("Report", completed(assignment, error, **fields))

    def progress(self, assignment, timeout_s=20):
        return self.worker("Report", worker_pb2.ReportRequest(
            lease_id=assignment.lease_id, progress=worker_pb2.Progress()), timeout_s)


_asks = iter(range(1, 1 << 60))


def ask(worker_id, request_id="", wait_s=0, incarnation="", objectives=()):
    request = worker_pb2.SuggestRequest(worker_id=worker_id, incarnation=incarnation,
                                        request_id=request_id or f"ask-{next(_asks)}",
                                        objectives=objectives)
    request.wait.FromMilliseconds(int(wait_s * 1000))
    return request


def completed(assignment, error, checkpoint_id=None, points=(), next_ask=None):
    if checkpoint_id is None:
        checkpoint_id = f"{assignment.study}-{assignment.trial_id}-{assignment.to_epoch}"
    outcome = worker_pb2.Completed(error=error, checkpoint_id=checkpoint_id, points=points)
    return worker_pb2.ReportRequest(lease_id=assignment.lease_id, completed=outcome, next=next_ask)


def point(epoch, error):
    return study_pb2.CurvePoint(epoch=epoch, error=error)


def state(status_or_study):
    """"COMPLETED" and so on, of a StudyStatus or a Study."""
    study = getattr(status_or_study, "study", status_or_study)
    return study_pb2.StudyState.Name(study.state).removeprefix("STUDY_STATE_")


def trial_state(trial):
    return study_pb2.TrialState.Name(trial.state).removeprefix("TRIAL_STATE_")


def results_per_rung(status):
    return {rung.epochs: rung.reported for rung in status.rungs}
