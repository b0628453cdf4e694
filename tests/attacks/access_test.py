"""Those without a right: at the door (TLS), at each method (tokens, roles) and at others' studies."""

import itertools
import os
import pathlib
import re
import shutil
import subprocess
import time
import unittest

import client  # Says what is missing where gRPC is.
import contract
import frames
import harness
from client import grpc, study_pb2
from halving.v1 import admin_pb2, worker_pb2
from harness import SOURCE, study

MAKE_CERTS = SOURCE / "scripts" / "make-certs"
PROMPT_S = 10
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
DENIED = grpc.StatusCode.PERMISSION_DENIED

# Who may call what. Written down here once more, so that nobody changes a rule unawares; a method
# that is not here may be called by an admin only, or the test fails.
READER = {"PlanStudy", "GetStudy", "ListStudies", "GetStatus", "WatchStatus", "ListTrials",
          "GetTrial", "GetTrialLog", "ListWorkers", "Download"}
WORKER = {"Suggest", "Report", "Upload", "GetUploadOffset", "Download", "FindUnneeded"}
ADMIN_ONLY = {"CreateStudy", "PauseStudy", "ResumeStudy", "StopStudy", "ExtendStudy", "DeleteStudy",
              "Backup", "CreateToken", "ListTokens", "RevokeToken"}
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
LIST_SERVICES = b"\x3a\x01*"


@unittest.skipIf(shutil.which("openssl") is None, "openssl is not there")
class AccessTest(harness.EndToEndTest):

    def setUp(self):
        super().setUp()
        self.certs = self.dir / "certs"
        self.make_certs("server")
        self.make_certs("client", "good")

    def make_certs(self, *args, out=None):
        subprocess.run([MAKE_CERTS, "--out", out or self.certs, *args], check=True,
                       stdout=subprocess.DEVNULL)

    def serve(self, *args, mutual=False):
        tls = ["--tls-cert", self.certs / "server.crt", "--tls-key", self.certs / "server.key"]
        if mutual:
            tls += ["--tls-ca", self.certs / "ca.crt"]
        self.server = self.start_server("--auth", "tokens", "--log-level", "trace", *tls, *args)
        self.admin = (self.dir / "data" / "admin.token").read_text().strip()
        self.address = self.address.replace("127.0.0.1", "localhost")

    def channel(self, ca=None, cert=None):
        """A TLS channel that trusts a CA and shows a certificate, by the paths of their files."""
        key = pathlib.Path(cert).with_suffix(".key").read_bytes() if cert else None
        made = grpc.secure_channel(self.address, grpc.ssl_channel_credentials(
            (ca or self.certs / "ca.crt").read_bytes(), key,
            pathlib.Path(cert).read_bytes() if cert else None),
            options=[("grpc.use_local_subchannel_pool", 1)])
        self.addCleanup(made.close)
        return made

    def call(self, channel, path, token=None, data=b"", answer=bytes, headers=None):
        """(code, answer or text) of a call that may stream or not."""
        metadata = headers if headers is not None else (
            [("authorization", f"Bearer {token}")] if token else [])
        try:
            for each in channel.stream_stream(path, bytes, answer)(iter([data]), metadata=metadata,
                                                                   timeout=PROMPT_S):
                return None, each
            return None, None
        except grpc.RpcError as error:
            return error.code(), error.details()

    def token(self, name, role, owner="", lifetime_s=0):
        request = admin_pb2.CreateTokenRequest(name=name, role=admin_pb2.Role.Value(f"ROLE_{role}"),
                                               owner=owner)
        if lifetime_s:
            request.lifetime.FromMilliseconds(int(lifetime_s * 1000))
        code, made = self.call(self.channel(), "/halving.v1.AdminService/CreateToken", self.admin,
                               request.SerializeToString(), admin_pb2.CreateTokenResponse.FromString)
        self.assertIsNone(code, made)
        return made.text

    # ---- at the door

    def assert_no_connection(self, channel):
        code, text = self.call(channel, "/halving.v1.StudyService/ListStudies", self.admin)
        self.assertEqual(code, grpc.StatusCode.UNAVAILABLE, text)

    def test_no_certificate_a_wrong_ca_and_an_expired_certificate_do_not_connect(self):
        self.serve(mutual=True)
        good = self.certs / "good.crt"
        self.assertIsNone(self.call(self.channel(cert=good), "/halving.v1.StudyService/ListStudies",
                                    self.admin)[0])
        self.assert_no_connection(self.channel())
        self.make_certs("client", "good", out=self.dir / "other")
        self.assert_no_connection(self.channel(cert=self.dir / "other" / "good.crt"))
        self.assert_no_connection(self.channel(cert=self.expired()))
        self.assert_no_connection(self.channel(cert=self.certs / "server.crt"))  # Not for clients.
        plain = grpc.insecure_channel(self.address)
        self.addCleanup(plain.close)
        self.assert_no_connection(plain)
        self.assertIsNone(self.call(self.channel(cert=good), "/halving.v1.StudyService/ListStudies",
                                    self.admin)[0])

    def expired(self):
        """The good client's, signed by the same CA, and over since yesterday."""
        request, cert = self.dir / "late.csr", self.dir / "late.crt"
        openssl = ["openssl", "req", "-new", "-key", self.certs / "good.key", "-subj", "/CN=good",
                   "-out", request]
        sign = ["openssl", "x509", "-req", "-in", request, "-CA", self.certs / "ca.crt", "-CAkey",
                self.certs / "ca.key", "-days", "-1", "-out", cert]
        for command in (openssl, sign):
            subprocess.run(command, check=True, capture_output=True)
        shutil.copy(self.certs / "good.key", cert.with_suffix(".key"))
        return cert

    def test_a_client_trusts_no_server_of_another_ca(self):
        self.serve()
        self.make_certs("ca", out=self.dir / "other")
        self.assert_no_connection(self.channel(ca=self.dir / "other" / "ca.crt"))

    def test_a_connection_that_shows_no_certificate_sends_little_before_it_ends(self):
        self.serve(mutual=True)
        host, port = self.address.split(":")
        done = subprocess.run(["openssl", "s_client", "-connect", f"{host}:{port}", "-alpn", "h2"],
                              input=bytes(1 << 20), capture_output=True, timeout=PROMPT_S * 2)
        self.assertNotEqual(done.returncode, 0)
        self.assertIsNone(self.server.popen.poll())

    # ---- tokens

    def test_no_token_or_none_that_is_valid(self):
        self.serve()
        short = self.token("short", "ADMIN", lifetime_s=1)
        revoked = self.token("revoked", "ADMIN")
        self.call(self.channel(), "/halving.v1.AdminService/RevokeToken", self.admin,
                  admin_pb2.RevokeTokenRequest(name="revoked").SerializeToString())
        other = re.sub(r".$", lambda m: "0" if m[0] != "0" else "1", self.admin)
        channel = self.channel()
        path = "/halving.v1.StudyService/ListStudies"
        harness.wait_for("the short one's end",
                         lambda: self.call(channel, path, short)[0] == UNAUTHENTICATED)
        for what, headers in (
                ("none", []), ("revoked", [("authorization", f"Bearer {revoked}")]),
                ("the last digit differs", [("authorization", f"Bearer {other}")]),
                ("not a bearer", [("authorization", self.admin)]),
                ("basic", [("authorization", f"Basic {self.admin}")]),
                ("cut", [("authorization", f"Bearer {self.admin[:-1]}")]),
                ("longer", [("authorization", f"Bearer {self.admin}0")]),
                ("upper case", [("authorization", f"Bearer {self.admin.upper()}")]),
                ("empty", [("authorization", "Bearer ")]),
                ("two, one of them good", [("authorization", f"Bearer {self.admin}"),
                                           ("authorization", f"Bearer {revoked}")]),
                ("another header", [("x-authorization", f"Bearer {self.admin}")])):
            with self.subTest(what=what):
                self.assertEqual(self.call(channel, path, headers=headers)[0], UNAUTHENTICATED)
        self.assertIsNone(self.call(channel, path, self.admin)[0])

    def test_every_method_reflection_and_health_need_a_token(self):
        self.serve()
        channel = self.channel()
        paths = [method.path for method in contract.methods()] + [
            REFLECTION, "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch",
            "/halving.v1.StudyService/NoSuchMethod", "/no.such.Service/Method", "/", "no path"]
        for path in paths:
            with self.subTest(path=path):
                code, text = self.call(channel, path, data=LIST_SERVICES)
                self.assertIn(code, {UNAUTHENTICATED} if path.startswith("/") else
                              {UNAUTHENTICATED, grpc.StatusCode.UNIMPLEMENTED}, text)
        self.assertIsNone(self.call(channel, REFLECTION, self.admin, LIST_SERVICES)[0])
        self.assertIsNone(self.call(channel, "/grpc.health.v1.Health/Check", self.admin)[0])

    def test_a_flood_without_a_token_is_cut_off(self):
        self.serve()
        more = b"".join(frames.header(f"x-{i}", "v" * 100) for i in range(140))
        opened = frames.frame(frames.HEADERS, 0, 1, frames.call_headers("/a/B"))
        numbers = itertools.count(1, 2)
        floods = {
            "headers without an end": (opened, lambda: frames.frame(frames.CONTINUATION, 0, 1, more)),
            "calls that are reset at once": (b"", lambda: b"".join(
                frames.frame(frames.HEADERS, frames.END_HEADERS, at, frames.call_headers("/a/B"))
                + frames.frame(frames.RST_STREAM, 0, at, bytes(4))
                for at in itertools.islice(numbers, 50)))}
        for what, (first, again) in floods.items():
            with self.subTest(what=what), frames.Connection(
                    self.address, ca=self.certs / "ca.crt", timeout_s=2) as attacker:
                attacker.send(first)
                end = time.monotonic() + PROMPT_S
                while attacker.send(again()) and time.monotonic() < end:
                    pass
                self.assertTrue(attacker.closed, "it is listened to for ever")
        self.assertIsNone(self.call(self.channel(), "/halving.v1.StudyService/ListStudies",
                                    self.admin)[0])

    def test_each_method_is_for_its_roles_only(self):
        self.serve()
        channel = self.channel()
        tokens = {role: self.token(f"a-{role.lower()}", role) for role in ("READER", "WORKER", "ADMIN")}
        allowed = {"READER": READER, "WORKER": WORKER, "ADMIN": READER | WORKER | ADMIN_ONLY}
        for method in contract.methods():
            self.assertIn(method.name, allowed["ADMIN"],
                          "a new method: say in this test and in the server who may call it")
            for role, token in tokens.items():
                with self.subTest(method=method.name, role=role):
                    code, text = self.call(channel, method.path, token)
                    self.assertNotEqual(code, UNAUTHENTICATED, text)
                    self.assertEqual(code == DENIED, method.name not in allowed[role], text)
        for role, token in tokens.items():  # What no rule names is for nobody.
            code, _ = self.call(channel, "/halving.v1.StudyService/NoSuchMethod", token)
            self.assertEqual(code, DENIED, role)

    # ---- others' studies

    def test_another_teams_study_is_not_there_whatever_is_asked(self):
        self.serve()
        channel = self.channel()
        ours = {role: self.token(f"ours-{role.lower()}", role, owner="ours")
                for role in ("READER", "WORKER", "ADMIN")}
        theirs = self.token("theirs-admin", "ADMIN", owner="theirs")
        spec = client.json_format.ParseDict(study("secret-plan"), study_pb2.CreateStudyRequest())
        made = self.call(channel, "/halving.v1.StudyService/CreateStudy", theirs,
                         spec.SerializeToString())
        self.assertIsNone(made[0], made)
        before = self.call(channel, "/halving.v1.StudyService/GetStatus", theirs,
                           study_pb2.GetStatusRequest(name="secret-plan").SerializeToString())
        for method in contract.methods():
            fields = [path for path in contract.string_fields(method.request.DESCRIPTOR)
                      if len(path) == 1 and path[0].name in ("name", "study")]
            if method.name in ("CreateToken", "RevokeToken") or not fields:
                continue
            request = method.request()
            contract.put(request, fields[0], "secret-plan")
            for role, token in ours.items():
                with self.subTest(method=method.name, role=role):
                    code, text = self.call(channel, method.path, token, request.SerializeToString())
                    self.assertIn(code, {grpc.StatusCode.NOT_FOUND, DENIED}, text)
        for path in ("ListStudies", "ListWorkers"):
            _, answer = self.call(channel, f"/halving.v1.StudyService/{path}", ours["ADMIN"])
            self.assertNotIn(b"secret-plan", answer or b"")
        ask = client.ask("thief").SerializeToString()
        code, answer = self.call(channel, "/halving.v1.WorkerService/Suggest", ours["WORKER"], ask)
        self.assertIsNone(code, answer)
        self.assertNotIn(b"secret-plan", answer)
        after = self.call(channel, "/halving.v1.StudyService/GetStatus", theirs,
                          study_pb2.GetStatusRequest(name="secret-plan").SerializeToString())
        self.assertEqual(study_pb2.StudyStatus.FromString(after[1]).study,
                         study_pb2.StudyStatus.FromString(before[1]).study)

    def test_another_teams_lease_is_refused(self):
        self.serve()
        channel = self.channel()
        spec = client.json_format.ParseDict(study("theirs"), study_pb2.CreateStudyRequest())
        self.call(channel, "/halving.v1.StudyService/CreateStudy",
                  self.token("a", "ADMIN", owner="theirs"), spec.SerializeToString())
        _, answer = self.call(channel, "/halving.v1.WorkerService/Suggest",
                              self.token("w", "WORKER", owner="theirs"),
                              client.ask("w").SerializeToString(),
                              worker_pb2.SuggestResponse.FromString)
        held = answer.assignment
        thief = self.token("thief", "WORKER", owner="ours")
        report = client.completed(held, 0.01).SerializeToString()
        code, text = self.call(channel, "/halving.v1.WorkerService/Report", thief, report)
        self.assertIn(code, {grpc.StatusCode.NOT_FOUND, DENIED}, text)

    # ---- secrets

    def test_no_token_is_in_a_log_or_a_file_or_an_answer(self):
        self.serve()
        tokens = [self.admin, self.token("reader", "READER"), self.token("worker", "WORKER")]
        channel = self.channel()
        said = []
        for token in tokens + [f"hv_{'a' * 12}_{'b' * 64}", f"hv_{'a' * 12}_{'b' * 63}"]:
            for path in ("/halving.v1.StudyService/ListStudies", "/halving.v1.AdminService/ListTokens",
                         "/halving.v1.WorkerService/Suggest", "/no.such/Method"):
                said.append(repr(self.call(channel, path, token)))
        environment = {**os.environ, "HALVING_TOKEN": self.admin}
        subprocess.run([harness.BIN / "halving", "--server", self.address, "--tls-ca",
                        self.certs / "ca.crt", "token", "list"], env=environment,
                       stdout=subprocess.DEVNULL, check=True)
        secrets = [token.rsplit("_", 1)[1] for token in tokens] + ["b" * 63]
        places = {"the log": self.server.text(), "an answer": "\n".join(said)}
        for path in (self.dir / "data").rglob("*"):
            if path.is_file() and path.name != "admin.token":
                places[path.name] = path.read_bytes().decode(errors="replace")
        for place, text in places.items():
            for secret in secrets:
                with self.subTest(place=place):
                    self.assertNotIn(secret, text)
        for name in ("admin.token", "tokens.json"):
            mode = (self.dir / "data" / name).stat().st_mode & 0o777
            self.assertEqual(mode, 0o600, name)


if __name__ == "__main__":
    harness.main()
