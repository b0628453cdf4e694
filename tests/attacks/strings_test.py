"""Hostile strings in every string of every request: nothing outside the data directory is touched.

The requests are otherwise as they should be, so that the string gets as far as it can.
"""


import attacks
import contract
from client import grpc
from google.protobuf import json_format
from harness import study

SECRET = "what only the owner of this file may read"
PLACE = "@invalid-place@"  # In the bytes it becomes what is no UTF-8.
HOSTILE = (
    "../../secret", "../secret", "/etc/passwd", "..", ".", "a/../../secret", "..\\..\\secret",
    "%2e%2e%2f%2e%2e%2fsecret", "\0", "real\0", "../../secret\0.safetensors", "file:///etc/passwd",
    "<script>alert(1)</script>", "'; DROP TABLE events; --", "$(touch pwned)", "`touch pwned`",
    "| touch pwned", "{{7*7}}", "%s%n%s%n", "\r\nauthorization: Bearer x", "\x1b[2J\x1b]0;x\x07",
    "\u202e\u2066", "x" * 70_000, "", PLACE)
# What is there to be named; all else a request holds is empty.
USUAL = {
    "StudySpec": study("new")["study"],
    "CheckpointHeader": {"epoch": 1, "size_bytes": 1, "sha256": "A" * 43 + "="},
    "SuggestRequest": {"worker_id": "w", "request_id": "r"},
}
CLEAN = {None, *(getattr(grpc.StatusCode, name) for name in (
    "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED",
    "PERMISSION_DENIED", "ABORTED", "OUT_OF_RANGE"))}
# gRPC's own words for a message that is none: the server's code never sees it.
UNREADABLE = CLEAN | {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNIMPLEMENTED}


class StringsTest(attacks.AttackTest):

    def setUp(self):
        super().setUp()
        for place in (self.dir, self.dir / "data" / "secret"):
            (place / "secret" if place.is_dir() else place).write_text(SECRET)
        self.channel = grpc.insecure_channel(self.address)
        self.addCleanup(self.channel.close)

    def usual(self, message, lease, hostile):
        """Fills what the string stands beside."""
        for field in message.DESCRIPTOR.fields:
            if field.name == "lease_id" and hostile != "study":  # Either says what is meant.
                message.lease_id = lease
            elif field.name in ("name", "study") and field.message_type is None:
                if "lease_id" not in message.DESCRIPTOR.fields_by_name:
                    setattr(message, field.name, "real")
            elif field.message_type is not None and field.message_type.name in USUAL:
                if field.containing_oneof is None or field.name == "header":
                    part = getattr(message, field.name)
                    json_format.ParseDict(USUAL[field.message_type.name], part)
                    if field.name == "header":
                        part.lease_id = lease
        for name, value in USUAL.get(message.DESCRIPTOR.name, {}).items():
            setattr(message, name, value)
        return message

    def outside(self):
        """Each file and folder that is not the server's, with what it says."""
        return {path: path.read_bytes() if path.is_file() else None
                for path in self.dir.rglob("*")
                if path.suffix != ".log" and self.dir / "data" not in (path, *path.parents)}

    def call(self, method, data):
        """(code, all that was answered, as text)."""
        answers = []
        try:
            opened = method.open(self.channel)
            answer = opened(iter([data]) if method.streams_in else data, timeout=attacks.PROMPT_S)
            if method.streams_out:
                for each in answer:
                    answers.append(each)
                    answer.cancel()  # A watch has no end of its own.
                    break
            else:
                answers.append(answer)
        except grpc.RpcError as error:
            return error.code(), error.details() + str(answers)
        return None, str(answers)

    def test_path_traversal_and_other_hostile_strings_in_every_string_of_every_request(self):
        held = self.client.suggest("holder")
        before = self.outside()
        calls = 0
        for method in contract.methods():
            for path in contract.string_fields(method.request.DESCRIPTOR):
                for value in HOSTILE:
                    request = self.usual(method.request(), held.lease_id, path[0].name)
                    contract.put(request, path, value)
                    data = request.SerializeToString().replace(PLACE.encode(),
                                                               b"\xff\xc0\xaf" * 5)
                    code, text = self.call(method, data)
                    calls += 1
                    with self.subTest(method=method.name, field=contract.name_of(path),
                                      value=value[:40]):
                        self.assertIn(code, UNREADABLE if value == PLACE else CLEAN, text)
                        self.assertNotIn(SECRET, text)
                        self.assertNotIn("root:", text)
        self.assertGreater(calls, 1000)
        self.assertEqual(self.outside(), before)
        self.assertFalse(list(self.dir.rglob("pwned")))
        self.assert_it_serves()

    def test_the_log_has_no_line_that_a_client_wrote(self):
        """A string that breaks a line could tell of what never was."""
        forged = "x\n[2026-01-01 00:00:00.000] [info] a forged line"
        for method in contract.methods():
            for path in contract.string_fields(method.request.DESCRIPTOR):
                request = self.usual(method.request(), "none", path[0].name)
                contract.put(request, path, forged)
                self.call(method, request.SerializeToString())
        self.assert_it_serves()
        for line in self.server.text().splitlines():
            self.assertNotRegex(line, r"^\[2026-01-01 00:00")


if __name__ == "__main__":
    attacks.main()
