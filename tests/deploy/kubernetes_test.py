"""deploy/kubernetes: what kustomize makes of it, against the schemas, and what no schema knows.

Runs under the Python that scripts/install-kubernetes-tools has made, since that has the schemas.
"""

import copy
import functools
import ipaddress
import json
import os
import pathlib
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import tomllib
import unittest
import urllib.error
import urllib.request

import harness
from harness import BIN, SOURCE, wait_for
from slurm_cluster import free_ports

TOOLS = SOURCE / "build" / "tools" / "kubernetes"
PYTHON = TOOLS / "python" / "bin" / "python"
IS_THERE = (TOOLS / "installed").exists()
if IS_THERE and pathlib.Path(sys.prefix) != TOOLS / "python":
    os.execv(PYTHON, [str(PYTHON), *sys.argv])
if IS_THERE:
    import jsonschema
    import kubernetes_validate
    import yaml

MANIFESTS = SOURCE / "deploy" / "kubernetes"
PAGE = SOURCE / "docs" / "kubernetes.md"
OVERLAYS = sorted(path.parent.name for path in MANIFESTS.glob("overlays/*/kustomization.yaml"))
# The oldest that has all that is used (podFailurePolicy), and the newest that is known.
VERSIONS = ("1.31", "1.37")
PODS = ("StatefulSet", "Deployment", "Job")
built = {}


def build(overlay):
    """All that an overlay makes, with certificates that are none."""
    if overlay not in built:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder) / "kubernetes"
            shutil.copytree(MANIFESTS, root, ignore=shutil.ignore_patterns("*.crt", "*.key"))
            for name in ("tls.crt", "tls.key", "ca.crt"):
                (root / "components" / "tls-files" / "certs" / name).write_text("none\n")
            done = subprocess.run([TOOLS / "kustomize", "build", root / "overlays" / overlay],
                                  capture_output=True, text=True)
        if done.returncode != 0 or done.stderr:
            raise AssertionError(f"kustomize build {overlay}: {done.stdout[-500:]}{done.stderr}")
        built[overlay] = list(yaml.safe_load_all(done.stdout))
    return built[overlay]


def matches(selector, labels):
    return all(labels.get(key) == value for key, value in selector.items())


def closed(schema):
    """A copy of a CRD's schema that refuses fields which it does not know."""
    schema = copy.deepcopy(schema)

    def close(part):
        if isinstance(part, dict):
            if "properties" in part and not part.get("x-kubernetes-preserve-unknown-fields"):
                part.setdefault("additionalProperties", False)
            for value in part.values():
                close(value)
        elif isinstance(part, list):
            for value in part:
                close(value)

    close(schema)
    return schema


def known_flags(program):
    """The flags, and the variables, of a program of ours, without their dashes."""
    text = subprocess.run([BIN / program, "--help"], capture_output=True, text=True).stdout
    return (set(re.findall(r"^\s+(?:-\w,)?--([a-z-]+)", text, re.MULTILINE)),
            set(re.findall(r"Env:(HALVING_\w+)", text)))


class Overlay:
    """What one overlay makes, by kind and name."""

    def __init__(self, name):
        self.objects = build(name)

    def all(self, *kinds):
        return [thing for thing in self.objects if thing["kind"] in kinds]

    def one(self, kind, name):
        found = [thing for thing in self.all(kind) if thing["metadata"]["name"] == name]
        return found[0] if len(found) == 1 else None

    def templates(self):
        """(name of the owner, pod template)."""
        return [(thing["metadata"]["name"], thing["spec"]["template"]) for thing in self.all(*PODS)]

    def pod(self, owner):
        return dict(self.templates())[owner]["spec"]

    def config(self, name, file):
        """A file of a generated ConfigMap, whose name goes on with a hash."""
        found = [thing["data"] for thing in self.all("ConfigMap")
                 if thing["metadata"]["name"].startswith(name)]
        return tomllib.loads(found[0][file])


def each_overlay(test):
    """A test that is given each Overlay in turn."""
    @functools.wraps(test)
    def run(self):
        for name in OVERLAYS:
            with self.subTest(overlay=name):
                test(self, Overlay(name))

    return run


class KubernetesTest(unittest.TestCase):

    def setUp(self):
        if not IS_THERE:
            self.skipTest("kustomize and the schemas are not there: "
                          "scripts/install-kubernetes-tools says why")


class SchemaTest(KubernetesTest):

    def test_there_are_overlays(self):
        self.assertEqual(OVERLAYS, ["cpu", "gpu", "gpu-job"])

    @each_overlay
    def test_all_is_as_kubernetes_says(self, overlay):
        for thing in overlay.objects:
            if thing["apiVersion"].startswith("cert-manager.io/"):
                continue
            for version in VERSIONS:
                kubernetes_validate.validate(thing, version, strict=True)

    def test_all_is_as_cert_manager_says(self):
        things = [thing for name in OVERLAYS for thing in build(name)
                  if thing["apiVersion"] == "cert-manager.io/v1"]
        self.assertEqual(len(things), 4)
        for thing in things:
            plural = thing["kind"].lower() + "s"
            crd = yaml.safe_load((TOOLS / "crds" / f"cert-manager.io_{plural}.yaml").read_text())
            schema = closed(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
                            ["spec"])
            jsonschema.Draft202012Validator(schema).validate(thing["spec"])

    def test_a_field_that_nobody_knows_is_found(self):
        thing = copy.deepcopy(Overlay("cpu").one("StatefulSet", "halving-server"))
        thing["spec"]["replica"] = 1
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(thing, VERSIONS[0], strict=True)


class PodsTest(KubernetesTest):

    @each_overlay
    def test_pods_may_no_more_than_they_need(self, overlay):
        self.assertEqual(overlay.all("Namespace")[0]["metadata"]["labels"][
            "pod-security.kubernetes.io/enforce"], "restricted")
        for owner, template in overlay.templates():
            pod = template["spec"]
            self.assertIs(pod["automountServiceAccountToken"], False, owner)
            self.assertIs(pod["enableServiceLinks"], False, owner)
            self.assertIs(pod["securityContext"]["runAsNonRoot"], True, owner)
            self.assertGreater(pod["securityContext"]["runAsUser"], 0, owner)
            self.assertEqual(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault")
            self.assertFalse({"hostNetwork", "hostPID", "hostIPC"} & set(pod), owner)
            for container in pod["containers"]:
                self.assertEqual(container["securityContext"], {
                    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]}}, owner)
                self.assertIn("memory", container["resources"]["limits"], owner)
                self.assertEqual({"cpu", "memory"} - set(container["resources"]["requests"]),
                                 set(), owner)
                self.assertRegex(container["image"], r":\d+\.\d+\.\d+$", owner)

    @each_overlay
    def test_mounts_and_volumes_belong_together(self, overlay):
        for owner, template in overlay.templates():
            pod = template["spec"]
            volumes = {volume["name"]: volume for volume in pod["volumes"]}
            claims = {claim["metadata"]["name"] for thing in overlay.all("StatefulSet")
                      if thing["metadata"]["name"] == owner
                      for claim in thing["spec"]["volumeClaimTemplates"]}
            mounts = [mount for container in pod["containers"]
                      for mount in container["volumeMounts"]]
            self.assertEqual({mount["name"] for mount in mounts}, set(volumes) | claims, owner)
            for mount in mounts:
                # What is mounted by subPath never changes: a renewed certificate would not come.
                self.assertNotIn("subPath", mount, owner)
                volume = volumes.get(mount["name"], {})
                self.assertFalse({"hostPath", "nfs"} & set(volume), owner)
                if "secret" in volume or "configMap" in volume:
                    self.assertIs(mount["readOnly"], True, f"{owner} {mount['name']}")

    @each_overlay
    def test_what_the_configs_name_is_mounted(self, overlay):
        for owner, role in (("halving-server", "server"), ("halving-worker", "worker")):
            pod = overlay.pod(owner)
            config = overlay.config(f"halving-{role}-config", f"{role}.toml")
            there, writable = set(), set()
            volumes = {volume["name"]: volume for volume in pod["volumes"]}
            for mount in pod["containers"][0]["volumeMounts"]:
                items = volumes.get(mount["name"], {}).get("secret", {}).get("items", [])
                there |= {f"{mount['mountPath']}/{item['path']}" for item in items}
                if not mount.get("readOnly"):
                    writable.add(mount["mountPath"])
                if mount["name"] == "token":
                    there.add(f"{mount['mountPath']}/worker.token")
            for key, value in config.items():
                if key in ("tls-cert", "tls-key", "tls-ca", "token-file"):
                    self.assertIn(value, there, f"{owner} {key}")
                elif key in ("data-dir", "checkpoint-dir"):
                    self.assertIn(value, writable, f"{owner} {key}")
            self.assertIn(f"/etc/halving/config/{role}.toml", pod["containers"][0]["command"])

    @each_overlay
    def test_only_the_server_sees_its_key(self, overlay):
        for owner, template in overlay.templates():
            for volume in template["spec"]["volumes"]:
                if volume.get("secret", {}).get("secretName") == "halving-tls":
                    keys = {item["key"] for item in volume["secret"]["items"]}
                    self.assertEqual("tls.key" in keys, owner == "halving-server", owner)

    @each_overlay
    def test_a_worker_has_time_to_give_its_trial_back(self, overlay):
        grace = overlay.config("halving-worker-config", "worker.toml")["grace"]
        self.assertRegex(grace, r"^\d+s$")
        self.assertLess(int(grace[:-1]), overlay.pod("halving-worker")[
            "terminationGracePeriodSeconds"])
        self.assertGreater(overlay.pod("halving-server")["terminationGracePeriodSeconds"], 15)

    def test_gpu_workers_have_one_each_and_are_tolerated(self):
        for name in OVERLAYS:
            pod = Overlay(name).pod("halving-worker")
            resources = pod["containers"][0]["resources"]
            wanted = "1" if name.startswith("gpu") else None
            self.assertEqual(resources["limits"].get("nvidia.com/gpu"), wanted, name)
            self.assertEqual(resources["requests"].get("nvidia.com/gpu"), wanted, name)
            self.assertEqual("halving-worker-cuda:" in pod["containers"][0]["image"], bool(wanted))
            tolerated = {toleration["key"] for toleration in pod.get("tolerations", [])}
            self.assertEqual("nvidia.com/gpu" in tolerated, bool(wanted), name)


class ReferencesTest(KubernetesTest):

    @each_overlay
    def test_selectors_find_pods(self, overlay):
        labels = [template["metadata"]["labels"] for _, template in overlay.templates()]
        selectors = [(thing["kind"], thing["metadata"]["name"], thing["spec"]["selector"])
                     for thing in overlay.all("Service")]
        selectors += [(thing["kind"], thing["metadata"]["name"],
                       thing["spec"]["selector"]["matchLabels"])
                      for thing in overlay.all("StatefulSet", "Deployment",
                                               "PodDisruptionBudget")]
        for kind, name, selector in selectors:
            self.assertEqual(sum(matches(selector, one) for one in labels), 1, f"{kind} {name}")
        for thing in overlay.all("StatefulSet", "Deployment"):
            self.assertTrue(matches(thing["spec"]["selector"]["matchLabels"],
                                    thing["spec"]["template"]["metadata"]["labels"]))

    @each_overlay
    def test_all_is_in_one_namespace(self, overlay):
        for thing in overlay.objects:
            if thing["kind"] != "Namespace":
                self.assertEqual(thing["metadata"]["namespace"], "halving",
                                 thing["metadata"]["name"])

    @each_overlay
    def test_services_lead_to_the_ports_that_the_server_listens_on(self, overlay):
        config = overlay.config("halving-server-config", "server.toml")
        container = overlay.pod("halving-server")["containers"][0]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        self.assertEqual(config["listen"], f"0.0.0.0:{ports['grpc']}")
        self.assertEqual(config["http"], f"0.0.0.0:{ports['https']}")
        for service in overlay.all("Service"):
            self.assertEqual({port["targetPort"] for port in service["spec"]["ports"]},
                             set(ports))
            for port in service["spec"]["ports"]:
                self.assertEqual(port["port"], ports[port["targetPort"]])
        headless = overlay.one("StatefulSet", "halving-server")["spec"]["serviceName"]
        self.assertEqual(overlay.one("Service", headless)["spec"]["clusterIP"], "None")

    @each_overlay
    def test_workers_call_the_service_by_a_name_that_is_in_the_certificate(self, overlay):
        address = overlay.config("halving-worker-config", "worker.toml")["server"]
        host, port = address.rsplit(":", 1)
        name, namespace, _ = host.split(".", 2)
        service = overlay.one("Service", name)
        self.assertIsNotNone(service, address)
        self.assertEqual(service["metadata"]["namespace"], namespace)
        self.assertIn(int(port), [one["port"] for one in service["spec"]["ports"]])
        for thing in overlay.all("Certificate"):
            if thing["spec"]["secretName"] == "halving-tls":
                self.assertLessEqual({host, "localhost"}, set(thing["spec"]["dnsNames"]))
        self.assertIn(host, overlay.config("halving-server-config", "server.toml")["http-host"])
        self.assertRegex(PAGE.read_text(encoding="utf-8"),
                         rf"make-certs .*server .*\b{re.escape(host)}\b")

    @each_overlay
    def test_each_secret_comes_from_somewhere(self, overlay):
        by_hand = re.findall(r"create secret generic ([\w-]+)", PAGE.read_text(encoding="utf-8"))
        made = {thing["metadata"]["name"] for thing in overlay.all("Secret")} | set(by_hand)
        made |= {thing["spec"]["secretName"] for thing in overlay.all("Certificate")}
        configs = {thing["metadata"]["name"] for thing in overlay.all("ConfigMap")}
        for owner, template in overlay.templates():
            for volume in template["spec"]["volumes"]:
                if "secret" in volume:
                    self.assertIn(volume["secret"]["secretName"], made, owner)
                if "configMap" in volume:
                    self.assertIn(volume["configMap"]["name"], configs, owner)
        self.assertIn("halving-tls", made - set(by_hand))

    def test_no_secret_stands_in_a_file(self):
        listed = subprocess.run(["git", "-C", str(SOURCE), "ls-files", "-co", "--exclude-standard",
                                 "deploy"], capture_output=True, text=True).stdout.split()
        for path in [SOURCE / name for name in listed] or list(MANIFESTS.rglob("*.*")):
            if not path.is_file():
                continue
            text = path.read_text(encoding="utf-8")
            self.assertNotRegex(text, r"hv_[0-9a-f]{12}_[0-9a-f]{64}|PRIVATE KEY-----", path.name)
            self.assertNotRegex(text, r"(?m)^kind: Secret$", path.name)

    @each_overlay
    def test_nodes_can_be_drained(self, overlay):
        for budget in overlay.all("PodDisruptionBudget"):
            self.assertNotIn("minAvailable", budget["spec"], budget["metadata"]["name"])
            self.assertGreater(int(str(budget["spec"]["maxUnavailable"]).rstrip("%")), 0)
            # Kubernetes can reckon per cent, and maxUnavailable, only of what has a scale.
            for thing in overlay.all("Job"):
                self.assertFalse(matches(budget["spec"]["selector"]["matchLabels"],
                                         thing["spec"]["template"]["metadata"]["labels"]))


class NetworkTest(KubernetesTest):

    def policies(self, overlay, labels, kind):
        return [thing["spec"] for thing in overlay.all("NetworkPolicy")
                if kind in thing["spec"]["policyTypes"]
                and matches(thing["spec"]["podSelector"].get("matchLabels", {}), labels)]

    @each_overlay
    def test_nothing_is_allowed_that_is_not_named(self, overlay):
        denied = overlay.one("NetworkPolicy", "default-deny")["spec"]
        self.assertEqual(denied, {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})
        for thing in overlay.all("NetworkPolicy"):
            for rule in (thing["spec"].get("ingress", []) + thing["spec"].get("egress", [])):
                self.assertTrue(rule.get("from") or rule.get("to"), thing["metadata"]["name"])
                self.assertTrue(rule["ports"], thing["metadata"]["name"])

    @each_overlay
    def test_workers_and_prometheus_reach_the_server_and_nobody_else_does(self, overlay):
        templates = dict(overlay.templates())
        server = templates["halving-server"]["metadata"]["labels"]
        worker = templates["halving-worker"]["metadata"]["labels"]
        rules = [rule for spec in self.policies(overlay, server, "Ingress")
                 for rule in spec.get("ingress", [])]
        reached = {}
        for rule in rules:
            for source in rule["from"]:
                self.assertIn("podSelector", source)
                reached[source["podSelector"]["matchLabels"].get("app.kubernetes.io/name",
                                                                 "client")] = (
                    [port["port"] for port in rule["ports"]],
                    source.get("namespaceSelector", {}).get("matchLabels"))
        self.assertEqual(reached, {
            "client": (["grpc"], None),
            "prometheus": (["https"], {"kubernetes.io/metadata.name": "monitoring"})})
        client = next(source["podSelector"]["matchLabels"] for rule in rules
                      for source in rule["from"] if "namespaceSelector" not in source)
        self.assertTrue(matches(client, worker))
        self.assertFalse(matches(client, server))

    @each_overlay
    def test_workers_may_call_the_server_and_the_names_and_the_server_nobody(self, overlay):
        templates = dict(overlay.templates())
        rules = [rule for spec in self.policies(
            overlay, templates["halving-server"]["metadata"]["labels"], "Egress")
            for rule in spec.get("egress", [])]
        self.assertEqual(rules, [])
        rules = [rule for spec in self.policies(
            overlay, templates["halving-worker"]["metadata"]["labels"], "Egress")
            for rule in spec.get("egress", [])]
        ports = [{port["port"] for port in rule["ports"]} for rule in rules]
        self.assertEqual(ports, [{7070}, {53}])
        self.assertTrue(matches(rules[0]["to"][0]["podSelector"]["matchLabels"],
                                templates["halving-server"]["metadata"]["labels"]))
        for target in rules[1]["to"]:
            if "ipBlock" in target:
                self.assertTrue(ipaddress.ip_network(target["ipBlock"]["cidr"]).is_link_local)


class ProgramsTest(KubernetesTest):
    """The manifests say only what the programs know."""

    @each_overlay
    def test_probes_ask_for_pages_that_exist_and_need_no_token(self, overlay):
        table = re.findall(r"^\| `(/[^`]*)` \|", (SOURCE / "docs" / "http.md").read_text(
            encoding="utf-8"), re.MULTILINE)
        container = overlay.pod("halving-server")["containers"][0]
        names = {port["name"] for port in container["ports"]}
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            get = container[kind]["httpGet"]
            self.assertIn(get["path"], table)
            self.assertIn(get["path"], ("/", "/healthz"))  # Others need a token.
            self.assertEqual((get["scheme"], get["port"]), ("HTTPS", "https"))
            self.assertIn(get["port"], names)
        self.assertEqual(container["readinessProbe"]["httpGet"]["path"], "/healthz")
        self.assertNotEqual(container["livenessProbe"]["httpGet"]["path"], "/healthz")

    @each_overlay
    def test_programs_know_the_flags(self, overlay):
        for role in ("server", "worker"):
            flags, variables = known_flags(f"halving-{role}")
            container = overlay.pod(f"halving-{role}")["containers"][0]
            given = overlay.config(f"halving-{role}-config", f"{role}.toml")
            words = [word[2:] for word in container["command"] if word.startswith("--")]
            self.assertIn("config", words)
            self.assertEqual((set(given) | set(words)) - flags, set(), role)
            names = {one["name"] for one in container.get("env", [])}
            self.assertEqual(names - variables, set(), role)


@unittest.skipUnless(IS_THERE, "scripts/install-kubernetes-tools says why")
class RunTest(harness.EndToEndTest):
    """The ConfigMaps' files, with the paths and ports of this machine; else as in the pods."""

    def write_config(self, role, **changes):
        config = Overlay("gpu").config(f"halving-{role}-config", f"{role}.toml")
        config.update(changes)
        path = self.dir / f"{role}.toml"
        path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in config.items()))
        return path

    def make_certs(self):
        """As docs/kubernetes.md says it."""
        names = re.search(r"make-certs .* server (.*)", PAGE.read_text(encoding="utf-8"))[1]
        subprocess.run([SOURCE / "scripts" / "make-certs", "--out", self.dir / "tls", "server",
                        *names.split()], check=True, stdout=subprocess.DEVNULL)

    def answers(self, path):
        """The HTTP status, as kubelet sees it: it does not check the certificate."""
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        try:
            with urllib.request.urlopen(self.http + path, context=trusting, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    def test_server_worker_and_probes_work_as_they_are_configured(self):
        self.make_certs()
        grpc, https = (str(port) for port in free_ports(2))
        config = self.write_config(
            "server", **{"listen": f"0.0.0.0:{grpc}", "http": f"0.0.0.0:{https}",
                         "data-dir": str(self.dir / "data"), "keep-free": "1MiB",
                         "tls-cert": str(self.dir / "tls" / "server.crt"),
                         "tls-key": str(self.dir / "tls" / "server.key")})
        self.http, self.address = f"https://127.0.0.1:{https}", f"localhost:{grpc}"
        server = self.start("server", BIN / "halving-server", "--config", config)
        probes = Overlay("gpu").pod("halving-server")["containers"][0]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            path = probes[probe]["httpGet"]["path"]
            try:
                wait_for(probe, lambda: self.answers(path) == 200, 30)
            except AssertionError as error:
                raise AssertionError(f"{error}\n{server.text()}") from None
        self.assertEqual(self.answers("/metrics"), 401, "it needs a token")

        os.environ.update(HALVING_TLS_CA=str(self.dir / "tls" / "ca.crt"),
                          HALVING_TOKEN_FILE=str(self.dir / "data" / "admin.token"))
        self.addCleanup(os.environ.pop, "HALVING_TLS_CA")
        self.addCleanup(os.environ.pop, "HALVING_TOKEN_FILE")
        token = self.dir / "worker.token"
        token.write_text(self.halving("token", "create", "gpu-workers", "--role", "worker"))
        token.chmod(0o440)  # As a Secret is mounted, under the pod's fsGroup.
        self.create(harness.study("pods", limits={"max_evaluations": 12}))
        config = self.write_config(
            "worker", **{"server": self.address, "tls-ca": os.environ["HALVING_TLS_CA"],
                         "token-file": str(token), "checkpoint-dir": str(self.dir / "cache"),
                         "trainer": f"{sys.executable} {harness.TRAINER}", "max-idle": "1s"})
        del os.environ["HALVING_TOKEN_FILE"]
        worker = self.start("worker", BIN / "halving-worker", "--config", config)
        os.environ["HALVING_TOKEN_FILE"] = str(self.dir / "data" / "admin.token")
        self.assertEqual(int(self.wait_until_ended("pods")["evaluations"]), 12)
        self.assertEqual(worker.wait(), 0, worker.text())


class UntilIdleTest(harness.EndToEndTest):
    """components/job/until-idle.sh, as a Job's pod runs it."""

    def run_script(self, *args):
        self.start_server()
        environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
        return self.start("pod", "sh", MANIFESTS / "components" / "job" / "until-idle.sh",
                          "--server", self.address, "--trainer", "true", "--id", "w",
                          "--checkpoint-dir", self.dir / "checkpoints", *args, env=environment)

    def test_a_worker_without_work_ends_well(self):
        self.assertEqual(self.run_script("--max-idle", "100ms").wait(), 0)

    def test_a_worker_that_is_told_to_leave_is_to_be_replaced(self):
        pod = self.run_script()
        wait_for("the worker asks", lambda: self.halving("workers", "-o", "name").split() == ["w"])
        pod.kill(signal.SIGTERM)
        self.assertEqual(pod.wait(), 143, pod.text())
        self.assertIn("worker w has left", pod.text())

    def test_a_worker_with_a_wrong_flag_says_so(self):
        self.assertEqual(self.run_script("--max-idle", "soon").wait(), 2)


if __name__ == "__main__":
    harness.main()
