"""docker/: what holds for every Dockerfile and compose file, without building or starting one."""

import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

try:
    import yaml  # pylint: disable=unused-import
except ImportError:
    print("skipped: Python's yaml is not there; install python3-yaml")
    sys.exit(77)

import compose
import dockerfile
import image

SOURCE = pathlib.Path(__file__).resolve().parents[2]
DOCKER = SOURCE / "docker"
BIN = pathlib.Path(os.environ["HALVING_BIN"])
COMPOSE_CHECK = SOURCE / "build" / "tools" / "compose-check"
FILES = {path.name.removesuffix(".Dockerfile"): dockerfile.parse(path.read_text(encoding="utf-8"))
         for path in sorted(DOCKER.glob("*.Dockerfile"))}
OVERLAYS = [[], ["compose.tls.yaml"], ["compose.gpu.yaml"]]
PROGRAMS = {"server": ["halving-server", "halving"], "worker": ["halving-worker"],
            "worker-cuda": ["halving-worker"]}
SECRET = re.compile(r"TOKEN|SECRET|PASSWORD|KEY|CREDENTIAL")


def model(overlays):
    return compose.load(DOCKER / "compose.yaml", *(DOCKER / name for name in overlays))


def help_of(program):
    done = subprocess.run([BIN / program, "--help"], capture_output=True, text=True, check=True)
    return done.stdout


def options_of(program):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", help_of(program)))


def variables_of(program):
    """The HALVING_... that a program reads: those of its help, or by rule that of each option."""
    named = set(re.findall(r"HALVING_[A-Z_]+", help_of(program)))
    return named | {"HALVING_" + option[2:].upper().replace("-", "_")
                    for option in options_of(program)}


def final(file, name):
    """All instructions of that name in the last stage."""
    return [step for step in file.stages[-1].instructions if step.name == name]


class FileTest(unittest.TestCase):
    """Failures begin with the file that they are in."""

    where = ""

    def _formatMessage(self, msg, standardMsg):
        return f"{self.where}: {super()._formatMessage(msg, standardMsg)}"


class DockerfilesTest(FileTest):

    def each(self):
        self.assertEqual(set(FILES), set(PROGRAMS), "say above what each image runs")
        for name, file in FILES.items():
            self.where = f"{name}.Dockerfile"
            yield name, file

    def test_bases_are_pinned_and_the_same(self):
        bases = set()
        for _, file in self.each():
            own = {stage.name for stage in file.stages}
            for stage in file.stages:
                if stage.base not in own:
                    self.assertRegex(stage.base, image.DEBIAN)
                    bases.add(stage.base)
            labels = dict(pair for step in final(file, "LABEL") for pair in step.pairs())
            self.assertIn(labels["org.opencontainers.image.base.name"].rpartition("/")[2], bases)
        self.assertEqual(len(bases), 1, "raise the pin everywhere at once")

    def test_the_program_runs_as_the_user_of_a_fixed_number(self):
        for _, file in self.each():
            user = final(file, "USER")[-1].value
            self.assertEqual(user, "970:970")
            made = " ".join(step.value for step in final(file, "RUN"))
            self.assertIn("useradd --system --uid 970 --gid 970 ", made)

    def test_each_says_how_to_ask_and_stop_it_and_where_its_data_is(self):
        for name, file in self.each():
            check = image.health(final(file, "HEALTHCHECK")[-1])
            script = DOCKER / f"{name.partition('-')[0]}-health"
            self.assertEqual(check["test"], ["halving-health"])
            self.assertTrue(os.access(script, os.X_OK), f"{script} cannot be run")
            copied = [step.value for step in final(file, "COPY")]
            self.assertIn(f"docker/{script.name} /usr/bin/halving-health", copied)
            self.assertEqual([step.value for step in final(file, "STOPSIGNAL")], ["SIGTERM"])
            self.assertEqual([step.value for step in final(file, "VOLUME")], ["/var/lib/halving"])
            entry = final(file, "ENTRYPOINT")[-1].exec_form()  # A shell would keep the signal.
            self.assertEqual(entry, [PROGRAMS[name][0]])

    def test_labels_say_what_it_is(self):
        version = re.search(r"project\(halving VERSION ([\d.]+)",
                            (SOURCE / "CMakeLists.txt").read_text(encoding="utf-8"))[1]
        for name, file in self.each():
            labels = dict(pair for step in final(file, "LABEL") for pair in step.pairs())
            for key in ("title", "description", "licenses", "version", "revision", "base.name"):
                self.assertIn(f"org.opencontainers.image.{key}", labels)
            self.assertEqual(labels["org.opencontainers.image.title"], f"halving-{name}")
            self.assertIn(f"VERSION={version}", [step.value for step in final(file, "ARG")])

    def test_no_secret_is_in_a_variable(self):
        for _, file in self.each():
            for stage in file.stages:
                for step in stage.instructions:
                    names = ([key for key, _ in step.pairs()] if step.name == "ENV"
                             else [dockerfile.argument(step)[0]] if step.name == "ARG" else [])
                    for name in names:
                        self.assertNotRegex(name, SECRET)

    def test_what_is_copied_is_there_and_not_ignored(self):
        context = image.Context(SOURCE)
        for _, file in self.each():
            for stage in file.stages:
                for step in stage.instructions:
                    if step.name != "COPY":
                        continue
                    if "from" in step.flags:
                        self.assertIsNotNone(file.stage(step.flags["from"]), step.value)
                        continue
                    for source in step.words()[:-1]:
                        self.assertTrue(context.has(source), f"COPY {source}: line {step.line}")

    def test_what_dockerignore_lets_in_is_copied(self):
        copied = {source.rstrip("/") for file in FILES.values() for stage in file.stages
                  for step in stage.instructions if step.name == "COPY" and "from" not in step.flags
                  for source in step.words()[:-1]}
        kept = {line[1:] for line in (SOURCE / ".dockerignore").read_text().split("\n")
                if line.startswith("!")}
        self.assertEqual(copied, kept)

    def test_debian_packages_leave_nothing_behind(self):
        for _, file in self.each():
            for stage in file.stages:
                for step in stage.instructions:
                    if step.name != "RUN" or not re.search("apt-get|install-deps", step.value):
                        continue
                    targets = {mount["target"] for mount in step.flags.get("mount", [])}
                    self.assertLessEqual({"/var/cache/apt", "/var/lib/apt"}, targets, step.value)
                    for command in re.findall(r"apt-get install[^&]*", step.value):
                        self.assertIn("--no-install-recommends", command)
            last = " ".join(step.value for step in final(file, "RUN"))
            self.assertIn("apt-get upgrade", last, "the pinned base is older than its updates")

    def test_variables_are_ones_that_the_programs_read(self):
        for name, file in self.each():
            known = set().union(*map(variables_of, PROGRAMS[name]))
            for step in final(file, "ENV"):
                for key, _ in step.pairs():
                    if key.startswith("HALVING_"):
                        self.assertIn(key, known)

    def test_the_cuda_libtorch_is_pinned_by_hash(self):
        text = (DOCKER / "libtorch-cuda.txt").read_text(encoding="utf-8")
        lines = [line for line in text.split("\n") if line and not line.startswith("#")]
        self.assertEqual(len(lines) % 2, 0)
        for package, its_hash in zip(lines[::2], lines[1::2]):
            self.assertRegex(package, r"^[a-z0-9-]+==[0-9.]+ \\$")
            self.assertRegex(its_hash, r"^    --hash=sha256:[0-9a-f]{64}$")
        self.assertRegex(lines[0], "^torch==")


class MergeTest(unittest.TestCase):
    """compose.py's reading, where the compose library may not be there to compare."""

    def merged(self, base, over):
        loaded = [yaml.load(text, compose._Loader) for text in (base, over)]
        return compose.merge_services({}, compose.merge_services(*loaded))

    def test_maps_are_merged_lists_appended_and_commands_replaced(self):
        self.assertEqual(
            self.merged("services: {a: {environment: {X: 1, Y: 2}, secrets: [s], command: [b, c]}}",
                        "services: {a: {environment: {Y: 3}, secrets: [s, t], command: [d]}}"),
            {"services": {"a": {"environment": {"X": 1, "Y": 3}, "secrets": ["s", "t"],
                                "command": ["d"]}}})

    def test_override_and_reset_take_the_place_of_what_was(self):
        self.assertEqual(
            self.merged("services: {a: {ports: ['1:1'], deploy: {x: 1, y: 2}}}",
                        "services: {a: {ports: !override ['2:2'], deploy: {x: !reset null}}}"),
            {"services": {"a": {"ports": ["2:2"], "deploy": {"y": 2}}}})

    def test_services_come_after_those_that_they_need(self):
        needs = lambda *names: {"depends_on": {name: {} for name in names}}
        self.assertEqual(compose.in_order({"a": needs("b", "c"), "b": needs("c"), "c": {}}),
                         ["c", "b", "a"])
        with self.assertRaises(compose.ComposeError):
            compose.in_order({"a": needs("b"), "b": needs("a")})

    def test_durations(self):
        self.assertEqual([compose.seconds(text) for text in ("5s", "1m", "1m30s")], [5, 60, 90])
        for text in ("", "5", "soon"):
            with self.assertRaises(compose.ComposeError):
                compose.seconds(text)


class DocsTest(unittest.TestCase):

    def test_the_example_of_an_image_of_ones_own_can_be_read(self):
        text = (SOURCE / "docs" / "containers.md").read_text(encoding="utf-8")
        block, = re.findall(r"```dockerfile\n(.*?)```", text, re.DOTALL)
        steps = dockerfile.parse(block).stages[-1].instructions
        users = [step.value for step in steps if step.name == "USER"]
        self.assertEqual(users[-1], "970:970")
        known = variables_of("halving-worker")
        for step in steps:
            if step.name == "ENV":
                self.assertLessEqual({key for key, _ in step.pairs()}, known)


class ComposeTest(FileTest):

    def each(self):
        for overlays in OVERLAYS:
            for name, service in model(overlays)["services"].items():
                self.where = f"{name} of compose.yaml {' '.join(overlays)}"
                yield overlays, name, service

    def test_every_file_is_covered(self):
        covered = {"compose.yaml"}.union(*map(set, OVERLAYS))
        self.assertEqual(covered, {path.name for path in DOCKER.glob("compose*.yaml")})

    def test_the_compose_library_reads_them_as_we_do(self):
        if not COMPOSE_CHECK.exists():
            self.skipTest("compose-check is not there; scripts/install-compose-check says why")
        for overlays in OVERLAYS:
            files = [str(DOCKER / name) for name in ("compose.yaml", *overlays)]
            with self.subTest(overlays=overlays):
                done = subprocess.run([COMPOSE_CHECK, "-format", "json", *files],
                                      capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)
                theirs, ours = json.loads(done.stdout), model(overlays)
                self.assertEqual(set(theirs["services"]), set(ours["services"]))
                for name, service in ours["services"].items():
                    self.assert_same(theirs["services"][name], service)

    def assert_same(self, theirs, ours):
        environment = theirs["environment"]
        if isinstance(environment, list):
            environment = dict(pair.split("=", 1) for pair in environment)
        self.assertEqual(environment, ours["environment"])
        for key in ("command", "entrypoint", "image", "deploy", "read_only",
                    "cap_drop", "security_opt", "tmpfs", "restart"):
            self.assertEqual(theirs.get(key), ours.get(key), key)
        ports = [f"{port.get('host_ip', '')}:{port['published']}:{port['target']}".strip(":")
                 for port in theirs.get("ports", [])]
        self.assertEqual(ports, ours.get("ports", []))
        self.assertEqual([secret["source"] for secret in theirs.get("secrets", [])],
                         ours.get("secrets", []))
        conditions = {name: {"condition": other["condition"]}
                      for name, other in theirs.get("depends_on", {}).items()}
        self.assertEqual(conditions, ours.get("depends_on", {}))

    def test_services_are_confined(self):
        for _, _, service in self.each():
            self.assertIs(service["read_only"], True)
            self.assertEqual(service["cap_drop"], ["ALL"])
            self.assertEqual(service["security_opt"], ["no-new-privileges:true"])
            self.assertIn(service["restart"], ("unless-stopped", "on-failure"))

    def test_ports_are_open_beyond_loopback_only_with_tls(self):
        for overlays, name, service in self.each():
            for port in service.get("ports", []):
                if not port.startswith("127.0.0.1:"):
                    self.assertIn("compose.tls.yaml", overlays)
                    self.assertEqual((name, port), ("server", "7070:7070"))

    def test_with_tls_nothing_is_plaintext(self):
        for overlays, _, service in self.each():
            insecure = service["environment"]["HALVING_INSECURE"]
            self.assertEqual(insecure, "false" if "compose.tls.yaml" in overlays else "true")

    def test_tokens_are_asked_for_and_come_from_files(self):
        for _, name, service in self.each():
            if name == "server":
                self.assertEqual(service["command"][:2], ["--auth", "tokens"])
            for variable in service["environment"]:
                if SECRET.search(variable):
                    self.assertRegex(variable, "_FILE$")

    def test_a_worker_has_time_to_give_its_trial_back(self):
        grace = re.search(r"--grace DURATION=(\d+)s", help_of("halving-worker"))[1]
        for _, name, service in self.each():
            if name == "worker":
                self.assertGreater(compose.seconds(service["stop_grace_period"]), int(grace))

    def test_images_are_built_by_a_dockerfile_that_is_there(self):
        for _, _, service in self.each():
            name = service["image"].removeprefix("halving-")
            self.assertIn(name, FILES)
            if "build" in service:
                self.assertEqual(service["build"], {"context": "..",
                                                    "dockerfile": f"docker/{name}.Dockerfile"})

    def test_flags_and_variables_are_ones_that_the_programs_know(self):
        for _, _, service in self.each():
            programs = PROGRAMS[service["image"].removeprefix("halving-")]
            variables = set().union(*map(variables_of, programs))
            for variable in service["environment"]:
                self.assertIn(variable, variables)
            if "entrypoint" not in service:
                flags = {word for word in service.get("command", []) if word.startswith("--")}
                self.assertLessEqual(flags, options_of(programs[0]))


if __name__ == "__main__":
    unittest.main()
