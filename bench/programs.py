"""The programs of a build, run by what measures them."""

import re
import subprocess
import sys
import time

POLL_S = 0.05
START_DEADLINE_S = 30


class Child:
    """A process that close() ends."""

    def __init__(self, process):
        self._process = process

    def close(self):
        self._process.kill()
        self._process.wait()


class Server(Child):
    """halving-server on a free port, with its data in the folder. With `http`, `page` is the dashboard's address."""

    def __init__(self, bin_folder, folder, http="off"):
        self._bin = bin_folder
        log = folder / "server.log"
        with open(log, "ab") as out:
            super().__init__(subprocess.Popen(
                [str(bin_folder / "halving-server"), "--listen", "127.0.0.1:0", "--http", http,
                 "--data-dir", str(folder / "data")], stdout=out, stderr=out, start_new_session=True))
        deadline = time.monotonic() + START_DEADLINE_S
        while True:
            found = re.search(r"listening on ([^,]+),", log.read_text())
            if found is not None:
                self.address = found.group(1)
                page = re.search(r"dashboard on (http://\S+)", log.read_text())
                self.page = page.group(1) if page else None
                return
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.close()
                sys.exit(f"halving-server does not listen; its log:\n{log.read_text()}")
            time.sleep(POLL_S)

    def halving(self, *args):
        command = [str(self._bin / "halving"), "--server", self.address, *map(str, args)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            sys.exit(f"halving {args[0]} failed: {done.stdout}{done.stderr}")
        return done.stdout


def check_built(parser, bin_folder, *programs):
    """Ends with a message that says what to do when one of them is not there."""
    for program in programs:
        if not (bin_folder / program).exists():
            parser.error(f"{bin_folder / program} is not there: build it, or say --bin")
