"""Becomes the first process of a container: mounts, changes root and user, and runs its program.

Started by process.py in namespaces of its own, with a JSON file of what to do. It holds what a
container engine would: a /dev of its own, /proc, /sys that cannot be written, volumes, the user.
"""

import ctypes
import json
import os
import pathlib
import socket
import subprocess
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, LAST_CAP = 24, 38, 63
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


def mount(*args):
    subprocess.run(["mount", *map(str, args)], check=True)


def prctl(option, value):
    return LIBC.prctl(option, ctypes.c_ulong(value), 0, 0, 0)


def inside(root, path):
    """`path` of the container as a path out here; a link in the image must not lead out."""
    at = pathlib.Path(root)
    for part in pathlib.PurePosixPath(path).parts[1:]:
        at = at / part
        if at.is_symlink():
            target = os.readlink(at)
            at = inside(root, target if target.startswith("/")
                        else "/" + os.path.normpath(str(at.parent.relative_to(root) / target)))
    return at


def make_dev(root):
    dev = root / "dev"
    dev.mkdir(exist_ok=True)
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", dev)
    for name in DEVICES:
        (dev / name).touch()
        mount("--bind", f"/dev/{name}", dev / name)
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"),
                         ("stderr", "fd/2"), ("ptmx", "pts/ptmx")):
        (dev / name).symlink_to(target)
    for name, kind, options in (("pts", "devpts", "newinstance,ptmxmode=0666"),
                                ("shm", "tmpfs", "mode=1777")):
        (dev / name).mkdir()
        mount("-t", kind, "-o", options, kind, dev / name)


def make_mounts(config):
    root = pathlib.Path(config["root"])
    mount("--bind", root, root)
    make_dev(root)
    for name in ("proc", "sys"):
        (root / name).mkdir(exist_ok=True)
    mount("-t", "proc", "proc", root / "proc")
    mount("--rbind", "/sys", root / "sys")
    mount("-o", "remount,ro,bind", root / "sys")
    for bound in config["mounts"]:
        target = inside(root, bound["target"])
        if bound["source"] is None:
            target.mkdir(parents=True, exist_ok=True)
            mount("-t", "tmpfs", "-o", "mode=1777,nosuid,nodev", "tmpfs", target)
            continue
        if os.path.isdir(bound["source"]):
            target.mkdir(parents=True, exist_ok=True)
        elif not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        mount("--bind", bound["source"], target)
        if bound.get("read_only"):
            mount("-o", "remount,ro,bind", target)
    if config.get("read_only"):
        mount("-o", "remount,ro,bind", root)


def restrict(config):
    if config.get("drop_capabilities"):
        for capability in range(LAST_CAP + 1):
            prctl(PR_CAPBSET_DROP, capability)  # Those that the kernel lacks are refused: fine.
    if config.get("no_new_privileges"):
        prctl(PR_SET_NO_NEW_PRIVS, 1)
    os.setgroups([])
    os.setgid(config["gid"])
    os.setuid(config["uid"])


def main():
    config = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    if "hostname" in config:
        socket.sethostname(config["hostname"])
    make_mounts(config)
    os.chroot(config["root"])
    os.chdir("/")
    os.makedirs(config["workdir"], exist_ok=True)
    os.chdir(config["workdir"])
    restrict(config)
    os.umask(0o022)
    try:
        os.execvpe(config["args"][0], config["args"], config["env"])
    except OSError as error:
        sys.exit(f"cannot run {config['args']}: {error}")


if __name__ == "__main__":
    main()
