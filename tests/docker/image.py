"""Runs the steps of a Dockerfile in fresh Debian roots, and keeps each step's files as a layer.

A layer is a folder of what a step changed, named by everything that the step depends on, as a
container engine's cache is: the layers below, the instruction with its variables, and the content
of what COPY takes. A root is an overlay of layers; FROM debian:... is one that mmdebstrap makes.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import time

import container
import dockerfile
import process

DEBIAN = re.compile(r"debian:(?P<suite>[a-z]+)-\d{8}-slim")
HEALTH_DEFAULTS = {"interval": "30s", "timeout": "30s", "start-period": "0s", "retries": "3"}


class BuildError(RuntimeError):
    """The step that failed, and with what."""


@dataclasses.dataclass
class Image:
    layers: list  # Folders, the base first.
    key: str = ""
    env: dict = dataclasses.field(default_factory=lambda: {"PATH": process.PATH})
    user: str = "0"
    workdir: str = "/"
    entrypoint: list = dataclasses.field(default_factory=list)
    command: list = dataclasses.field(default_factory=list)
    volumes: list = dataclasses.field(default_factory=list)
    ports: list = dataclasses.field(default_factory=list)
    labels: dict = dataclasses.field(default_factory=dict)
    stop_signal: str = "SIGTERM"
    health: dict = dataclasses.field(default_factory=dict)  # Its flags, and "test": a list.

    def extended(self, layer, key):
        return dataclasses.replace(self, layers=[*self.layers, layer], key=key)


@contextlib.contextmanager
def overlay(layers, scratch):
    """A root of these layers; what is written into it lands in scratch/upper."""
    scratch = pathlib.Path(scratch)
    shutil.rmtree(scratch, ignore_errors=True)
    for name in ("upper", "work", "root"):
        (scratch / name).mkdir(parents=True)
    # Relative names, since the kernel takes one page of options at most.
    folder = layers[0].parent
    lower = ":".join(os.path.relpath(layer, folder) for layer in reversed(layers))
    subprocess.run(
        ["mount", "-t", "overlay", "overlay", "-o",
         f"lowerdir={lower},upperdir={scratch / 'upper'},workdir={scratch / 'work'}",
         scratch / "root"], check=True, cwd=folder)
    try:
        yield scratch / "root"
    finally:
        subprocess.run(["umount", "--recursive", "--lazy", scratch / "root"], check=True)


def digest(*parts):
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:24]


def content_digest(paths):
    """Of files and folders: names, modes and bytes."""
    sha = hashlib.sha256()
    for path in paths:
        mode = "" if path.is_symlink() else oct(path.stat().st_mode & 0o777)
        content = (os.readlink(path).encode() if path.is_symlink()
                   else path.read_bytes() if path.is_file() else b"")
        sha.update(f"{path}\0{mode}\0{len(content)}\0".encode() + content)
    return sha.hexdigest()


class Context:
    """The folder that an image is built from, without what .dockerignore leaves out."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        ignore = self.folder / ".dockerignore"
        self._ignore = dockerfile.Ignore(ignore.read_text() if ignore.exists() else "")

    def files(self, source):
        """The file, or all of a folder, that is not ignored; empty when there is none."""
        top = self.folder / source
        # ".." and a leading "/" lead out of it in Docker's eyes as well.
        if not top.resolve().is_relative_to(self.folder.resolve()):
            return []
        found = [top, *sorted(top.rglob("*"))] if top.is_dir() and not top.is_symlink() else [top]
        return [path for path in found
                if os.path.lexists(path) and (path == top and path.is_dir() or not
                                              self._ignore.ignores(path.relative_to(self.folder)))]

    def has(self, source):
        return any(not path.is_dir() for path in self.files(source))


class Builder:
    """Builds images below `store`, which holds roots, layers and caches between runs."""

    def __init__(self, context, store, log=print):
        self._context = Context(context)
        self._store = pathlib.Path(store)
        self._layers = self._store / "layers"
        self._layers.mkdir(parents=True, exist_ok=True)
        self._scratch = self._store / f"scratch-{os.getpid()}"
        for left in self._store.glob("scratch-*"):  # By a run that was killed.
            if not pathlib.Path("/proc", left.name.partition("-")[2]).exists():
                shutil.rmtree(left, ignore_errors=True)
        self._log = log

    def build(self, path, build_args=None):
        """The image of the last stage."""
        text = pathlib.Path(path).read_text(encoding="utf-8")
        file = dockerfile.parse(text, build_args)
        images = {}
        for stage in file.stages:
            self._log(f"{path}:{stage.line}: FROM {stage.base}")
            image = images.get(stage.base) or self._base(stage.base)
            arguments = {}
            for step in stage.instructions:
                if step.name == "ARG":
                    name, default = dockerfile.argument(step)
                    default = default if default is not None else file.args.get(name)
                    arguments[name] = (build_args or {}).get(name, default or "")
                else:
                    image = self._step(path, image, step, arguments, images)
            images[stage.name] = image
        return images[file.stages[-1].name]

    def _base(self, name):
        found = DEBIAN.fullmatch(name)
        if found is None:
            raise BuildError(f"FROM {name}: only debian:SUITE-YYYYMMDD-slim can be made here")
        layer = self._layers / f"debian-{found['suite']}"
        if not layer.exists():
            self._make_debian(found["suite"], layer)
        return Image([layer], digest(layer.name))

    def _make_debian(self, suite, layer):
        self._log(f"making a root of Debian {suite}")
        mirror = "http://deb.debian.org"
        new = layer.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        sources = [f"deb {mirror}/debian {suite} main", f"deb {mirror}/debian {suite}-updates main",
                   f"deb {mirror}/debian-security {suite}-security main"]
        # As the image of that name: no documents, no translations.
        leave_out = [f"--dpkgopt=path-exclude=/usr/share/{name}/*"
                     for name in ("doc", "man", "info", "locale")]
        done = subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", *leave_out, suite, new,
                               "-"], input="\n".join(sources), text=True, capture_output=True)
        if done.returncode != 0:
            raise BuildError(f"mmdebstrap {suite} ended with {done.returncode}:\n{done.stderr}")
        new.rename(layer)

    def _step(self, path, image, step, arguments, images):
        variables = {**arguments, **image.env}
        if step.name in dockerfile.EXPANDED:
            step = dataclasses.replace(
                step, value=dockerfile.expand(step.value, variables, step.line),
                flags={name: dockerfile.expand(value, variables, step.line)
                       if isinstance(value, str) else value for name, value in step.flags.items()})
        if step.name in ("RUN", "COPY", "WORKDIR"):
            return getattr(self, f"_{step.name.lower()}")(path, image, step, arguments, images)
        return self._configure(image, step)

    def _configure(self, image, step):
        """Those that change no file."""
        changes = {
            "ENV": lambda: {"env": {**image.env, **dict(step.pairs())}},
            "LABEL": lambda: {"labels": {**image.labels, **dict(step.pairs())}},
            "USER": lambda: {"user": step.value},
            "VOLUME": lambda: {"volumes": image.volumes + step.words()},
            "EXPOSE": lambda: {"ports": image.ports + step.words()},
            "STOPSIGNAL": lambda: {"stop_signal": step.value},
            "ENTRYPOINT": lambda: {"entrypoint": shell_or_exec(step), "command": []},
            "CMD": lambda: {"command": shell_or_exec(step)},
            "HEALTHCHECK": lambda: {"health": health(step)},
        }[step.name]()
        return dataclasses.replace(image, **changes)

    def _layered(self, image, key, what, work):
        """The image with the layer of `key`, which work(root) makes unless it is there."""
        layer = self._layers / key
        if layer.exists():
            self._log(f"  kept: {what}")
            return image.extended(layer, key)
        self._log(f"  {what}")
        started = time.monotonic()
        try:
            with overlay(image.layers, self._scratch) as root:
                work(root)
            (self._scratch / "upper").rename(layer)
        finally:
            shutil.rmtree(self._scratch, ignore_errors=True)
        self._log(f"    {time.monotonic() - started:.1f} s")
        return image.extended(layer, key)

    def _run(self, path, image, step, arguments, _images):
        passed, passed_mounts = process.build_environment()
        env = {**passed, **arguments, **image.env}
        args = step.exec_form() or ["/bin/sh", "-c", step.value]
        mounts = [{"source": str(self._cache(mount)), "target": mount["target"]}
                  for mount in step.flags.get("mount", [])]

        def work(root):
            uid, gid = process.ids(root, image.user)
            log = self._scratch / "run.log"
            with open(log, "wb") as out:
                code = process.run(
                    {"root": str(root), "mounts": passed_mounts + mounts, "uid": uid,
                     "gid": gid, "env": env, "args": args, "workdir": image.workdir},
                    stdout=out, stderr=out, stdin=subprocess.DEVNULL)
            if code != 0:
                raise BuildError(f"{path}:{step.line}: RUN ended with {code}; its output's end:\n"
                                 + log.read_text(errors="replace")[-6000:])

        key = digest("RUN", image.key, args, json.dumps(step.flags), arguments, image.env,
                     image.user, image.workdir)
        return self._layered(image, key, f"RUN {step.value[:90]}", work)

    def _cache(self, mount):
        folder = self._store / "caches" / digest(mount.get("id", mount["target"]))
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _workdir(self, _path, image, step, _arguments, _images):
        workdir = os.path.normpath(os.path.join(image.workdir, step.value))
        image = dataclasses.replace(image, workdir=workdir)
        key = digest("WORKDIR", image.key, workdir)
        return self._layered(image, key, f"WORKDIR {workdir}", lambda root: container.inside(
            root, workdir).mkdir(parents=True, exist_ok=True))

    def _copy(self, path, image, step, _arguments, images):
        *sources, target = step.words()
        where = f"{path}:{step.line}: COPY {step.value}"
        if not sources or (len(sources) > 1 and not target.endswith("/")):
            raise BuildError(f"{where}: it is COPY SOURCE... TARGET; of several sources TARGET/")
        target = os.path.join(image.workdir, target)
        stage = step.flags.get("from")
        if stage is None:
            return self._copy_context(where, image, step, sources, target)
        if stage not in images:
            raise BuildError(f"{where}: there is no stage {stage!r} above; images from elsewhere "
                             "cannot be had here")

        def work(root):
            with overlay(images[stage].layers, self._scratch / "from") as other:
                for source in sources:
                    top = container.inside(other, os.path.join("/", source))
                    if not top.exists():
                        raise BuildError(f"{where}: {source} is not in stage {stage}")
                    everything = [top, *sorted(top.rglob("*"))] if top.is_dir() else [top]
                    copy(everything, root, target, step.flags)

        key = digest("COPY", image.key, images[stage].key, sources, target, step.flags)
        return self._layered(image, key, f"COPY --from={stage} {step.value}", work)

    def _copy_context(self, where, image, step, sources, target):
        files = {source: self._context.files(source) for source in sources}
        for source in sources:
            if not self._context.has(source):
                raise BuildError(f"{where}: {source} is not there, or .dockerignore leaves it out")

        def work(root):
            for source in sources:
                copy(files[source], root, target, step.flags)

        content = [content_digest(files[source]) for source in sources]
        key = digest("COPY", image.key, content, sources, target, step.flags)
        return self._layered(image, key, f"COPY {step.value}", work)


def copy(everything, root, target, flags):
    """Copies a file, or what is in a folder, as COPY does; everything[0] is what was named."""
    uid, gid = process.ids(root, flags.get("chown", "0:0"))
    to = container.inside(root, target)
    top = everything[0]
    if not top.is_dir():
        to = to / top.name if target.endswith("/") or to.is_dir() else to
        to.parent.mkdir(parents=True, exist_ok=True)
    for path in everything:
        at = to / path.relative_to(top) if path != top else to
        if path.is_dir() and not path.is_symlink():
            at.mkdir(parents=True, exist_ok=True)
        else:
            shutil.copy2(path, at, follow_symlinks=False)
        os.chown(at, uid, gid, follow_symlinks=False)
        if "chmod" in flags and not path.is_symlink():
            os.chmod(at, int(flags["chmod"], 8))


def shell_or_exec(step):
    return step.exec_form() or ["/bin/sh", "-c", step.value]


def health(step):
    if step.value == "NONE":
        return {}
    word, _, rest = step.value.partition(" ")
    if word != "CMD" or not rest:
        raise dockerfile.DockerfileError(f"line {step.line}: HEALTHCHECK is NONE or CMD COMMAND")
    command = dataclasses.replace(step, value=rest.strip())
    return {**HEALTH_DEFAULTS, **step.flags, "test": shell_or_exec(command)}
