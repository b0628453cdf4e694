"""A trainer that talks: to stderr and stdout, beside its events. It crashes on the trials it is told."""

import json
import os
import sys
import time

for line in sys.stdin:
    job = json.loads(line)["job"]
    options = job["options"]
    print(f"loading for trial {job['trial_id']}", file=sys.stderr, flush=True)
    print(f"config {json.dumps(job['config'])}", flush=True)
    if job["trial_id"] in options.get("crash", []):
        print("before the crash", flush=True)
        raise ValueError(f"cannot train trial {job['trial_id']}")
    while options.get("gate") and not os.path.exists(options["gate"]):
        time.sleep(0.01)
    for epoch in range(job["from_epoch"] + 1, job["to_epoch"] + 1):
        print(f"epoch {epoch} goes well", file=sys.stderr, flush=True)
        print(json.dumps({"epoch": epoch, "error": 1 / epoch}), flush=True)
    print(json.dumps({"done": {"error": 1 / job["to_epoch"]}}), flush=True)
