"""The Debian packages of this build: their fields, what they hold, and the scripts in them. That they
install and run, scripts/test-packages tests."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import harness
from harness import SOURCE

BUILD = pathlib.Path(os.environ["HALVING_BUILD"])
HOLDS = {
    "halving-server": ["usr/bin/halving-server", "etc/halving/server.toml",
                       "lib/systemd/system/halving-server.service"],
    "halving-worker": ["usr/bin/halving-worker", "etc/halving/worker.toml",
                       "lib/systemd/system/halving-worker@.service"],
    "halving-trainer": ["usr/bin/halving-trainer"],
    "halving": ["usr/bin/halving", "usr/share/man/man1/halving.1.gz",
                "usr/share/man/man1/halving-create.1.gz",
                "usr/share/bash-completion/completions/halving",
                "usr/share/zsh/vendor-completions/_halving",
                "usr/share/fish/vendor_completions.d/halving.fish",
                "usr/share/doc/halving/README.md", "usr/share/doc/halving/docs/deploy.md",
                "usr/share/doc/halving/examples/minimal.json"],
}
CONFFILES = {"halving-server": "/etc/halving/server.toml\n",
             "halving-worker": "/etc/halving/worker.toml\n"}


def missing_tool():
    for tool in ("cpack", "dpkg-deb", "dpkg-shlibdeps"):
        if shutil.which(tool) is None:
            return f"{tool} is not there; scripts/install-deps package"
    return None


@unittest.skipIf(missing_tool(), missing_tool())
class PackagesTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="halving-packages-"))
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        cls.write_bills()
        cls.run_tool("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", cls.dir / "made",
                     "-D", "CPACK_DEBIAN_COMPRESSION_TYPE=gzip",
                     env={**os.environ, "SOURCE_DATE_EPOCH": "86400"})
        cls.packages = {path.name.split("_")[0]: path for path in (cls.dir / "made").glob("*.deb")}

    @classmethod
    def write_bills(cls):
        """Where the target `sbom` was not built. A test builds nothing: others use the programs now."""
        for name in HOLDS:
            output = BUILD / "sbom" / f"{name}.cdx.json"
            if (harness.BIN / name).exists() and not output.exists():
                cls.run_tool(SOURCE / "scripts" / "sbom", "--name", name, "--version", "0",
                             "--output", output, harness.BIN / name)

    @classmethod
    def run_tool(cls, *args, **kwargs):
        done = subprocess.run([str(arg) for arg in args], capture_output=True, text=True, **kwargs)
        if done.returncode != 0:
            raise AssertionError(f"{args}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done.stdout

    def each(self):
        for name, path in sorted(self.packages.items()):
            with self.subTest(package=name):
                yield name, path

    def field(self, path, name):
        return self.run_tool("dpkg-deb", "-f", path, name).strip()

    def test_there_is_one_for_each_part(self):
        expected = set(HOLDS)
        if not (harness.BIN / "halving-trainer").exists():
            expected.remove("halving-trainer")
        self.assertEqual(set(self.packages), expected)

    def test_their_fields_say_what_they_are_and_need(self):
        for name, path in self.each():
            self.assertEqual(self.field(path, "Package"), name)
            self.assertRegex(self.field(path, "Version"), r"^\d+\.\d+\.\d+$")
            self.assertIn("libc6 (>= ", self.field(path, "Depends"))
            self.assertLess(len(self.field(path, "Description").splitlines()[0]), 80)
        self.assertIn("adduser", self.field(self.packages["halving-server"], "Depends"))
        self.assertIn("libsqlite3-0", self.field(self.packages["halving-server"], "Depends"))
        self.assertIn("halving-trainer", self.field(self.packages["halving-worker"], "Recommends"))
        if "halving-trainer" in self.packages:
            self.assertIn("libtorch", self.field(self.packages["halving-trainer"], "Depends"))

    def test_they_hold_what_they_should_for_root_and_nothing_of_others(self):
        owners = {}
        for name, path in self.each():
            found = {}
            for line in self.run_tool("dpkg-deb", "-c", path).splitlines():
                mode, owner, _, date, _, entry = line.split(None, 5)
                self.assertEqual(owner, "root/root", line)
                self.assertNotRegex(mode[1:], "^.{4}w|^.{7}w", line)  # Neither group nor others.
                self.assertEqual(date, "1970-01-02", line)
                entry = entry.removeprefix("./")
                if not mode.startswith("d"):
                    found[entry] = mode
                    self.assertNotIn(entry, owners, "two packages hold it")
                    owners[entry] = name
            documents = [f"usr/share/doc/{name}/copyright", f"usr/share/doc/{name}/{name}.cdx.json"]
            for entry in HOLDS[name] + documents:
                self.assertIn(entry, found)
            for entry, mode in found.items():
                if "/examples/" not in entry:
                    self.assertEqual(mode[3] == "x", entry.startswith("usr/bin/"), entry)

    def test_configuration_is_kept_and_scripts_are_shell(self):
        for name, path in self.each():
            control = self.dir / f"control-{name}"
            self.run_tool("dpkg-deb", "-e", path, control)
            conffiles = control / "conffiles"
            self.assertEqual(conffiles.read_text() if conffiles.exists() else None,
                             CONFFILES.get(name))
            for script in ("postinst", "prerm", "postrm"):
                self.assertEqual((control / script).exists(), name in CONFFILES)
                if name in CONFFILES:
                    self.run_tool("sh", "-n", control / script)
                    self.assertEqual((control / script).stat().st_mode & 0o777, 0o755)

    def test_the_page_of_the_packages_has_what_the_test_in_a_fresh_root_runs(self):
        page = (SOURCE / "docs" / "deploy.md").read_text(encoding="utf-8")
        marked = set(re.findall(r"^<!-- fresh-root: (\w+) -->$", page, re.MULTILINE))
        script = (SOURCE / "scripts" / "test-packages").read_text(encoding="utf-8")
        self.assertEqual(marked, set(re.findall(r'blocks\("(\w+)"\)', script)))


if __name__ == "__main__":
    harness.main()
