"""What the tests of attacks share: a server that is watched, and a good client beside the attacker."""

import contextlib
import re
import threading
import time

import client
import harness
from client import grpc, study_pb2
from harness import study, wait_for

main = harness.main
PATH = "/halving.v1.StudyService/GetStudy"
# A server's memory may grow so far under any attack: what gRPC and the allocator keep.
FLAT_MB = 128
PROMPT_S = 5


class AttackTest(harness.EndToEndTest):

    SERVER = ()  # More flags.

    def setUp(self):
        super().setUp()
        self.server = self.start_server(*self.SERVER)
        self.client = self.connect()
        self.client.create(study("real"))
        self.before_mb = self.memory_mb()

    def connect(self):
        connected = client.Client(self.address)
        self.addCleanup(connected.close)
        return connected

    def memory_mb(self, line="VmHWM"):
        """The most that the server ever had."""
        with open(f"/proc/{self.server.popen.pid}/status", encoding="utf-8") as status:
            return int(re.search(rf"{line}:\s+(\d+) kB", status.read())[1]) / 1024

    def processor_s(self):
        with open(f"/proc/{self.server.popen.pid}/stat", encoding="utf-8") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def assert_memory_stayed_flat(self, most_mb=FLAT_MB):
        grown = self.memory_mb() - self.before_mb
        self.assertLess(grown, most_mb, f"it grew from {self.before_mb:.0f} MB by {grown:.0f} MB")

    def assert_it_serves(self):
        """And is the process that it was, with the study that it had."""
        self.assertIsNone(self.server.popen.poll(), self.server.text())
        found = self.connect().study("GetStudy", study_pb2.GetStudyRequest(name="real"), PROMPT_S)
        self.assertEqual(found.spec.name, "real")

    @contextlib.contextmanager
    def a_good_client(self):
        """Calls all the while, on a connection of its own; each call is answered in time."""
        good = self.connect()
        failed, done = [], threading.Event()
        calls = 0

        def work():
            nonlocal calls
            while not done.wait(0.02):
                begin = time.monotonic()
                try:
                    good.study("GetStudy", study_pb2.GetStudyRequest(name="real"), PROMPT_S)
                except grpc.RpcError as error:
                    failed.append((time.monotonic() - begin, error.code(), error.details()))
                calls += 1

        thread = threading.Thread(target=work)
        thread.start()
        try:
            wait_for("the good client is served", lambda: calls > 0)
            yield
            calls_before = calls
            wait_for("the good client is still served", lambda: calls > calls_before)
        finally:
            done.set()
            thread.join()
        self.assertEqual(failed, [], f"of {calls} calls")
