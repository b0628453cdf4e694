"""A worker at the end of a virtual cable: links as the kernel itself makes and breaks them."""

import subprocess
import sys

import client
import faults
import harness
from harness import study, wait_for

LEASE_S = 1
ROUNDS = 2


class CableTest(faults.FaultTest):
    """The worker lives in a network namespace of its own, at the end of a virtual cable."""

    SPACE, NEAR, FAR = "halving-test", "halving-near", "halving-far"
    NEAR_IP, FAR_IP = "198.18.77.1", "198.18.77.2"  # A range that is for tests of networks.

    def ip(self, *args):
        return subprocess.run(["ip", *args], capture_output=True, text=True)

    def setUp(self):
        super().setUp()
        made = self.ip("netns", "add", self.SPACE)
        if made.returncode != 0:
            self.skipTest(f"a network namespace cannot be made here: {made.stderr.strip()}")
        self.addCleanup(self.ip, "netns", "del", self.SPACE)
        for step in (f"link add {self.NEAR} type veth peer name {self.FAR} netns {self.SPACE}",
                     f"addr add {self.NEAR_IP}/30 dev {self.NEAR}", f"link set {self.NEAR} up",
                     f"-n {self.SPACE} addr add {self.FAR_IP}/30 dev {self.FAR}",
                     f"-n {self.SPACE} link set {self.FAR} up"):
            done = self.ip(*step.split())
            if done.returncode != 0:
                self.skipTest(f"ip {step}: {done.stderr.strip()}")
        self.addCleanup(self.ip, "link", "del", self.NEAR)
        self.serve("--insecure", "--auth", "off", listen=f"{self.NEAR_IP}:0")

    def start_far_worker(self):
        worker = ["ip", "netns", "exec", self.SPACE, harness.BIN / "halving-worker"]
        return self.start("far", *worker, "--server", self.address, "--insecure", "--id", "far",
                          "--checkpoint-dir", self.dir / "checkpoints", "--trainer",
                          f"{sys.executable} {harness.TRAINER}")

    def wait_for_end(self, name):
        wait_for(f"{name} ends", lambda: client.state(self.client.status(name)) != "RUNNING")
        return self.client.status(name)

    def test_a_cable_pulled_for_longer_than_the_lease_keeps_the_finished_work(self):
        gate = self.dir / "gate"
        self.client.create(study("cable", objective_options={"gate": str(gate)},
                                 retry={"lease": f"{LEASE_S}s"}))
        worker = self.start_far_worker()
        wait_for("a trial runs", lambda: self.client.status("cable").running)
        self.ip("-n", self.SPACE, "link", "set", self.FAR, "down")
        wait_for("the lease is over", lambda: self.client.trial("cable", 1).failures == 1)
        gate.touch()
        wait_for("it is trained", lambda: "done, error" in worker.text())
        self.ip("-n", self.SPACE, "link", "set", self.FAR, "up")
        self.assert_rounds(self.wait_for_end("cable"), ROUNDS)
        self.assertEqual(self.client.trial("cable", 1).results[0].worker_id, "far")
        self.assertEqual(self.client.status("cable").epochs_lost, 0)

    def test_a_cable_that_loses_every_tenth_packet_ends_the_study_with_exact_counts(self):
        shaped = subprocess.run(["tc", "qdisc", "add", "dev", self.NEAR, "root", "netem", "loss",
                                 "10%"], capture_output=True, text=True)
        if shaped.returncode != 0:
            self.skipTest(f"this kernel has no netem: {shaped.stderr.strip()}")
        self.client.create(study("lossy", retry={"lease": "10s"}))
        self.start_far_worker()
        self.assert_rounds(self.wait_for_end("lossy"), ROUNDS)


if __name__ == "__main__":
    faults.main()
