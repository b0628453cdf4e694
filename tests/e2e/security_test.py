"""TLS, client certificates and tokens between real processes, also across a network namespace."""

import os
import signal
import subprocess

import certs
import harness
from harness import wait_for


class SecureTest(harness.EndToEndTest):
    NAMES = "DNS:localhost,IP:127.0.0.1"
    SPACE = None  # Where workers and people are.

    def setUp(self):
        super().setUp()
        self.authority = certs.Authority(self.dir / "tls")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("HALVING_T")}

    def start_secure_server(self, *args, listen="127.0.0.1:0"):
        cert, key = self.authority.issue("server", self.NAMES)
        self.server = self.start_server(
            "--tls-cert", cert, "--tls-key", key, "--tls-ca", self.authority.ca,
            "--auth", "tokens", "--log-level", "trace", *args, listen=listen, env=self.environment)
        self.admin = self.dir / "data" / "admin.token"
        self.authority.issue("client")

    def link(self, token, cert="client"):
        folder = self.authority.folder
        return ["--tls-ca", self.authority.ca, "--tls-cert", folder / f"{cert}.pem",
                "--tls-key", folder / f"{cert}.key", "--token-file", token]

    def inside(self, *command):
        return ["ip", "netns", "exec", self.SPACE, *command] if self.SPACE else list(command)

    def halving(self, *args, code=0, text=None, link=None):
        command = self.inside(harness.BIN / "halving", "--server", self.address,
                              *(link or self.link(self.admin)), *args)
        done = subprocess.run([str(a) for a in command], input=text, capture_output=True, text=True,
                              timeout=harness.DEADLINE_S, env=self.environment)
        self.assertEqual(done.returncode, code, f"{args}\n{done.stdout}\n{done.stderr}")
        return done.stdout if code == 0 else done.stdout + done.stderr

    def make_token(self, name, *args):
        path = self.dir / f"{name}.token"
        self.halving("token", "create", name, *args, "--file", path)
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        return path

    def start_secure_worker(self, name, token):
        trainer = f"{harness.sys.executable} {harness.TRAINER}"
        command = self.inside(harness.BIN / "halving-worker", "--server", self.address, "--id", name,
                              "--checkpoint-dir", self.dir / "checkpoints", "--trainer", trainer,
                              "--log-level", "trace", *self.link(token))
        return self.start(name, *command, env=self.environment)

    def finish(self, name):
        status = self.wait_until_ended(name)
        self.assertEqual(status["study"]["state"], "STUDY_STATE_COMPLETED")
        return status

    def check_swap(self):
        """A study goes on, and to its end, while every certificate is replaced."""
        worker_token = self.make_token("worker", "--role", "worker")
        gate = self.dir / "gate"
        gate.touch()
        self.create(harness.study("swap", objective_options={"gate": str(gate)}))
        first = self.start_secure_worker("w1", worker_token)
        wait_for("results", lambda: int(self.status("swap")["evaluations"]) >= 3)
        gate.unlink()
        self.authority.issue("server", self.NAMES)
        self.authority.issue("client")
        wait_for("the server reads them", lambda: "new certificates" in self.server.text())
        second = self.start_secure_worker("w2", worker_token)  # By a new connection.
        wait_for("w2 is there", lambda: "w2" in self.halving("workers", "-o", "name"))
        gate.touch()
        status = self.finish("swap")
        self.assertEqual(int(status["evaluations"]), 30)
        self.assertEqual(int(status["epochs_lost"]), 0)
        for worker in (first, second):
            self.assertIsNone(worker.popen.poll(), worker.text())
            worker.kill(signal.SIGTERM)
            self.assertEqual(worker.wait(), 0, worker.text())

    def check_no_secret(self):
        """Neither a log nor a command line has a token."""
        secrets = [p.read_text().strip()[16:] for p in self.dir.glob("*.token")]
        secrets.append(self.admin.read_text().strip()[16:])
        for log in self.dir.glob("*.log"):
            for secret in secrets:
                self.assertNotIn(secret, log.read_text(errors="replace"), log)
        for process in self.processes:
            line = " ".join(map(str, process.popen.args))
            for secret in secrets:
                self.assertNotIn(secret, line)


class LoopbackTest(SecureTest):
    def test_a_certificate_is_swapped_while_a_study_runs_and_nothing_is_lost(self):
        self.start_secure_server()
        self.check_swap()
        self.check_no_secret()

    def test_a_token_is_replaced_while_a_worker_runs(self):
        self.start_secure_server()
        token = self.make_token("old", "--role", "worker")
        gate = self.dir / "gate"
        self.create(harness.study("rotate", objective_options={"gate": str(gate)}))
        worker = self.start_secure_worker("w1", token)
        wait_for("it trains", lambda: self.status("rotate")["running"])
        self.halving("token", "revoke", "old")
        self.make_token("new", "--role", "worker").replace(token)
        gate.touch()
        self.assertEqual(int(self.finish("rotate")["evaluations"]), 30)
        self.assertIsNone(worker.popen.poll(), worker.text())

    def test_who_is_not_let_in_is_told_why(self):
        self.start_secure_server()
        reader = self.make_token("reader", "--role", "reader")
        link = self.link(reader)
        self.assertIn("takes an admin's", self.halving("stop", "x", code=1, link=link))
        self.assertIn("PERMISSION_DENIED", self.halving("token", "list", code=1, link=link))
        self.halving("token", "revoke", "reader")
        self.assertIn("UNAUTHENTICATED", self.halving("list", code=1, link=link))
        self.assertIn("UNAUTHENTICATED", self.halving("list", code=1, link=link[:-2]))
        other = certs.Authority(self.dir / "other")
        cert, key = other.issue("client")
        foreign = ["--tls-ca", self.authority.ca, "--tls-cert", cert, "--tls-key", key]
        self.assertIn("UNAVAILABLE", self.halving("list", code=1, link=foreign + ["--timeout", "5s"]))
        self.assertIn("UNAVAILABLE", self.halving(
            "list", code=1, link=["--tls-ca", other.ca, "--timeout", "5s"]))
        worker = self.start_secure_worker("w1", reader)
        self.assertNotEqual(worker.wait(), 0)
        self.assertIn("not valid", worker.text())
        self.check_no_secret()

    def test_the_servers_files_are_for_its_user_only(self):
        self.start_secure_server()
        for name in ("admin.token", "tokens.json"):
            self.assertEqual((self.dir / "data" / name).stat().st_mode & 0o777, 0o600)

    def test_a_lost_admin_token_is_made_anew_offline(self):
        self.start_secure_server()
        self.admin.unlink()
        offline = [harness.BIN / "halving-server", "admin-token", "--data-dir", self.dir / "data"]
        refused = subprocess.run(offline, capture_output=True, text=True)
        self.assertEqual(refused.returncode, 4, refused.stderr)
        self.server.kill(signal.SIGTERM)
        self.assertEqual(self.server.wait(), 0)
        made = subprocess.run(offline, capture_output=True, text=True)
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertNotIn(self.admin.read_text().strip(), made.stdout + made.stderr)
        self.start_secure_server(listen=self.address)
        self.assertIn("admin-2", self.halving("token", "list"))

    def test_plaintext_beyond_this_machine_needs_to_be_said(self):
        done = subprocess.run(
            [harness.BIN / "halving-server", "--listen", "0.0.0.0:0", "--data-dir", self.dir / "x"],
            capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--tls-cert", done.stderr + done.stdout)
        self.assertIn("--insecure", done.stderr + done.stdout)
        self.assertFalse((self.dir / "x").exists())
        self.start_server("--insecure", listen="0.0.0.0:0", env=self.environment)
        self.address = "127.0.0.1:" + self.address.rsplit(":", 1)[1]
        self.admin = self.dir / "data" / "admin.token"
        self.assertIn("There is no study", self.halving("list", link=["--token-file", self.admin]))
        self.assertIn("UNAUTHENTICATED", self.halving("list", code=1, link=["--timeout", "30s"]))


class NamespaceTest(SecureTest):
    """Server here, workers and people on another machine, as far as the network is concerned."""

    NAMES = "IP:198.18.78.1"

    def setUp(self):
        super().setUp()
        self.SPACE = f"halving-{os.getpid()}"
        near, far = f"hv{os.getpid() % 100000}n", f"hv{os.getpid() % 100000}f"
        made = self.ip("netns", "add", self.SPACE)
        if made.returncode != 0:
            self.skipTest("no network namespace can be made: " + made.stderr.strip())
        self.addCleanup(self.ip, "netns", "del", self.SPACE)
        for step in (f"link add {near} type veth peer name {far} netns {self.SPACE}",
                     f"addr add 198.18.78.1/30 dev {near}", f"link set {near} up",
                     f"-n {self.SPACE} addr add 198.18.78.2/30 dev {far}",
                     f"-n {self.SPACE} link set {far} up", f"-n {self.SPACE} link set lo up"):
            done = self.ip(*step.split())
            self.assertEqual(done.returncode, 0, f"ip {step}: {done.stderr}")

    @staticmethod
    def ip(*args):
        try:
            return subprocess.run(["ip", *args], capture_output=True, text=True)
        except FileNotFoundError:
            return subprocess.CompletedProcess(args, 1, "", "there is no ip command")

    def test_worker_and_command_work_with_certificates_and_tokens_from_another_machine(self):
        self.start_secure_server(listen="198.18.78.1:0")
        self.check_swap()
        self.check_no_secret()
        plain = ["--token-file", self.admin]
        self.assertIn("--insecure", self.halving("list", code=2, link=plain))


if __name__ == "__main__":
    harness.main()
