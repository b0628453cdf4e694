"""Waiting for what other processes do."""

import time

DEADLINE_S = 60


def wait_for(what, condition, deadline_s=DEADLINE_S):
    """Polls until `condition()` is true and returns its value; AssertionError after the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {deadline_s} s")
        time.sleep(0.02)
