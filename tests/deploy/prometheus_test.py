"""deploy/prometheus and deploy/grafana: what promtool says, and that the metrics are there."""

import json
import re
import shutil
import subprocess
import tempfile
import unittest
import urllib.request

import harness
from harness import BIN, SOURCE, study

PROMETHEUS = SOURCE / "deploy" / "prometheus"
DASHBOARD = SOURCE / "deploy" / "grafana" / "halving.json"
OPERATING = SOURCE / "docs" / "operating.md"
METRIC = re.compile(r"\b(?:halving|process)_[a-z_]+\b")


def without_suffix(name):
    return re.sub(r"_(bucket|sum|count)$", "", name)


def expressions():
    """(panel's title, expression), with values for the variables."""
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], re.sub(r"\$\w+", ".*", target["expr"])


def used_metrics():
    texts = [expression for _, expression in expressions()]
    texts += re.findall(r"^ +expr: (\|\n(?:          .*\n)+|.*\n)",
                        (PROMETHEUS / "alerts.yaml").read_text(encoding="utf-8"), re.MULTILINE)
    return {without_suffix(name) for text in texts for name in METRIC.findall(text)}


def documented_metrics():
    section = OPERATING.read_text(encoding="utf-8").split("\n## Metrics\n")[1].split("\n## ")[0]
    return set(METRIC.findall("\n".join(line.split("|")[1] for line in section.split("\n")
                                        if line.startswith("| `"))))


class FilesTest(unittest.TestCase):

    def promtool(self, *args):
        if shutil.which("promtool") is None:
            self.skipTest("promtool is not there; install prometheus")
        done = subprocess.run(["promtool", *map(str, args)], capture_output=True, text=True,
                              cwd=PROMETHEUS)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_alerts_are_rules_and_do_what_their_tests_say(self):
        self.promtool("check", "rules", "alerts.yaml")
        self.promtool("test", "rules", "alerts_test.yaml")

    def test_the_scrape_config_is_one(self):
        self.promtool("check", "config", "prometheus.yaml")

    def test_each_alert_is_documented_and_fires_in_a_test(self):
        alerts = re.findall(r"- alert: (\w+)",
                            (PROMETHEUS / "alerts.yaml").read_text(encoding="utf-8"))
        tests = (PROMETHEUS / "alerts_test.yaml").read_text(encoding="utf-8")
        documented = re.findall(r"^\| `(Halving\w+)`", OPERATING.read_text(encoding="utf-8"),
                                re.MULTILINE)
        self.assertEqual(sorted(alerts), sorted(documented))
        for alert in alerts:
            self.assertRegex(tests, rf"alertname: {alert}\n +exp_alerts:\n +- exp_labels")

    def test_the_dashboard_is_whole(self):
        dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
        self.assertEqual(dashboard["schemaVersion"], 38)
        variables = {v["name"]: v["type"] for v in dashboard["templating"]["list"]}
        self.assertEqual(variables["datasource"], "datasource")
        ids = [panel["id"] for panel in dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))
        taken = set()
        for panel in dashboard["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                     for y in range(at["y"], at["y"] + at["h"])}
            self.assertFalse(taken & cells, f"{panel['title']} lies on another panel")
            self.assertLessEqual(at["x"] + at["w"], 24, panel["title"])
            taken |= cells
            if panel["type"] != "row":
                self.assertEqual(panel["datasource"]["uid"], "${datasource}", panel["title"])
        used = set(re.findall(r"\$(\w+)", " ".join(t["expr"] for p in dashboard["panels"]
                                                   for t in p.get("targets", []))))
        self.assertLessEqual(used, set(variables))

    def test_each_expression_of_the_dashboard_can_be_read(self):
        rules = [{"record": f"panel:{i}", "expr": expression}
                 for i, (_, expression) in enumerate(expressions())]
        self.assertGreater(len(rules), 20)
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)  # JSON is YAML.
            file.flush()
            self.promtool("check", "rules", file.name)

    def test_the_dashboard_shows_every_metric_that_is_documented(self):
        shown = {without_suffix(name) for _, text in expressions() for name in METRIC.findall(text)}
        self.assertEqual(documented_metrics() - shown, set())


class ServerTest(harness.EndToEndTest):

    def scrape(self):
        server = self.start_server("--http", "127.0.0.1:0")
        dashboard = re.search(r"dashboard on (http://\S+)", server.text()).group(1)
        self.create(study("running", limits={"max_evaluations": 10_000}))
        self.start_worker("w1")
        harness.wait_for("results", lambda: int(self.status("running")["evaluations"]) > 0)

        def metrics():
            with urllib.request.urlopen(f"{dashboard}/metrics") as answer:
                text = answer.read().decode()
            late = ("halving_study_best_error", "halving_study_utilisation_ratio")
            return text if all(name in text for name in late) else None

        return harness.wait_for("metrics of the study", metrics)

    def test_it_has_each_metric_that_is_used_or_documented_and_no_other(self):
        text = self.scrape()
        there = {without_suffix(line.split("{")[0].split(" ")[0])
                 for line in text.split("\n") if line and not line.startswith("#")}
        self.assertEqual(used_metrics() - there, set())
        self.assertEqual(documented_metrics() - there, set())
        self.assertEqual({name for name in there if name.startswith("halving_")}
                         - documented_metrics(), set())

    def test_it_has_the_labels_that_alerts_and_panels_choose_by(self):
        text = self.scrape()
        for label, values in (("halving_studies", ("running", "paused", "completed")),
                              ("halving_workers", ("busy", "idle", "disconnected")),
                              ("halving_study_trials", ("queued", "running", "waiting"))):
            for value in values:
                self.assertRegex(text, rf'{label}{{[^}}]*state="{value}"')
        for cause in ("reported", "out_of_memory"):
            self.assertIn(f'halving_attempts_failed_total{{cause="{cause}"}}', text)
        self.assertRegex(text, r'halving_rpc_duration_seconds_bucket{method="Suggest",le="0\.25"}')


if __name__ == "__main__":
    harness.main()
