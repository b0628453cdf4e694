"""Reads our compose files strictly, and runs them as a compose engine would, without one.

Each container has processes, mounts and a network interface of its own, on one bridge in a network
of this process's own. Of a file it understands what ours use; another key is an error, so that
nothing of a compose file goes untested unseen. Not imitated: restarts, limits, `init` and ports.
"""

import contextlib
import os
import pathlib
import re
import signal
import subprocess

import yaml

import container
import image
import process
from waiting import wait_for

TOP_KEYS = {"name", "services", "volumes", "secrets"}
SERVICE_KEYS = {
    "build", "cap_drop", "command", "depends_on", "deploy", "entrypoint", "environment",
    "healthcheck", "image", "init", "ports", "read_only", "restart", "secrets", "security_opt",
    "stop_grace_period", "tmpfs", "volumes"}
CONDITIONS = {"service_healthy", "service_completed_successfully"}
SUBNET = "10.77.0."


class ComposeError(ValueError):
    """What a compose file says that is not understood here."""


class _Loader(yaml.SafeLoader):
    """YAML with compose's !override and !reset."""


class Override(list):
    """A list that replaces, where others are appended."""


RESET = object()  # What !reset leaves: the key goes.

_Loader.add_constructor("!reset", lambda loader, node: RESET)
_Loader.add_constructor("!override", lambda loader, node: Override(
    loader.construct_sequence(node, deep=True)))


def merge(base, over):
    if isinstance(base, dict) and isinstance(over, dict):
        return {key: merge(base[key], over[key]) if key in base and key in over
                else over.get(key, base.get(key)) for key in [*base, *over]
                if over.get(key) is not RESET}
    if isinstance(over, Override):
        return list(over)
    if isinstance(base, list) and isinstance(over, list):
        return base + [item for item in over if item not in base]
    return over


def merge_services(base, over):
    """As merge(), but of two commands the later one stands."""
    merged = merge(base, over)
    for name, service in over.get("services", {}).items():
        for key in ("command", "entrypoint"):
            if key in service:
                merged["services"][name][key] = service[key]
    return merged


def load(*paths):
    """The files merged in this order, each a map that has been checked for its keys."""
    merged = {}
    for path in paths:
        model = yaml.load(pathlib.Path(path).read_text(encoding="utf-8"), _Loader)
        if not set(model) <= TOP_KEYS:
            raise ComposeError(f"{path}: unknown {sorted(set(model) - TOP_KEYS)}")
        for name, service in model.get("services", {}).items():
            if not set(service) <= SERVICE_KEYS:
                raise ComposeError(f"{path}: {name}: unknown {sorted(set(service) - SERVICE_KEYS)}")
            for condition in (service.get("depends_on") or {}).values():
                if set(condition) != {"condition"} or condition["condition"] not in CONDITIONS:
                    raise ComposeError(f"{path}: {name}: depends_on: {condition}")
        merged = merge_services(merged, model)
    return merged


def seconds(text):
    found = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", text)
    if not found or not text:
        raise ComposeError(f"{text!r} is no duration such as 10s or 1m")
    return int(found[1] or 0) * 60 + int(found[2] or 0)


def in_order(services):
    """Names, each after those that it depends on."""
    done = []

    def visit(name, path=()):
        if name in path:
            raise ComposeError(f"services depend on each other: {path}")
        for other in services[name].get("depends_on") or {}:
            visit(other, (*path, name))
        if name not in done:
            done.append(name)

    for name in services:
        visit(name)
    return done


class Container:
    """One of a service's containers."""

    def __init__(self, project, name, service, index):
        self.name = f"{name}-{index}"
        self.service = service
        self.image = project.images[service["image"]]
        self.address = project.addresses[self.name]
        self.log = project.folder / f"{self.name}.log"
        self._project = project
        self._starts = 0
        self.running = None

    def _mounts(self, root):
        volumes = [volume.split(":") for volume in self.service.get("volumes", [])]
        found = []
        for source, target, *options in volumes:
            found.append({"source": str(self._project.volume(source, root, target)),
                          "target": target, "read_only": "ro" in options})
        named = {mount["target"] for mount in found}
        for target in self.image.volumes:
            if target not in named:  # VOLUME: an anonymous one.
                name = self.name + target.replace("/", "-")
                found.append({"source": str(self._project.volume(name, root, target)),
                              "target": target})
        found += [{"source": None, "target": target} for target in self.service.get("tmpfs", [])]
        for name in self.service.get("secrets", []):
            found.append({"source": str(self._project.secret(name)),
                          "target": f"/run/secrets/{name}", "read_only": True})
        return found + [{"source": str(self._project.hosts), "target": "/etc/hosts",
                         "read_only": True}]

    def _config(self, root):
        service = self.service
        command = service.get("command", [] if "entrypoint" in service else self.image.command)
        environment = {"HOME": "/", "HOSTNAME": self.name, **self.image.env,
                       **service.get("environment", {})}
        uid, gid = process.ids(root, self.image.user)
        return {"root": str(root), "hostname": self.name, "mounts": self._mounts(root),
                "uid": uid, "gid": gid,
                "env": {key: str(value) for key, value in environment.items()},
                "args": [*service.get("entrypoint", self.image.entrypoint), *command],
                "workdir": self.image.workdir, "read_only": service.get("read_only", False),
                "drop_capabilities": service.get("cap_drop") == ["ALL"],
                "no_new_privileges":
                    "no-new-privileges:true" in service.get("security_opt", [])}

    def start(self):
        """Starts it, or after a stop another one in its place: a new root, the same volumes."""
        self._starts += 1
        root = self._project.exits.enter_context(image.overlay(
            self.image.layers, self._project.folder / f"root-{self.name}-{self._starts}"))
        if self._starts == 1:
            self._project.connect(self.name, self.address)
        with open(self.log, "ab") as out:
            self.running = process.Running(
                self._config(root), before=["ip", "netns", "exec", self.name],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self._project.exits.callback(self.running.close)

    def text(self):
        return self.log.read_text(errors="replace")

    def health(self):
        """The HEALTHCHECK's exit code and output."""
        done = self.running.execute(self.image.health["test"],
                                    timeout_s=seconds(self.image.health["timeout"]))
        return done.returncode, done.stdout + done.stderr

    def await_health(self, deadline_s):
        def healthy():
            if not self.running.is_running():
                raise AssertionError(f"{self.name} ended with {self.running.popen.poll()}:\n"
                                     + self.text())
            return self.running.pid() is not None and self.health()[0] == 0
        wait_for(f"{self.name} is healthy", healthy, deadline_s)

    def stop(self):
        patience_s = seconds(self.service.get("stop_grace_period", "10s"))
        return self.running.stop(getattr(signal, self.image.stop_signal), patience_s)


class Project:
    """What `docker compose up` would start. Use as a context, in a network of one's own."""

    def __init__(self, model, images, folder):
        self.images = images
        self.folder = pathlib.Path(folder)  # Of volumes, logs, and the files of secrets.
        self._model = model
        self.exits = contextlib.ExitStack()
        self.containers = {}  # By service.
        names = [f"{name}-{i}" for name, service in model["services"].items()
                 for i in range(1, replicas(service) + 1)]
        self.addresses = {name: f"{SUBNET}{10 + i}" for i, name in enumerate(names)}
        self.hosts = self.folder / "hosts"

    def __enter__(self):
        (self.folder / "volumes").mkdir(parents=True, exist_ok=True)
        lines = ["127.0.0.1 localhost"]
        for name, address in self.addresses.items():
            service = name.rpartition("-")[0]
            lines.append(f"{address} {name} {service}")
        self.hosts.write_text("\n".join(lines) + "\n")
        # Names of networks are files: ours vanish with this process's mounts.
        os.makedirs("/run/netns", exist_ok=True)
        ip("link", "set", "lo", "up")
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/netns"], check=True)
        ip("link", "add", "compose", "type", "bridge")
        ip("addr", "add", f"{SUBNET}1/24", "dev", "compose")
        ip("link", "set", "compose", "up")
        return self

    def __exit__(self, *error):
        self.exits.close()

    def volume(self, name, root, target):
        """Its folder. A new one gets what the image has there, owner and mode included."""
        folder = self.folder / "volumes" / name
        if not folder.exists():
            source = container.inside(root, target)
            if source.is_dir():
                subprocess.run(["cp", "--archive", source, folder], check=True)
            else:
                folder.mkdir()
        return folder

    def secret(self, name):
        return self.folder / self._model["secrets"][name]["file"]

    def connect(self, name, address):
        ip("netns", "add", name)
        ip("link", "add", f"v{address.rpartition('.')[2]}", "type", "veth", "peer", "name", "eth0",
           "netns", name)
        ip("link", "set", f"v{address.rpartition('.')[2]}", "master", "compose", "up")
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")

    def up(self):
        services = self._model["services"]
        for name in in_order(services):
            for other, wanted in (services[name].get("depends_on") or {}).items():
                self._await(other, wanted["condition"])
            self.containers[name] = [Container(self, name, services[name], i)
                                     for i in range(1, replicas(services[name]) + 1)]
            for one in self.containers[name]:
                one.start()

    def _await(self, name, condition):
        for one in self.containers[name]:
            if condition == "service_healthy":
                one.await_health(60)
            else:
                code = one.running.popen.wait(60)
                if code != 0:
                    raise AssertionError(f"{one.name} ended with {code}:\n{one.text()}")

    def logs(self):
        return "\n".join(f"--- {one.name}\n{one.text()[-4000:]}"
                         for some in self.containers.values() for one in some)


def replicas(service):
    return service.get("deploy", {}).get("replicas", 1)


def ip(*args):
    subprocess.run(["ip", *args], check=True)
