"""Starts programs in the root of an image, in namespaces of their own; needs to be root."""

import ctypes
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

CONTAINER = pathlib.Path(__file__).with_name("container.py")
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)
# What docker build hands to every RUN by itself.
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def leave_namespaces(flags):
    """Gives this process mounts or a network of its own, which vanish with it."""
    if LIBC.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), "unshare: needs root, and a kernel that lets it")
    if flags & CLONE_NEWNS:
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def ids(root, user):
    """(uid, gid) of USER's text: numbers, or names in the root's /etc/passwd and /etc/group."""
    def look_up(file, name, column):
        for line in (pathlib.Path(root) / "etc" / file).read_text(encoding="utf-8").split("\n"):
            fields = line.split(":")
            if fields[0] == name:
                return int(fields[column])
        raise ValueError(f"user or group {name!r} is not in the image's /etc/{file}")

    name, colon, group = user.partition(":")
    uid = int(name) if name.isdigit() else look_up("passwd", name, 2)
    if colon:
        return uid, int(group) if group.isdigit() else look_up("group", group, 2)
    return uid, 0 if name.isdigit() else look_up("passwd", name, 3)


def build_environment():
    """(variables, mounts) for RUN: the name server and proxy of this machine, and its certificate.

    PIP_CERT, where it is set here, stands in a file that leaves no trace in the layer.
    """
    variables = {name: os.environ[name] for name in PROXIES if name in os.environ}
    mounts = [{"source": os.path.realpath("/etc/resolv.conf"), "target": "/etc/resolv.conf",
               "read_only": True}]
    if "PIP_CERT" in os.environ:
        variables["PIP_CERT"] = "/dev/certificates.pem"
        mounts.append({"source": os.path.realpath(os.environ["PIP_CERT"]),
                       "target": variables["PIP_CERT"], "read_only": True})
    return variables, mounts


class Running:
    """A program in a container; close() ends whatever is left of it."""

    def __init__(self, config, before=(), **kwargs):
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
            json.dump(config, file)
        self._config = pathlib.Path(file.name)
        self.config = config
        # The container ends with unshare, and unshare with this process, whatever happens to it.
        self.popen = subprocess.Popen(
            [*before, "unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child",
             sys.executable, "-I", str(CONTAINER), file.name],
            preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), **kwargs)

    def pid(self):
        """Of the container's first process, seen from here; None before it is there."""
        children = pathlib.Path(f"/proc/{self.popen.pid}/task/{self.popen.pid}/children")
        try:
            found = children.read_text().split()
        except OSError:
            return None
        return int(found[0]) if found else None

    def is_running(self):
        return self.popen.poll() is None

    def stop(self, number, patience_s):
        """Sends the first process a signal; its exit code, None if it had to be killed."""
        pid = self.pid()
        if pid is not None:
            os.kill(pid, number)
        try:
            return self.popen.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.close()
            return None

    def execute(self, args, timeout_s=60, **kwargs):
        """Like `docker exec`: another program in the running container."""
        environment = [f"{key}={value}" for key, value in self.config["env"].items()]
        return subprocess.run(
            ["nsenter", "--target", str(self.pid()), "--mount", "--net", "--pid", "--uts", "--ipc",
             "--root", "--wd", "--setuid", str(self.config["uid"]),
             "--setgid", str(self.config["gid"]), "env", "-i", *environment, *args],
            capture_output=True, text=True, timeout=timeout_s, **kwargs)

    def close(self):
        if self.is_running():
            pid = self.pid()
            os.kill(pid or self.popen.pid, signal.SIGKILL)
            self.popen.wait(10)
        self._config.unlink(missing_ok=True)


def run(config, **kwargs):
    """Runs a program to its end; its exit code."""
    running = Running(config, **kwargs)
    try:
        return running.popen.wait()
    finally:
        running.close()
