#!/usr/bin/env python3
"""A client in Python: creates a study, watches it, shows its best trials, and makes a data frame.

    apt-get install python3-grpcio protobuf-compiler-grpc   # or: pip install grpcio grpcio-tools
    mkdir -p stubs
    protoc -I proto --python_out=stubs --grpc_python_out=stubs \\
        --plugin=protoc-gen-grpc_python=$(which grpc_python_plugin) proto/halving/v1/study.proto
    PYTHONPATH=stubs python3 examples/client.py examples/minimal.json

(With grpcio-tools: python3 -m grpc_tools.protoc -I proto --python_out=stubs
--grpc_python_out=stubs proto/halving/v1/study.proto.) In a notebook:

    import client
    client.trials_frame("minimal").sort_values("error")

trials_frame() needs pandas, and the `halving` command on the PATH; all else does without.
"""

import json
import os
import subprocess
import sys

import grpc
from google.protobuf import json_format
from halving.v1 import study_pb2, study_pb2_grpc

SERVER = os.environ.get("HALVING_SERVER", "127.0.0.1:7070")


def connect(server=SERVER):
    return study_pb2_grpc.StudyServiceStub(grpc.insecure_channel(server))


def create(studies, path):
    """Creates the study of a JSON file, or finds it: the same request again changes nothing."""
    with open(path, encoding="utf-8") as file:
        request = json_format.ParseDict(json.load(file), study_pb2.CreateStudyRequest())
    return studies.CreateStudy(request, wait_for_ready=True)


def watch(studies, name, interval_s=1):
    """Yields a StudyStatus at once and after each change, until the study ends."""
    request = study_pb2.WatchStatusRequest(name=name)
    request.min_interval.seconds = interval_s
    yield from studies.WatchStatus(request)


def best_trials(studies, name, count=5):
    """The best first: those that trained longest, and of them the lowest error."""
    request = study_pb2.ListTrialsRequest(name=name, by_error=True, page_size=count)
    return [trial for trial in studies.ListTrials(request).trials if trial.results]


def trials_frame(study, server=SERVER):
    """All results of a study, one row each, as a pandas.DataFrame."""
    import pandas  # Here, so that the rest does without it.
    lines = subprocess.run(["halving", "--server", server, "export", study, "--format", "jsonl",
                            "-o", "-"], check=True, stdout=subprocess.PIPE, text=True).stdout
    rows = []
    for trial in map(json.loads, lines.splitlines()):
        for result in trial.get("results", []):
            rows.append({"trial": int(trial["id"]), "round": int(trial.get("round", 0)),
                         "state": trial["state"].replace("TRIAL_STATE_", ""),
                         "epochs": int(result["epochs"]), "error": float(result["error"]),
                         **trial["config"], **result.get("metrics", {})})
    return pandas.DataFrame(rows)


def main():
    studies = connect()
    name = create(studies, sys.argv[1]).spec.name
    for status in watch(studies, name):
        print(f"{status.evaluations} evaluations, {status.running_total} running, "
              f"{status.progress:.0%}", flush=True)
    print(f"{name} has ended: {status.study.end_reason}")
    for trial in best_trials(studies, name):
        result = trial.results[-1]
        print(f"trial {trial.id}: error {result.error:.4g} at {result.epochs} epochs, "
              f"{dict(trial.config)}")


if __name__ == "__main__":
    main()
