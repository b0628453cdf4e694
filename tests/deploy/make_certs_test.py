"""scripts/make-certs: what it makes, and what it refuses."""

import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "make-certs"


def openssl(*args):
    done = subprocess.run(["openssl", *map(str, args)], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


class MakeCertsTest(unittest.TestCase):

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="halving-certs-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.out = self.dir / "certs"

    def make(self, *args, code=0, **environment):
        done = subprocess.run([SCRIPT, "--out", self.out, *args], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, env={**os.environ, **environment})
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertFalse(list(self.dir.glob("**/.new-*")), "something is left of the work")
        return done.stdout if code == 0 else done.stderr

    def names(self):
        return {path.name for path in self.out.iterdir()}

    def text(self, name):
        return openssl("x509", "-in", self.out / name, "-noout", "-text")[1]

    def verify(self, name, *args):
        return openssl("verify", "-x509_strict", "-CAfile", self.out / "ca.crt", *args,
                       self.out / name)

    def assert_good(self, name, *args):
        self.assertEqual(self.verify(name, *args)[0], 0, self.verify(name, *args)[1])

    def assert_fits(self, name):
        """A certificate and its key are a pair."""
        of_key = openssl("pkey", "-in", self.out / f"{name}.key", "-pubout")[1]
        self.assertEqual(openssl("x509", "-in", self.out / f"{name}.crt", "-noout", "-pubkey")[1],
                         of_key)

    def test_a_server_is_good_for_its_names_and_localhost_and_for_no_other(self):
        said = self.make("server", "tuner.example.org", "10.0.0.5", "fd00::5")
        self.assertIn("--tls-cert server.crt --tls-key server.key", said)
        self.assertEqual(self.names(), {"ca.crt", "ca.key", "server.crt", "server.key"})
        for name in ("tuner.example.org", "localhost"):
            self.assert_good("server.crt", "-purpose", "sslserver", "-verify_hostname", name)
        for address in ("10.0.0.5", "fd00::5", "127.0.0.1", "::1"):
            self.assert_good("server.crt", "-purpose", "sslserver", "-verify_ip", address)
        self.assertIn("hostname mismatch",
                      self.verify("server.crt", "-verify_hostname", "other.example.org")[1])
        self.assertIn("IP address mismatch", self.verify("server.crt", "-verify_ip", "10.0.0.6")[1])
        self.assertIn("unsuitable certificate purpose",
                      self.verify("server.crt", "-purpose", "sslclient")[1])
        self.assert_fits("server")

    def test_clients_are_good_as_clients_only(self):
        self.make("client", "gpu1", "bob")
        for name in ("gpu1", "bob"):
            self.assert_good(f"{name}.crt", "-purpose", "sslclient")
            self.assertIn("unsuitable certificate purpose",
                          self.verify(f"{name}.crt", "-purpose", "sslserver")[1])
            self.assert_fits(name)
            self.assertRegex(self.text(f"{name}.crt"), rf"Subject: CN = {name}\n")

    def test_keys_are_on_p256_and_their_owners_alone(self):
        self.make("server")
        self.make("client", "bob")
        for path in self.out.iterdir():
            mode = stat.S_IMODE(path.stat().st_mode)
            self.assertEqual(mode, 0o600 if path.suffix == ".key" else 0o644, path.name)
            if path.suffix == ".key":
                self.assertIn("NIST CURVE: P-256", openssl("pkey", "-in", path, "-noout", "-text")[1])

    def test_a_ca_signs_certificates_and_no_other_ca(self):
        self.make("ca")
        self.assertEqual(self.names(), {"ca.crt", "ca.key"})
        text = self.text("ca.crt")
        self.assertIn("CA:TRUE, pathlen:0", text)
        self.assertIn("Certificate Sign", text)

    def test_a_ca_is_never_overwritten(self):
        self.make("ca")
        before = {name: (self.out / name).read_bytes() for name in self.names()}
        self.assertIn("never overwritten", self.make("ca", code=1))
        self.make("server")
        for name, content in before.items():
            self.assertEqual((self.out / name).read_bytes(), content, name)

    def test_half_a_ca_is_said_and_not_replaced(self):
        self.make("ca")
        (self.out / "ca.key").rename(self.dir / "kept")
        self.assertIn("ca.key, is not", self.make("server", code=1))
        self.assertEqual(self.names(), {"ca.crt"})
        (self.out / "ca.crt").unlink()
        shutil.copy(self.dir / "kept", self.out / "ca.key")
        self.assertIn("ca.crt, is not", self.make("client", "bob", code=1))
        self.assertEqual(self.names(), {"ca.key"})

    def test_the_days_are_those_that_were_asked_for(self):
        self.make("--days", "10", "--ca-days", "20", "server")
        for name, days in (("server.crt", 10), ("ca.crt", 20)):
            for margin, code in ((-3600, 0), (3600, 1)):
                self.assertEqual(openssl("x509", "-in", self.out / name, "-noout", "-checkend",
                                         days * 86400 + margin)[0], code, name)

    def test_no_certificate_outlives_its_ca(self):
        self.make("--ca-days", "5", "ca")
        self.assertIn("ends before", self.make("--days", "10", "server", code=1))
        self.make("--days", "4", "server")

    def test_renewing_keeps_names_uses_and_keys(self):
        self.make("server", "tuner.example.org", "fd00::5")
        self.make("client", "bob")
        before = {name: (self.out / name).read_bytes() for name in self.names()}
        self.make("renew")
        for name, content in before.items():
            changed = name in ("server.crt", "bob.crt")
            self.assertEqual((self.out / name).read_bytes() != content, changed, name)
        self.assert_good("server.crt", "-purpose", "sslserver", "-verify_hostname",
                         "tuner.example.org")
        self.assert_good("server.crt", "-verify_ip", "fd00::5")
        self.assert_good("bob.crt", "-purpose", "sslclient")
        for name in ("server", "bob"):
            self.assert_fits(name)

    def test_a_new_key_is_made_when_it_is_asked_for(self):
        self.make("client", "bob", "eve")
        before = {name: (self.out / name).read_bytes() for name in ("bob.key", "eve.key")}
        self.make("--new-key", "renew", "bob")
        self.assertNotEqual((self.out / "bob.key").read_bytes(), before["bob.key"])
        self.assertEqual((self.out / "eve.key").read_bytes(), before["eve.key"])
        self.assert_fits("bob")

    def test_whoever_reads_while_it_renews_has_a_whole_pair(self):
        self.make("server")
        renewing = subprocess.Popen(
            ["bash", "-c", f"for i in 1 2 3 4 5; do {SCRIPT} --out {self.out} renew; done"],
            stdout=subprocess.DEVNULL)
        seen = set()
        while renewing.poll() is None:
            self.assert_fits("server")
            seen.add((self.out / "server.crt").read_bytes())
        self.assertEqual(renewing.returncode, 0)
        self.assertGreater(len(seen), 1)

    def test_a_browsers_file_is_made_when_it_is_asked_for(self):
        self.make("client", "bob")
        self.assertNotIn("bob.p12", self.names())
        self.make("--p12", "client", "bob", P12_PASSWORD="opens")
        self.assertEqual(stat.S_IMODE((self.out / "bob.p12").stat().st_mode), 0o600)
        for password, code in (("opens", 0), ("other", 1)):
            self.assertEqual(openssl("pkcs12", "-in", self.out / "bob.p12", "-noout", "-passin",
                                     f"pass:{password}")[0], code)
        self.assertIn("P12_PASSWORD", self.make("--p12", "client", "eve", code=1, P12_PASSWORD=""))

    def test_what_it_cannot_do_it_says_before_anything_is_made(self):
        for args, code, said in (
                ((), 2, "a command is missing"), (("serve",), 2, 'no command "serve"'),
                (("--force", "ca"), 2, "no option --force"), (("--days",), 2, "--days needs a value"),
                (("--days", "0", "ca"), 1, '--days is "0"'),
                (("--ca-days", "ten", "ca"), 1, '--ca-days is "ten"'),
                (("ca", "name"), 2, "ca takes no names"), (("client",), 2, "client needs a NAME"),
                (("server", "--days", "3"), 2, "options come before"),
                (("--p12", "server"), 2, "--p12 is for client"),
                (("server", "tuner:7070"), 1, '"tuner:7070"'), (("server", "10.0.0.256"), 1, "10.0.0.256"),
                (("server", "a,DNS:evil"), 1, '"a,DNS:evil"'), (("server", ""), 1, '""'),
                (("client", "../x"), 1, '"../x"'), (("client", "ca"), 1, 'called "ca"'),
                (("client", "server"), 1, 'called "server"'), (("client", "a/CN=b"), 1, '"a/CN=b"'),
                (("renew",), 1, "no certificate to renew"), (("renew", "bob"), 1, '"bob"')):
            with self.subTest(args=args):
                self.assertIn(said, self.make(*args, code=code))
                self.assertFalse(self.out.exists() and self.names())

    def test_its_help_has_every_option_and_command(self):
        text = self.make("--help")
        for word in re.findall(r"^ {4}(--[a-z0-9-]+)\)", SCRIPT.read_text(), re.MULTILINE):
            self.assertIn(word, text)
        for word in ("ca", "server", "client", "renew"):
            self.assertIn(f" {word}", text)


if __name__ == "__main__":
    if shutil.which("openssl") is None:
        print("skipped: openssl is not there")
        sys.exit(77)
    unittest.main()
