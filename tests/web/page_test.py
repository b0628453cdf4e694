"""The dashboard's page in a real browser, against a real server and workers. page.mjs has the scenarios."""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import unittest

import harness
from harness import study, wait_for

WEB = harness.SOURCE / "web"
HERE = harness.SOURCE / "tests" / "web"
TOOLS = harness.SOURCE / "build" / "tools" / "web"
SCRIPT = "<script>alert(1)</script>"
MAX_STREAMS = 64


def missing():
    """What the tests need and is not there, or None."""
    if shutil.which("node") is None:
        return "node is not installed (Debian: nodejs)"
    if shutil.which("chromium") is None:
        return "chromium is not installed"
    done = subprocess.run([harness.SOURCE / "scripts" / "install-web-test-tools"], capture_output=True,
                          text=True, check=False)
    return None if done.returncode == 0 else done.stderr.strip()


class SourcesTest(unittest.TestCase):
    """What holds of the page's files without a browser."""

    def test_text_never_becomes_markup_or_code(self):
        forbidden = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment"
                               r"|DOMParser|\beval\(|new Function|setAttribute\('(style|on)|javascript:")
        found = [f"{path.name}: {line.strip()}" for path in sorted((WEB / "js").glob("*.js"))
                 for line in path.read_text().splitlines() if forbidden.search(line)]
        self.assertEqual(found, [])

    def test_the_page_has_no_inline_script_or_style_and_fetches_its_modules_at_once(self):
        page = (WEB / "index.html").read_text()
        self.assertNotRegex(page, r"<style|style=|\son\w+=|<script>")
        preloaded = set(re.findall(r'modulepreload" href="/js/([^"]+)"', page))
        self.assertEqual(preloaded | {"main.js", "theme.js"},
                         {path.name for path in (WEB / "js").glob("*.js")})


class PageTest(harness.EndToEndTest):

    @classmethod
    def setUpClass(cls):
        cls.reason = missing()

    def setUp(self):
        super().setUp()
        if self.reason:
            self.skipTest(self.reason)
        self.http = "127.0.0.1:0"
        self.server = self.start_with_page()
        self.gate = self.dir / "gate"

    def start_with_page(self):
        server = self.start_server("--http", self.http)
        found = wait_for("the dashboard is told of",
                         lambda: re.search(r"dashboard on http://(\S+)", server.text()))
        self.http = found.group(1)
        return server

    def play(self, scenario, answers=None, **told):
        """Runs a scenario; `answers` has a function for each thing that it may ask for."""
        environment = {**os.environ, "WEB_TOOLS": str(TOOLS), "CHROMIUM": shutil.which("chromium")}
        with open(self.dir / "node.log", "w", encoding="utf-8") as log, subprocess.Popen(
                ["node", HERE / "page.mjs", scenario, f"http://{self.http}", json.dumps(told)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                env=environment, start_new_session=True) as node:
            self.addCleanup(node.kill)
            for line in node.stdout:
                said = json.loads(line)
                if "ask" in said:
                    node.stdin.write(json.dumps((answers or {})[said["ask"]]()) + "\n")
                    node.stdin.flush()
                    continue
                self.assertEqual(said, {"done": scenario}, said.get("failed"))
                return
        self.fail("node ended early: " + (self.dir / "node.log").read_text())

    def gated(self, name, **changes):
        return study(name, objective_options={"gate": str(self.gate)}, **changes)

    def talking_trainer(self, line):
        trainer = self.dir / "trainer.sh"
        trainer.write_text(f"#!/bin/sh\necho '{line}' >&2\nexec {sys.executable} {harness.TRAINER}\n")
        trainer.chmod(0o755)
        return str(trainer)

    def results(self, name):
        trials = self.trials(name)
        points = [f"{trial['id']} {result['epochs']} {json.loads(json.dumps(result['error']))!r}"
                  for trial in trials for result in trial.get("results", [])]
        return {"points": sorted(points), "trials": len(trials)}

    def test_a_study_is_created_through_the_form_and_watched_to_its_end(self):
        skill = "<b>bold</b>"  # The names of workers themselves are letters and digits.
        self.start_worker("w1", "--objectives", f"fake,{skill}", trainer=self.talking_trainer(SCRIPT))
        request = self.gated("page", parameters=study("x")["study"]["parameters"] + [
            {"name": "act", "choice": {"values": ["relu", SCRIPT, "<img src=x onerror=alert(1)>"]}}],
                             initial_configs=None)
        self.play("create", {"open the gate": self.gate.touch, "results": lambda: self.results("page")},
                  spec=request["study"], name="page", worker="w1", skill=skill,
                  rungs=[["2", "8"], ["4", "4"], ["8", "2"], ["10", "1"]])

    def test_a_study_is_paused_resumed_stopped_and_deleted_through_dialogs(self):
        self.create(self.gated("halt"))
        self.start_worker("w1")
        self.play("stop", name="halt")

    def test_a_lost_server_is_told_of_and_found_again(self):
        self.create(self.gated("lost"))
        self.start_worker("w1")
        taken = []

        def kill():
            self.server.kill(signal.SIGKILL)
            self.server.wait()

        def take_one_stream():
            connection = http.client.HTTPConnection(self.http, timeout=10)
            connection.request("GET", "/api/v1/events")
            stream = connection.getresponse()
            if stream.status == 200:
                taken.append(stream)  # Kept: else it ends.
            return len(taken) == MAX_STREAMS

        def take_all_streams():
            # The server sees a moment late that the page has left its own.
            wait_for("all streams are taken", take_one_stream)

        def start():
            self.server = self.start_with_page()

        self.play("lost", {"kill the server": kill, "start the server": start,
                           "take all streams": take_all_streams, "open the gate": self.gate.touch},
                  name="lost")

    def test_every_page_is_accessible_in_both_themes_and_fits_a_phone(self):
        self.gate.touch()
        self.create(self.gated("access"))
        self.start_worker("w1")
        self.wait_until_ended("access")
        self.play("access", name="access")

    def test_a_token_is_asked_for_kept_for_the_tab_and_says_what_may_be_done(self):
        self.gate.touch()
        self.create(self.gated("token"))
        self.start_worker("w1")
        self.wait_until_ended("token")
        self.play("token", name="token", token=f"hv_{'0' * 12}_{'a' * 64}")

    def test_markup_in_any_text_of_any_answer_is_shown_as_text(self):
        gates = {f"{trial}-10": str(self.gate) for trial in range(1, 17)}
        self.create(study("markup", objective_options={"gates": gates},
                          parameters=study("x")["study"]["parameters"] + [
                              {"name": "act", "choice": {"values": ["relu", "tanh"]}}], initial_configs=None))
        self.start_worker("w1", "--objectives", "fake", trainer=self.talking_trainer("a line"))
        wait_for("the gate is reached", lambda: any(
            running["epochs"] == "10" for running in self.status("markup").get("running", [])))
        self.play("markup", {"open the gate": self.gate.touch}, name="markup")


if __name__ == "__main__":
    harness.main()
