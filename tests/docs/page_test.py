"""Runs the commands of one page of the docs, in their order, in one folder of its own:

    page_test.py docs/first-study.md

Run are blocks fenced as ```sh (commands) or ```console ("$ COMMAND" and what it prints), and
indented ones that begin with a program of ours. A command must end with 0. What a console block
shows must come: JSON in the same shape, else each shown line in its order, with any numbers, and
"..." for any text. ```bash blocks are read by `bash -n` only. The folder has examples/, scripts/,
proto/, docs/ and deploy/ as a clone has, with LeNet's examples on a few hundred images.
Ports from 7070 to 7099 and from 7900 to 7999 are replaced by free ones.

Comments above a block, <!-- test: ... -->, one or more, in this order, say what is special:

    skip WHY            not run; counted and printed
    needs=COMMAND       not run, and said so, unless COMMAND succeeds (as where grpcurl is missing)
    setup=server,worker started first, if it does not run yet; the worker has a fake trainer
    before=COMMAND      run first, and must succeed
    until=COMMAND       tried until it succeeds, before the block
    replace=A -> B      in the block's text: a path or an address that is not here
    exit=N              what the last command of the block ends with
    expect=TEXT         stands in the block's output; may be repeated
                        (../outputs/last has the output of the command before, for `replace`)
    plan                a JSON block: a study, or its part, that `halving plan` takes
    refused=TEXT        a JSON block that `halving plan` refuses with TEXT
"""

import json
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import pages
import shapes
import shell
from harness import BIN, GRPCURL, SOURCE, TRAINER

PATIENCE_S = 30
# Blocks that use one that is missing are skipped; without jq, which prepares much, the whole page.
TOOLS = {"grpcurl": "scripts/install-grpcurl says why", "curl": "install curl",
         "promtool": "install prometheus"}
BASE_STUDY = {
    "name": "base",
    "objective": "base",
    "parameters": [{"name": "learning_rate", "float": {"min": 0.001, "max": 1, "log": True}}],
    "halving": {"min_epochs": 1, "max_epochs": 9, "eta": 3},
    "limits": {"max_evaluations": 30},
}


class PageError(AssertionError):
    """What is wrong, with the page and the line."""


def free_port(taken=()):
    """A port that nobody listens on, outside of those that the system gives away by itself."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in taken:
            return port


def small_examples(target):
    """examples/ as they are, but for LeNet and its like on few images."""
    shutil.copytree(SOURCE / "examples", target, ignore=shutil.ignore_patterns("__pycache__"))
    for path in target.glob("*.json"):
        request = json.loads(path.read_text(encoding="utf-8"))
        options = request["study"].get("objective_options", {})
        if "train_examples" in options:
            options.update(train_examples=400, validation_examples=200)
            path.write_text(json.dumps(request), encoding="utf-8")


def study_of(text):
    """A JSON block as a whole CreateStudyRequest: it may be a study's parameters, or some of its
    fields."""
    for before, after in (("", ""), ("[", "]"), ("{", "}")):
        try:
            value = json.loads(before + text.strip().rstrip(",") + after)
        except ValueError:
            continue
        if isinstance(value, list):
            return {"study": {**BASE_STUDY, "parameters": value}}
        if "study" in value:
            return value
        if {"float", "int", "choice"} & set(value):
            return {"study": {**BASE_STUDY, "parameters": [value]}}
        return {"study": {**BASE_STUDY, **value}}
    raise ValueError("neither JSON nor a part of a study")


class Page:

    def __init__(self, path, folder):
        self._path = pathlib.Path(path).resolve()
        self._folder = pathlib.Path(folder) / "run"
        self._folder.mkdir()
        self._ports = {}  # By those that the page shows.
        self._port = self._port_for("7070")
        small_examples(self._folder / "examples")
        for name in ("scripts", "proto", "docs", "deploy"):
            if (SOURCE / name).exists():
                (self._folder / name).symlink_to(SOURCE / name)
        self._shell = shell.Shell(self._folder, self._environment(pathlib.Path(folder)))
        self._started = set()
        self.run_count = 0
        self.missing_count = 0  # Blocks that another machine would run.
        self.skipped = []

    def _environment(self, folder):
        programs = folder / "bin"
        programs.mkdir()
        python = programs / "python3"
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
        path = [str(programs), str(BIN), str(GRPCURL.parent), os.environ["PATH"]]
        self._path_of_tools = ":".join(path)
        environment = {key: value for key, value in os.environ.items()
                       if not key.startswith("HALVING_")}
        return {**environment, "PATH": self._path_of_tools,
                "HOME": str(folder), "TMPDIR": str(folder), "LC_ALL": "C.UTF-8", "TZ": "UTC",
                "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": "",
                "HALVING_SERVER": f"127.0.0.1:{self._port}",
                "HALVING_LISTEN": f"127.0.0.1:{self._port}",
                "HALVING_HTTP": f"127.0.0.1:{self._port_for('7080')}"}

    def _adapt(self, text, block=None):
        for change in block.all("replace") if block else []:
            old, new = (part.strip() for part in change.split("->"))
            if old not in text and block.kind != "other":
                raise PageError(f"replace={change}: {old!r} does not stand in the block")
            text = text.replace(old, new)
        return re.sub(r":(70[789][0-9]|79[0-9][0-9])\b",
                      lambda port: f":{self._port_for(port[1])}", text)

    def _port_for(self, shown):
        if shown not in self._ports:
            self._ports[shown] = free_port(self._ports.values())
        return self._ports[shown]

    def _command(self, command):
        """Runs one; waits for a server that it started."""
        status, output = self._shell.run(command)
        self._shell.remember(output)
        starts_server = r"^halving-server\b(?!.* (verify|restore)\b).*&\s*$"
        if re.search(starts_server, command, re.MULTILINE):
            self._started.add("server")
            self._await_server(command)
            self._shell.run("export HALVING_HTTP=off")  # One that comes later does without.
        return status, output

    def _await_server(self, command):
        found = re.search(r"--listen [^ ]*:([0-9]+)", command)
        port = int(found[1]) if found else self._port
        end = time.monotonic() + PATIENCE_S
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            if time.monotonic() > end:
                raise PageError(f"no server after {command!r}")
            time.sleep(0.02)

    def _hidden(self, command, what):
        status, output = self._command(self._adapt(command))
        if status != 0:
            raise PageError(f"{what}: {command!r} ended with {status}:\n{output}")

    def _until(self, command):
        end = time.monotonic() + PATIENCE_S
        while True:
            status, output = self._shell.run(self._adapt(command))
            if status == 0:
                return
            if time.monotonic() > end:
                raise PageError(f"until={command}: not within {PATIENCE_S} s; last:\n{output}")
            time.sleep(0.05)

    def _set_up(self, names):
        for name in names.split(","):
            if name in self._started:
                continue
            self._started.add(name)
            if name == "server":
                self._hidden("halving-server --data-dir ./halving-data > server.log 2>&1 &", name)
            elif name == "worker":
                self._hidden(f"halving-worker --id w1 --trainer 'python3 {TRAINER}' "
                             "> worker.log 2>&1 &", name)
            else:
                raise PageError(f"setup={name}: there is server and worker")

    def _skip(self, block, why):
        self.skipped.append(f"{self._path.name}:{block.line}: {why}")

    def _is_wanted(self, block):
        if block.one("skip") is not None:
            if not block.one("skip"):
                raise PageError("skip without a reason")
            self._skip(block, block.one("skip"))
            return False
        text = "\n".join([block.text, *(value for _, value in block.directives)])
        for tool, why in TOOLS.items():
            there = shutil.which(tool, path=self._path_of_tools) is not None
            if not there and re.search(rf"\b{tool} ", text):
                self._skip(block, f"{tool} is not there; {why}")
                self.missing_count += 1
                return False
        return True

    def _has(self, command, block):
        status, _ = self._shell.run(self._adapt(command))
        if status != 0:
            self._skip(block, f"needs `{command}`, which does not succeed here")
            self.missing_count += 1
        return status == 0

    def _prepare(self, block):
        """Does what the directives say, in their order; whether the block is to be run."""
        for name, value in block.directives:
            if name == "needs" and not self._has(value, block):
                return False
            if name == "setup":
                self._set_up(value)
            elif name == "before":
                self._hidden(value, "before")
            elif name == "until":
                self._until(value)
        return True

    def _run_commands(self, block):
        text = self._adapt(block.text, block)
        pairs = (shell.split_console(text) if block.kind == "console"
                 else [(command, "") for command in shell.split_commands(text)])
        outputs = []
        for i, (command, shown) in enumerate(pairs):
            wanted = int(block.one("exit") or 0) if i == len(pairs) - 1 else 0
            status, output = self._command(command)
            outputs.append(output)
            if status != wanted:
                raise PageError(f"{command!r} ended with {status}, not {wanted}:\n{output[-3000:]}")
            wrong = shapes.compare(shown, output)
            if wrong:
                raise PageError(f"{command!r}:\n  " + "\n  ".join(wrong)
                                + f"\nIts whole output:\n{output[-4000:]}")
        for expected in block.all("expect"):
            if expected not in "".join(outputs):
                raise PageError(f"expect={expected}: not in\n{''.join(outputs)[-4000:]}")

    def _plan(self, block):
        (self._folder / "block.json").write_text(json.dumps(study_of(block.text)))
        status, output = self._shell.run("halving plan block.json")
        refused = block.one("refused")
        if (status != 0) != (refused is not None) or (refused and refused not in output):
            raise PageError(f"`halving plan` of this block ended with {status}; "
                            f"refused={refused}:\n{output}")

    def _run_block(self, block):
        runs = block.kind in ("sh", "console")
        plans = block.one("plan") is not None or block.one("refused") is not None
        if self._path.name == "search-space.md" and block.kind == "json":
            plans = True
        if block.kind == "bash":
            self._hidden(f"bash -n <<'END_OF_BLOCK'\n{block.text}\nEND_OF_BLOCK", "bash -n")
        if not (runs or plans) or not self._is_wanted(block) or not self._prepare(block):
            return
        self._run_commands(block) if runs else self._plan(block)
        self.run_count += 1

    def run(self):
        for block in pages.blocks(self._path):
            started = time.monotonic()
            try:
                self._run_block(block)
            except (AssertionError, ValueError) as error:
                raise PageError(f"{self._path}:{block.line}: {error}") from error
            took = time.monotonic() - started
            if took > 1:
                print(f"{self._path.name}:{block.line}: {took:.1f} s")

    def close(self, show_logs):
        self._shell.close()
        if show_logs:
            print(self._shell.logs()[-20000:])


def main():
    path = SOURCE / sys.argv[1]
    if re.search(r"\bjq ", path.read_text(encoding="utf-8")) and shutil.which("jq") is None:
        print(f"skipped: {path.name}: jq is not there; install jq")
        return 77
    folder = tempfile.mkdtemp(prefix="halving-docs-")
    page = Page(path, folder)
    failed = None
    try:
        page.run()
    except (AssertionError, ValueError) as error:
        failed = error
    page.close(show_logs=failed is not None)
    shutil.rmtree(folder, ignore_errors=True)
    print(f"{page.run_count} blocks were run, {len(page.skipped)} skipped")
    for line in page.skipped:
        print(f"skipped: {line}")
    if failed is not None:
        print(f"FAILED: {failed}")
        return 1
    return 77 if page.missing_count > page.run_count else 0


if __name__ == "__main__":
    sys.exit(main())
