"""One bash that runs a page's commands in order, as a reader would, and what each of them gave."""

import os
import pathlib
import re
import signal
import subprocess
import time

LONGEST_S = 100


class Shell:
    """A bash in a session of its own, whose variables, folder and background jobs stay."""

    def __init__(self, folder, environment):
        self._folder = pathlib.Path(folder)
        self._outputs = self._folder.parent / "outputs"
        self._outputs.mkdir()
        self._count = 0
        self._bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "-o", "pipefail"], cwd=folder, env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            text=True, start_new_session=True)

    def run(self, command):
        """(exit status, output) of one command. What it leaves in the background goes on."""
        self._count += 1
        output = self._outputs / f"{self._count}"
        status = self._outputs / f"{self._count}.status"
        self._bash.stdin.write(f"{{ {command}\n}} > {output} 2>&1 < /dev/null\n"
                               f"echo $? > {status}.new; mv {status}.new {status}\n")
        self._bash.stdin.flush()
        end = time.monotonic() + LONGEST_S
        while not status.exists():
            if self._bash.poll() is not None:
                raise AssertionError(f"bash ended in {command!r}")
            if time.monotonic() > end:
                raise AssertionError(f"{command!r} still runs after {LONGEST_S} s:\n"
                                     + output.read_text(errors="replace")[-3000:])
            time.sleep(0.005)
        return int(status.read_text()), output.read_text(errors="replace")

    def remember(self, output):
        """For the next command: the output of this one, as ../outputs/last."""
        (self._outputs / "last").write_text(output)

    def logs(self):
        """The ends of all outputs, for a failure: servers and workers write into them, too."""
        texts = []
        for path in sorted(self._outputs.glob("*[0-9]"), key=lambda p: int(p.name)):
            tail = path.read_text(errors="replace")[-1500:]
            if tail:
                texts.append(f"--- output of command {path.name}\n{tail}")
        return "\n".join(texts)

    def close(self):
        """Ends all that was started here, soon by force: a worker would wait for its server."""
        for number, patience_s in ((signal.SIGTERM, 1), (signal.SIGKILL, 10)):
            try:
                os.killpg(self._bash.pid, number)
            except ProcessLookupError:
                break
            end = time.monotonic() + patience_s
            while time.monotonic() < end and self._is_alive():
                self._bash.poll()
                time.sleep(0.05)
        self._bash.stdin.close()
        self._bash.wait()

    def _is_alive(self):
        """Whether the group has a process that is no zombie: nobody may be there to reap those."""
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                state, _, group = stat.read_text().rpartition(")")[2].split()[:3]
            except OSError:
                continue  # It has ended meanwhile.
            if int(group) == self._bash.pid and state != "Z":
                return True
        return False


def _is_whole(command):
    """Whether bash needs no further line to read it."""
    if re.search(r"(^|[^\\])\\$", command):
        return False
    done = subprocess.run(["bash", "-n"], input=command + "\n", capture_output=True, text=True)
    if done.returncode == 0 and not done.stderr:
        return True
    if any(words in done.stderr for words in ("unexpected EOF", "here-document", "end of file")):
        return False
    raise AssertionError(f"bash cannot read {command!r}: {done.stderr}")


def split_commands(text):
    """The commands of a block without prompts."""
    commands, current = [], ""
    for line in text.split("\n"):
        current += ("\n" if current else "") + line
        if not current.strip():
            current = ""
        elif _is_whole(current):
            if not current.strip().startswith("#"):
                commands.append(current)
            current = ""
    if current:
        raise AssertionError(f"a command without an end: {current!r}")
    return commands


def split_console(text):
    """[(command, shown output)] of a block whose commands begin with "$ "."""
    pairs, current, shown = [], None, []
    for line in text.split("\n"):
        if current is not None and not _is_whole(current):
            current += "\n" + line.removeprefix("> ")
        elif line.startswith("$ "):
            if current is not None:
                pairs.append((current, "\n".join(shown)))
            current, shown = line[2:], []
        elif current is None:
            raise AssertionError(f"a console block begins with {line!r}; expected '$ COMMAND'")
        else:
            shown.append(line)
    return pairs + [(current, "\n".join(shown))]
