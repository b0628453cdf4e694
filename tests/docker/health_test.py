"""The health checks of the images, asked of a server and a worker outside of containers."""

import os
import pathlib
import shutil
import subprocess
import unittest

from harness import SOURCE, EndToEndTest, wait_for

DOCKER = SOURCE / "docker"


class HealthTest(EndToEndTest):

    def ask(self, who, **environment):
        done = subprocess.run([DOCKER / f"{who}-health"], capture_output=True, timeout=30, env={
            "PATH": os.environ["PATH"], **environment})
        return done.returncode == 0

    def test_a_server_is_healthy_while_it_answers(self):
        if shutil.which("curl") is None:
            self.skipTest("curl is not there; install curl")
        server = self.start_server("--http", "127.0.0.1:0")
        http = self.http.removeprefix("http://")
        self.assertTrue(self.ask("server", HALVING_HTTP=http))
        self.assertTrue(self.ask("server", HALVING_HTTP="off", HALVING_LISTEN=self.address))
        server.kill()
        server.wait()
        self.assertFalse(self.ask("server", HALVING_HTTP=http))
        self.assertFalse(self.ask("server", HALVING_HTTP="off", HALVING_LISTEN=self.address))

    def test_a_worker_is_healthy_while_it_has_a_connection(self):
        if not pathlib.Path("/proc/net/tcp").exists():
            self.skipTest("there is no /proc/net/tcp")
        self.start_server()
        self.assertFalse(self.ask("worker", HALVING_SERVER=self.address))
        worker = self.start_worker("w1")
        wait_for("the worker is healthy", lambda: self.ask("worker", HALVING_SERVER=self.address))
        worker.kill()
        worker.wait()
        wait_for("it no longer is", lambda: not self.ask("worker", HALVING_SERVER=self.address))


if __name__ == "__main__":
    unittest.main()
