"""scripts/sbom: what it says of a program, and of what it cannot know."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import harness
from harness import BIN, SOURCE

PROGRAM = BIN / "halving"


@unittest.skipIf(shutil.which("dpkg-query") is None, "this is no Debian")
class SbomTest(unittest.TestCase):

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="halving-sbom-"))
        self.addCleanup(shutil.rmtree, self.dir)

    def sbom(self, *args, code=0, **environment):
        done = subprocess.run([SOURCE / "scripts" / "sbom", "--name", "p", "--version", "1.2",
                               "--output", self.dir / "bom.json", *args], capture_output=True,
                              text=True, env={**os.environ, **environment})
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stderr if code else json.loads((self.dir / "bom.json").read_text())

    def test_it_names_what_the_program_is_loaded_with_and_the_headers_that_are_in_it(self):
        bom = self.sbom("--header-only", "nlohmann-json3-dev", PROGRAM, SOURCE_DATE_EPOCH="86400")
        self.assertEqual((bom["bomFormat"], bom["specVersion"], bom["version"]),
                         ("CycloneDX", "1.5", 1))
        self.assertEqual(bom["metadata"]["timestamp"], "1970-01-02T00:00:00Z")
        self.assertEqual(bom["metadata"]["component"]["name"], "p")
        self.assertRegex(bom["serialNumber"], r"^urn:uuid:[0-9a-f-]{36}$")
        linked = {part["name"]: part["properties"][0]["value"] for part in bom["components"]}
        self.assertEqual(linked["nlohmann-json3-dev"], "headers")
        self.assertEqual(linked["libc6"], "directly")
        self.assertEqual(linked["libsystemd0"] if "libsystemd0" in linked else "indirectly",
                         "indirectly")
        for name in (r"libgrpc\+\+\S+", r"libprotobuf\d+", r"libssl\d+"):
            self.assertTrue(any(re.fullmatch(name, found) for found in linked), (name, linked))

    def test_each_component_has_a_version_a_purl_and_a_reference_of_its_own(self):
        bom = self.sbom(PROGRAM)
        references = [part["bom-ref"] for part in bom["components"]]
        self.assertEqual(len(references), len(set(references)))
        for part in bom["components"]:
            self.assertRegex(part["purl"], r"^pkg:deb/\w+/[^@]+@[^?]+\?arch=\w+&distro=\S+$")
            self.assertTrue(part["version"])
        for name in bom["dependencies"][0]["dependsOn"]:
            self.assertIn(name, references)
        licensed = [part for part in bom["components"] if "licenses" in part]
        self.assertGreater(len(licensed), len(references) // 3)

    def test_the_same_program_gives_the_same_bytes(self):
        self.sbom(PROGRAM)
        first = (self.dir / "bom.json").read_bytes()
        self.sbom(PROGRAM)
        self.assertEqual((self.dir / "bom.json").read_bytes(), first)

    def test_a_library_of_no_package_is_told_by_its_hash(self):
        ldd = subprocess.run(["ldd", PROGRAM], capture_output=True, text=True, check=True).stdout
        path = re.search(r"libz\.so\.1 => (\S+)", ldd).group(1)
        shutil.copy(path, self.dir / "libz.so.1")
        bom = self.sbom(PROGRAM, LD_LIBRARY_PATH=str(self.dir))
        (part,) = [part for part in bom["components"] if part["name"] == "libz.so.1"]
        self.assertRegex(part["hashes"][0]["content"], "^[0-9a-f]{64}$")

    def test_what_is_missing_is_named(self):
        self.assertIn("no-such-package", self.sbom("--header-only", "no-such-package", PROGRAM,
                                                   code=1))
        self.assertIn("no-such-program", self.sbom(self.dir / "no-such-program", code=1))


if __name__ == "__main__":
    harness.main()
