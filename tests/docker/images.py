"""Builds our images without a container engine, and runs the compose file: scripts/test-images.

    images.py build NAME...   builds docker/NAME.Dockerfile, each in turn
    images.py compose [FILE]  builds server and worker, starts what compose.yaml says (with FILE on
                              top), runs a study to its end, stops all of it and starts it again
"""

import json
import os
import pathlib
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

import compose
import image
import process

SOURCE = pathlib.Path(__file__).resolve().parents[2]
STORE = pathlib.Path(os.environ.get("HALVING_IMAGES", SOURCE / "build" / "images"))
STUDY = {"study": {
    "name": "in-containers",
    "objective": "lenet",
    "objective_options": {"train_examples": 400, "validation_examples": 200},
    "parameters": [{"name": "learning_rate", "float": {"min": 0.01, "max": 1, "log": True}},
                   {"name": "batch_size", "int": {"min": 32, "max": 128}}],
    "halving": {"min_epochs": 1, "max_epochs": 2, "eta": 2},
    "limits": {"max_evaluations": 6},
}}


def say(text):
    print(text, flush=True)


def size_mb(built):
    """Of all its layers; a file of several names counts once."""
    found = {(stat.st_dev, stat.st_ino): stat.st_blocks * 512 for layer in built.layers
             for stat in (path.lstat() for path in layer.rglob("*"))}
    return sum(found.values()) / 1e6


def build(names):
    builder = image.Builder(SOURCE, STORE, say)
    os.chdir(SOURCE)
    images = {}
    for name in names:
        started = time.monotonic()
        built = builder.build(f"docker/{name}.Dockerfile")
        say(f"halving-{name}: {size_mb(built):.0f} MB, {time.monotonic() - started:.0f} s")
        images[f"halving-{name}"] = built
    return images


def check(what, holds, shown=""):
    if not holds:
        raise AssertionError(f"{what}: it is not so\n{shown}")
    say(f"  {what}")


def run_halving(server, *args, before=(), **kwargs):
    """Like `docker compose exec -T server halving ...`."""
    tls = ["--tls-ca", "/run/secrets/ca.crt"] if server.service.get("secrets") else []
    return server.running.execute([*before, "halving", *tls, *args], timeout_s=300, **kwargs)


def halving(server, *args, text=None):
    """Its standard output."""
    done = run_halving(server, *args, input=text)
    if done.returncode != 0:
        raise AssertionError(f"halving {args} ended with {done.returncode}\n{done.stdout}"
                             f"{done.stderr}")
    return done.stdout


def try_study(project):
    server = project.containers["server"][0]
    halving(server, "create", "-", text=json.dumps(STUDY))
    halving(server, "watch", "in-containers", "--color", "never")
    status = json.loads(halving(server, "status", "in-containers", "--json"))
    check("a study ran to its end", status["study"]["state"] == "STUDY_STATE_COMPLETED", status)
    shown = json.loads(halving(server, "workers", "--json"))
    check("both workers are known", len(shown["workers"]) == 2, shown)


def try_health(project):
    """The checks can fail, too."""
    server, worker = project.containers["server"][0], project.containers["worker"][0]
    for one, wrong in ((server, "HALVING_HTTP=0.0.0.0:1"), (worker, "HALVING_SERVER=server:1")):
        done = one.running.execute(["env", wrong, *one.image.health["test"]])
        check(f"{one.name} is unhealthy with {wrong}", done.returncode != 0, done)


def try_tokens(project):
    server, worker = project.containers["server"][0], project.containers["worker"][0]
    done = run_halving(server, "list", before=["env", "--unset=HALVING_TOKEN_FILE"])
    check("without a token nothing is shown", done.returncode != 0 and "token" in done.stderr, done)
    token = worker.service["environment"]["HALVING_TOKEN_FILE"]
    stat = worker.running.execute(["stat", "--format=%u %a", token])
    check("the workers' token is its owner's only", stat.stdout.strip() == "970 600", stat)
    text = worker.running.execute(["cat", token]).stdout
    done = run_halving(server, "delete", "in-containers", "--yes", before=[
        "env", "--unset=HALVING_TOKEN_FILE", f"HALVING_TOKEN={text.strip()}"])
    refused = done.returncode != 0 and "token" in done.stderr
    check("a worker's token deletes no study", refused, done)


def try_page(project):
    """As a browser on this machine asks for it, through the port that compose.yaml opens."""
    server = project.containers["server"][0]

    def ask(scheme, host):
        url = f"{scheme}://{server.address}:7080/"
        request = urllib.request.Request(url, headers={"Host": host})
        try:
            with urllib.request.urlopen(request, timeout=10,
                                        context=ssl._create_unverified_context()) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None  # Not this scheme.

    statuses = [ask(scheme, "127.0.0.1:7080") for scheme in ("http", "https")]
    check("the page is there", 200 in statuses, statuses)
    statuses = [ask(scheme, "elsewhere.example") for scheme in ("http", "https")]
    check("the page is not there under a name of somebody's", 200 not in statuses, statuses)


def try_start_again(project):
    server = project.containers["server"][0]
    server.start()
    server.await_health(60)
    status = json.loads(halving(server, "status", "in-containers", "--json"))
    check("started again, the server has its study", status["study"]["spec"]["name"], status)
    server.stop()


def make_certificates(folder):
    """As docs/containers.md says."""
    make_certs = [SOURCE / "scripts" / "make-certs", "--out", folder / "certs"]
    subprocess.run([*make_certs, "server", "server"], check=True, stdout=subprocess.DEVNULL)
    os.chown(folder / "certs" / "server.key", 970, -1)


def try_stop(project):
    for service in ("worker", "server"):
        for one in project.containers[service]:
            code = one.stop()
            check(f"{one.name} left with 0 on {one.image.stop_signal}", code == 0,
                  f"ended with {code}\n{one.text()}")


def try_users(project):
    for service in ("server", "worker"):
        for one in project.containers[service]:
            done = one.running.execute(["id", "--user"])
            check(f"{one.name} runs as uid 970", done.stdout.strip() == "970", done)
            check(f"{one.name} cannot write its root",
                  one.running.execute(["touch", "/usr/bin/x"]).returncode != 0)


def run_compose(overlays):
    try_compose(build(["server", "worker"]), overlays, STORE / "compose")


def try_compose(images, overlays, folder):
    files = [SOURCE / "docker" / name for name in ("compose.yaml", *overlays)]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    model = compose.load(*files)
    if "secrets" in model:
        make_certificates(folder)
    process.leave_namespaces(process.CLONE_NEWNET)
    with compose.Project(model, images, folder) as project:
        say(f"{' and '.join(file.name for file in files)}: up")
        try:
            project.up()
            for one in project.containers["worker"]:
                one.await_health(60)
            check("server and workers are healthy", True)
            try_health(project)
            try_users(project)
            try_study(project)
            try_tokens(project)
            try_page(project)
            try_stop(project)
            try_start_again(project)
        except BaseException:
            say(project.logs())
            raise


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in ("build", "compose"):
        sys.exit(__doc__)
    process.leave_namespaces(process.CLONE_NEWNS)
    if sys.argv[1] == "build":
        build(sys.argv[2:])
    else:
        run_compose(sys.argv[2:])


if __name__ == "__main__":
    try:
        main()
    except (AssertionError, RuntimeError, ValueError) as error:
        sys.exit(f"FAILED: {error}")
