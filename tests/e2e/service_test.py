"""What server and worker tell a service manager: sd_notify's protocol, on a real datagram socket."""

import os
import re
import signal
import socket
import time
import unittest

import harness
from harness import BIN, study


class Manager:
    """Its socket, and each message with the time at which it came."""

    def __init__(self, name):
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self.socket.settimeout(harness.DEADLINE_S)

    def next(self):
        try:
            return time.monotonic(), self.socket.recv(4096).decode()
        except TimeoutError:
            raise AssertionError(f"nothing came within {harness.DEADLINE_S} s") from None

    def wait(self, message):
        """When it came; what came before it is passed over."""
        while True:
            when, got = self.next()
            if got == message:
                return when

    def environment(self, **more):
        return {**os.environ, "NOTIFY_SOCKET": self.name, **more}


class ServiceTest(harness.EndToEndTest):

    def manager(self, name=None):
        manager = Manager(name or str(self.dir / "notify"))
        self.addCleanup(manager.socket.close)
        return manager

    def start_notifying(self, manager, **more):
        return self.start("server", BIN / "halving-server", "--listen", "127.0.0.1:0", "--http",
                          "off", "--data-dir", self.dir / "data", env=manager.environment(**more))

    def address_of(self, server):
        return re.search(r"listening on ([^,]+),", server.text()).group(1)

    def test_the_server_says_ready_once_its_port_answers_and_then_that_it_stops(self):
        manager = self.manager()
        server = self.start_notifying(manager)
        self.assertEqual(manager.next()[1], "READY=1")
        self.address = self.address_of(server)  # At once, without a second try:
        self.assertIn("no study yet", self.halving("list"))
        server.kill(signal.SIGTERM)
        self.assertEqual(manager.next()[1], "STOPPING=1")
        self.assertEqual(server.wait(), 0, server.text())

    def test_the_watchdog_hears_from_the_server_twice_within_its_time(self):
        manager = self.manager("@halving-service-test-" + self.dir.name)
        server = self.start_notifying(manager, WATCHDOG_USEC="1000000")
        manager.wait("READY=1")
        times = [manager.wait("WATCHDOG=1") for _ in range(6)]
        # Five halves of a second, less what the first one was late.
        self.assertGreater(times[-1] - times[0], 3.5 * 0.5)
        self.assertLess(times[-1] - times[0], 5 * 0.5 + 2)
        server.kill(signal.SIGTERM)
        manager.wait("STOPPING=1")

    def test_a_watchdog_for_another_process_is_left_alone(self):
        manager = self.manager()
        server = self.start_notifying(manager, WATCHDOG_USEC="10000", WATCHDOG_PID="1")
        self.assertEqual(manager.next()[1], "READY=1")
        server.kill(signal.SIGTERM)
        self.assertEqual(manager.next()[1], "STOPPING=1")

    def test_a_manager_that_is_gone_stops_nothing(self):
        server = self.start("server", BIN / "halving-server", "--listen", "127.0.0.1:0", "--http",
                            "off", "--data-dir", self.dir / "data",
                            env={**os.environ, "NOTIFY_SOCKET": str(self.dir / "nobody")})
        harness.wait_for("it says so", lambda: "NOTIFY_SOCKET is" in server.text())
        self.address = self.address_of(server)
        self.halving("list")

    def test_the_worker_says_what_it_is_at_and_its_trainer_hears_nothing_of_the_manager(self):
        self.start_server()
        self.create(study("watched"))
        manager = self.manager()
        seen = self.dir / "environment"
        trainer = f"env > {seen}; exec /usr/bin/env python3 {harness.TRAINER}"
        worker = self.start_worker("w1", trainer=trainer, env=manager.environment())
        self.assertEqual(manager.next()[1], "READY=1")
        texts = []
        while not texts or "trial" not in texts[-1] or "asking" in texts[-1]:
            texts.append(manager.next()[1])
        self.assertRegex(texts[-1], r"^STATUS=trial \d+ of study watched, from epoch 0 to 2$")
        harness.wait_for("the trainer runs", lambda: seen.exists() and "PATH=" in seen.read_text())
        worker.kill(signal.SIGTERM)
        manager.wait("STOPPING=1")
        self.assertEqual(worker.wait(), 0, worker.text())
        self.assertNotIn("NOTIFY_SOCKET", seen.read_text())


if __name__ == "__main__":
    harness.main()
