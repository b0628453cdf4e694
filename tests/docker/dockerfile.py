"""Reads a Dockerfile strictly: what is not understood here is an error, never passed over.

This is the part of the language that our images use, as BuildKit reads it. Left out are heredocs,
ONBUILD, SHELL, ADD, --platform and mounts other than caches; one who needs them adds them here and
in image.py.
"""

import dataclasses
import json
import re
import shlex

# Flags by instruction; those of HEALTHCHECK stand before CMD.
FLAGS = {
    "ARG": (), "CMD": (), "COPY": ("chmod", "chown", "from"), "ENTRYPOINT": (), "ENV": (),
    "EXPOSE": (), "FROM": (), "HEALTHCHECK": ("interval", "retries", "start-period", "timeout"),
    "LABEL": (), "RUN": ("mount",), "STOPSIGNAL": (), "USER": (), "VOLUME": (), "WORKDIR": (),
}
# Where Docker expands variables; in RUN, CMD and ENTRYPOINT it leaves them to the shell.
EXPANDED = ("COPY", "ENV", "EXPOSE", "FROM", "LABEL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR")
CACHE_KEYS = {"type", "target", "sharing", "id"}


class DockerfileError(ValueError):
    """What is wrong, with its line."""


@dataclasses.dataclass
class Instruction:
    line: int  # Where it begins, from 1.
    name: str
    flags: dict  # By name; of --mount a list of dicts.
    value: str  # What follows the flags, continuation lines joined.

    def words(self):
        """The JSON form's strings, or else the words."""
        form = self.exec_form()
        return form if form is not None else self.value.split()

    def exec_form(self):
        """The list of the JSON form; None for the shell form."""
        if not self.value.startswith("["):
            return None
        try:
            form = json.loads(self.value)
        except ValueError:
            raise DockerfileError(f"line {self.line}: {self.name} {self.value}: neither JSON (with "
                                  "double quotes) nor a shell command") from None
        if not form or not all(isinstance(word, str) for word in form):
            raise DockerfileError(f"line {self.line}: {self.name} takes a list of strings")
        return form

    def pairs(self):
        """The KEY=VALUE pairs of ENV and LABEL."""
        found = []
        for word in shlex.split(self.value):
            key, equals, value = word.partition("=")
            if not equals or not key:
                raise DockerfileError(f"line {self.line}: {self.name} {word!r} is not KEY=VALUE")
            found.append((key, value))
        return found


@dataclasses.dataclass
class Stage:
    name: str  # As in `AS name`; else its number.
    base: str
    line: int
    instructions: list


@dataclasses.dataclass
class Dockerfile:
    args: dict  # Those before the first FROM: name to default, None without.
    stages: list

    def stage(self, name):
        return next((stage for stage in self.stages if stage.name == name), None)


def expand(text, variables, line):
    """Replaces $NAME, ${NAME} and ${NAME:-default}."""
    def value(found):
        name = found["name"] or found["braced"]
        if name is None:
            raise DockerfileError(f"line {line}: cannot read the variable in {text!r}")
        return variables.get(name) or found["default"] or ""

    return re.sub(r"(?<!\\)\$(?:(?P<name>[A-Za-z_]\w*)|"
                  r"\{(?P<braced>[A-Za-z_]\w*)(?::-(?P<default>[^}]*))?\}|)", value, text)


def _logical_lines(text):
    """(number, line) with continuation lines joined and comments dropped."""
    joined, start = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("#") or (joined and not line.strip()):
            continue
        start = start if joined else number
        joined += line.lstrip() if joined else line.strip()
        if joined.rstrip().endswith("\\"):
            joined = joined.rstrip()[:-1]
            continue
        if joined.strip():
            yield start, joined.strip()
        joined = ""
    if joined:
        raise DockerfileError(f"line {start}: ends with a backslash, and nothing follows")


def _mount(text, line):
    """A --mount=type=cache,target=DIR."""
    mount = dict(part.partition("=")[::2] for part in text.split(","))
    if mount.get("type") != "cache" or not mount.get("target", "").startswith("/"):
        raise DockerfileError(f"line {line}: --mount={text}: only type=cache with a target")
    if not set(mount) <= CACHE_KEYS:
        raise DockerfileError(f"line {line}: --mount={text}: known are {sorted(CACHE_KEYS)}")
    return mount


def _instruction(line, text):
    name, _, rest = text.partition(" ")
    name, rest, flags = name.upper(), rest.strip(), {}
    if name not in FLAGS:
        raise DockerfileError(f"line {line}: {name} is not known; known are {sorted(FLAGS)}")
    while found := re.match(r"--([a-z-]+)=(\S+)\s*", rest):
        key, value = found.groups()
        if key not in FLAGS[name]:
            raise DockerfileError(f"line {line}: {name} has no flag --{key} that is known here")
        if key == "mount":
            flags.setdefault(key, []).append(_mount(value, line))
        else:
            flags[key] = value
        rest = rest[found.end():]
    if not rest or rest.startswith("--"):
        raise DockerfileError(f"line {line}: {name} {rest}: nothing that can be read follows")
    if name in ("RUN", "COPY") and re.search(r"(^|\s)<<-?\s*['\"]?\w", rest):
        raise DockerfileError(f"line {line}: heredocs are not known here")
    return Instruction(line, name, flags, rest)


def _from(found, args, stages):
    words = expand(found.value, args, found.line).split()
    if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
        raise DockerfileError(f"line {found.line}: FROM {found.value}: it is FROM IMAGE [AS NAME]")
    return Stage(words[2] if len(words) == 3 else str(len(stages)), words[0], found.line, [])


def argument(found):
    """(name, default) of an ARG."""
    name, equals, default = found.value.partition("=")
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise DockerfileError(f"line {found.line}: ARG {found.value}: it is ARG NAME[=DEFAULT]")
    return name, default if equals else None


def parse(text, build_args=None):
    args, stages = {}, []
    for line, logical in _logical_lines(text):
        found = _instruction(line, logical)
        if found.name == "FROM":
            stages.append(_from(found, {**args, **(build_args or {})}, stages))
        elif stages:
            stages[-1].instructions.append(found)
        elif found.name == "ARG":
            name, default = argument(found)
            args[name] = default
        else:
            raise DockerfileError(f"line {line}: {found.name} stands before the first FROM")
    if not stages:
        raise DockerfileError("there is no FROM")
    return Dockerfile(args, stages)


class Ignore:
    """A .dockerignore: patterns in order, where the last one that matches decides."""

    def __init__(self, text):
        self._rules = []
        for line in text.split("\n"):
            line = line.strip()
            if line and not line.startswith("#"):
                pattern = line.removeprefix("!").strip("/")
                self._rules.append((self._regex(pattern), not line.startswith("!")))

    @staticmethod
    def _regex(pattern):
        parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
        text = re.sub(r"\*\*/|\*\*|\*|\?|[^*?]+",
                      lambda found: parts.get(found[0]) or re.escape(found[0]), pattern)
        return re.compile(f"{text}(?:/.*)?")  # A directory takes along what is in it.

    def ignores(self, path):
        ignored = False
        for regex, ignore in self._rules:
            if regex.fullmatch(str(path)):
                ignored = ignore
        return ignored
