"""STYLE.md where a program can check it: floors, function length, and side effects in one place."""

import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[1]
MAX_FUNCTION_LINES = 60

# What each floor may include of ours. The longest matching path is a file's floor.
FLOORS = {
    "common": ["common"],
    "server/core": ["common", "server/core"],
    "server/store": ["common", "server/core", "server/store"],
    "server/access": ["common", "server/access"],
    "server/engine": ["common", "server/core", "server/store", "server/engine"],
    "server/metrics": ["common", "server/core", "server/store", "server/engine", "server/metrics"],
    "server/dashboard": ["common", "server/core", "server/store", "server/engine",
                         "server/access", "server/metrics", "server/service", "server/dashboard",
                         "halving/v1"],
    "server/daemon": ["common", "server", "halving/v1"],
    "server/service": ["common", "server/core", "server/store", "server/access", "server/engine",
                       "server/metrics", "server/service", "halving/v1", "grpc/health"],
    "worker/agent": ["common", "worker/agent", "halving/v1"],
    "worker/trainer": ["common", "worker/trainer"],
    "cli": ["common", "cli", "halving/v1"],
    "tests": ["common", "server", "worker", "cli", "bench", "tests", "halving/v1",
              "grpc/health"],
    "bench": ["common", "server", "worker", "bench", "halving/v1"],
}
OURS = ("common/", "server/", "worker/", "cli/", "tests/", "bench/", "halving/", "grpc/health/")

# Beside its own files, a floor may use only these of common: the core knows no log, no protobuf.
CORE_COMMON = {"common/check.h", "common/random.h", "common/status.h"}
CORE_FORBIDDEN = re.compile(r'#include ["<](grpc|google/protobuf|spdlog|sqlite3|nlohmann|thread|mutex'
                            r'|fstream|filesystem|unistd)')

SIDE_EFFECTS = re.compile(
    r"(absl::Now\(|absl::SleepFor\(|std::this_thread::sleep|(?<!halving::)\b(usleep|nanosleep)\("
    r"|steady_clock::now|std::random_device|absl::BitGen|std::mt19937|\brand\(\)|\bsrand\("
    r"|std::\w+_distribution)")


def files():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.cc", "*.h"],
                            cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [pathlib.PurePosixPath(line) for line in listed.stdout.splitlines()]
    return [path for path in paths if (ROOT / path).exists()]


def floor_of(path):
    matching = [floor for floor in FLOORS if str(path).startswith(floor + "/")]
    return max(matching, key=len, default=None)


def code_lines(path):
    """Lines without comments and string contents, good enough for the patterns here."""
    for number, line in enumerate((ROOT / path).read_text().splitlines(), 1):
        line = re.sub(r'"(\\.|[^"\\])*"', '""', line) if "#include" not in line else line
        yield number, line.split("//")[0]


def functions(lines):
    """(signature, first line, last line) of each function; the layout is clang-format's."""
    signature = re.compile(r"^( {0,2})[A-Za-z~][^=]*\(")
    other = re.compile(r"^\s*(namespace|class|struct|enum|union|extern|if|for|while|switch|else|do|"
                       r"return|case|public|private|INSTANTIATE_TEST_SUITE_P)\b")  # Tables may be long.
    start = None
    for number, line in enumerate(lines, 1):
        if start is not None and line.startswith(" " * start[2] + "}"):
            yield start[0], start[1], number
            start = None
        if start is not None or not line.endswith("{"):
            continue
        at = number - 1
        while at > 0 and lines[at].startswith("    ") and number - at < 8:
            at -= 1  # Up to the line where the signature begins.
        head = signature.match(lines[at])
        if head and not other.match(lines[at]) and not lines[at].endswith((";", "}")):
            start = (lines[at].strip(), at + 1, len(head.group(1)))


class TidyTest(unittest.TestCase):

    def assertNone(self, found):
        self.assertEqual(found, [], "\n" + "\n".join(found))

    def test_every_file_is_on_a_floor(self):
        self.assertNone([str(path) for path in files() if floor_of(path) is None])

    def test_includes_go_downward_only(self):
        found = []
        for path in files():
            allowed = FLOORS.get(floor_of(path), [])
            for number, line in code_lines(path):
                include = re.match(r'#include "([^"]+)"', line)
                if include is None or not include.group(1).startswith(OURS):
                    continue
                if not any(include.group(1).startswith(floor + "/") for floor in allowed):
                    found.append(f"{path}:{number}: {floor_of(path)} includes {include.group(1)}")
        self.assertNone(found)

    def test_the_core_is_pure(self):
        found = []
        for path in files():
            if floor_of(path) != "server/core":
                continue
            for number, line in code_lines(path):
                include = re.match(r'#include "(common/[^"]+)"', line)
                if CORE_FORBIDDEN.match(line) or (include and include.group(1) not in CORE_COMMON):
                    found.append(f"{path}:{number}: {line}")
        self.assertNone(found)

    def test_time_and_randomness_come_from_common(self):
        found = []
        for path in files():
            if floor_of(path) in ("common", "tests", "bench"):
                continue
            for number, line in code_lines(path):
                if SIDE_EFFECTS.search(line):
                    found.append(f"{path}:{number}: {line.strip()}")
        self.assertNone(found)

    def test_no_test_sleeps(self):
        found = []
        for path in files():
            # Tests of real processes poll with a deadline.
            if floor_of(path) != "tests" or "process" in path.name or path.parts[1] in (
                    "agent", "cli", "e2e", "faults", "service", "trainer"):
                continue
            for number, line in code_lines(path):
                if re.search(r"SleepFor\(|sleep_for|sleep_until|usleep\(|\bsleep\(", line):
                    found.append(f"{path}:{number}: {line.strip()}")
        self.assertNone(found)

    def test_functions_fit_one_screen(self):
        found = []
        for path in files():
            for name, first, last in functions((ROOT / path).read_text().splitlines()):
                if last - first + 1 > MAX_FUNCTION_LINES:
                    found.append(f"{path}:{first}: {last - first + 1} lines: {name}")
        self.assertNone(found)

    def test_the_measure_of_functions_sees_them(self):
        text = ["int Short(int a) {", "  if (a) {", "  }", "}", "absl::Status Class::Long(", "    int a,",
                "    int b) const {", "  f();", "}", "class C {", "  int inline_one() {", "    g();",
                "  }", "};"]
        self.assertEqual([(first, last) for _, first, last in functions(text)],
                         [(1, 4), (5, 9), (11, 13)])

    def test_no_line_passes_100_columns(self):
        found = []
        for path in files():
            for number, line in enumerate((ROOT / path).read_text().splitlines(), 1):
                if len(line) > 100 and "http" not in line and "#include" not in line:
                    found.append(f"{path}:{number}: {len(line)} columns")
        self.assertNone(found)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
