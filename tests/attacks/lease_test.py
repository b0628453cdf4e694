"""Lease ids that were guessed, changed, stolen or used before: refused, and nothing changes."""

import base64

import attacks
from client import grpc, study_pb2, worker_pb2
from halving.v1 import checkpoint_pb2
from harness import study

REFUSALS = {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION}


class LeaseTest(attacks.AttackTest):

    def try_all(self, lease):
        """The code of each call that takes a lease id."""
        outcomes = ({"progress": worker_pb2.Progress()},
                    {"completed": worker_pb2.Completed(error=0.01)},
                    {"failed": worker_pb2.Failed(reason="mine", retryable=False)},
                    {"returned": worker_pb2.Returned(reason="mine")})
        for outcome in outcomes:
            request = worker_pb2.ReportRequest(lease_id=lease, **outcome)
            yield self.code(lambda r=request: self.client.worker("Report", r))
        for path, request, streams in (
                ("GetUploadOffset", checkpoint_pb2.GetUploadOffsetRequest(
                    lease_id=lease, sha256=bytes(32)), False),
                ("Upload", checkpoint_pb2.UploadRequest(header=checkpoint_pb2.CheckpointHeader(
                    lease_id=lease, epoch=2, size_bytes=1, sha256=bytes(32))), True),
                ("Download", checkpoint_pb2.DownloadRequest(lease_id=lease), False)):
            yield self.code(lambda p=path, r=request, s=streams: self.checkpoint(p, r, s))

    @staticmethod
    def code(call):
        try:
            call()
        except grpc.RpcError as error:
            return error.code()
        return None

    def checkpoint(self, method, request, streams):
        channel = grpc.insecure_channel(self.address)
        self.addCleanup(channel.close)
        path = f"/halving.v1.CheckpointService/{method}"
        if streams:
            return channel.stream_unary(path, lambda m: m.SerializeToString(), bytes)(
                iter([request]), timeout=attacks.PROMPT_S)
        opened = channel.unary_stream if method == "Download" else channel.unary_unary
        answer = opened(path, lambda m: m.SerializeToString(), bytes)(
            request, timeout=attacks.PROMPT_S)
        return list(answer) if method == "Download" else answer

    def standing(self):
        """All that a report could change."""
        trials = self.client.trials("real")
        return {number: (trial.state, trial.failures, trial.attempts, len(trial.results),
                         trial.worker_id) for number, trial in trials.items()}

    def assert_refused(self, lease, what):
        before = self.standing()
        for code in self.try_all(lease):
            with self.subTest(what=what, lease=lease[:40]):
                self.assertIn(code, REFUSALS)
        self.assertEqual(self.standing(), before, what)

    def test_guessed_lease_ids(self):
        held = self.client.suggest("holder").lease_id
        for what, lease in (("short", "1"), ("a word", "lease"), ("long", "x" * 9999),
                            ("zeros", "0" * len(held)), ("NUL", "\0" * len(held)),
                            ("a path", "../../journal.db"), ("cut", held[:-1]),
                            ("half", held[:len(held) // 2]), ("longer", held + "A"),
                            ("twice", held + held), ("reversed", held[::-1]),
                            ("other case", held.swapcase()),
                            ("base64", base64.b64encode(held.encode()).decode())):
            self.assert_refused(lease, what)
        self.client.progress(self.client.suggest("other"))  # A true one is let in.

    def test_each_character_of_a_lease_id_counts(self):
        held = self.client.suggest("holder").lease_id
        before = self.standing()
        for at, was in enumerate(held):
            for other in {chr(ord(was) ^ 1), "A" if was != "A" else "B"}:
                changed = worker_pb2.ReportRequest(lease_id=held[:at] + other + held[at + 1:],
                                                   completed=worker_pb2.Completed(error=0.01))
                with self.subTest(at=at, other=other):
                    self.assertIn(self.code(lambda: self.client.worker("Report", changed)), REFUSALS)
        self.assertEqual(self.standing(), before)

    def test_a_lease_id_of_another_server(self):
        address = self.address
        self.start_server(listen="127.0.0.1:0", data=self.dir / "other")
        other = self.connect()
        other.create(study("real"))
        stolen = other.suggest("holder").lease_id
        self.address = address
        self.client.suggest("holder")  # The same study, trial and attempt here.
        self.assert_refused(stolen, "another server's")

    def test_a_lease_id_of_another_study(self):
        """The part that says which trial is meant, of one lease, with the proof of another."""
        ours = self.client.suggest("holder").lease_id
        self.client.create(study("second", objective="second"))
        theirs = self.client.suggest("w", objectives=["second"]).lease_id
        for at in range(1, min(len(ours), len(theirs))):
            spliced = theirs[:at] + ours[at:]
            if spliced in (ours, theirs):
                continue
            request = worker_pb2.ReportRequest(lease_id=spliced,
                                               completed=worker_pb2.Completed(error=0.01))
            with self.subTest(at=at):
                self.assertIn(self.code(lambda: self.client.worker("Report", request)), REFUSALS)
        self.assertFalse(any(t.results for t in self.client.trials("second").values()))

    def test_a_replayed_report_counts_once_and_a_changed_one_not_at_all(self):
        held = self.client.suggest("holder")
        self.client.complete(held, 0.5)
        before = self.standing()
        self.assertTrue(self.client.complete(held, 0.5).duplicate)
        self.assertEqual(self.code(lambda: self.client.complete(held, 0.01)),
                         grpc.StatusCode.ALREADY_EXISTS)
        self.assertEqual(self.standing(), before)

    def test_a_lease_id_after_its_studys_end(self):
        held = self.client.suggest("holder")
        self.client.study("StopStudy", study_pb2.StopStudyRequest(name="real"))
        before = self.standing()
        self.assertEqual(self.code(lambda: self.client.complete(held, 0.01)),
                         grpc.StatusCode.FAILED_PRECONDITION)
        self.assertEqual(self.standing(), before)
        self.halving("delete", "real", "--yes")
        self.client.create(study("real"))
        self.assert_refused(held.lease_id, "of a deleted study whose name is used again")


if __name__ == "__main__":
    attacks.main()
