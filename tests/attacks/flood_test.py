"""Floods: much of what costs the sender little. The server keeps its memory, and others are served."""

import functools
import socket
import struct
import time
import zlib

import attacks
import frames
from attacks import PATH
from client import grpc, study_pb2
from frames import (CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING,
                    RST_STREAM, SETTINGS, call_headers, frame, header)

MEBIBYTE = 1 << 20
CANCEL = struct.pack(">I", 8)


@functools.lru_cache(None)
def bomb(window_bits, total):
    """A megabyte or so that becomes `total`: a block of zeros whose code is repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, window_bits)
    block = bytes(4 * MEBIBYTE)
    first = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + again * (total // len(block) - 1) + packer.flush()


class FloodTest(attacks.AttackTest):

    def flood(self, first, again, most_bytes, most_s=4):
        """Sends it over and over until the server ends that, or so much was sent; whether it did."""
        end = time.monotonic() + most_s
        with frames.Connection(self.address, timeout_s=1) as attacker:
            attacker.send(first)
            sent = 0
            while sent < most_bytes and time.monotonic() < end and attacker.send(again):
                sent += len(again)
                for _ in attacker.frames(0):
                    pass
            return attacker.closed

    # ---- headers

    def assert_header_block_is_refused(self, block):
        """Of a client that knows the server's settings. gRPC closes the connection where more of the
        block comes after it has refused the call; with what it answered, if that was unread."""
        with frames.Connection(self.address) as attacker:
            attacker.await_settings()  # Its limits hold once they are acknowledged.
            parts = [block[i:i + 16000] for i in range(0, len(block), 16000)]
            attacker.send(frame(HEADERS, END_STREAM | (END_HEADERS if len(parts) == 1 else 0), 1,
                                parts[0]))
            for i, part in enumerate(parts[1:]):
                attacker.send(frame(CONTINUATION, END_HEADERS if i == len(parts) - 2 else 0, 1, part))
            answer = attacker.trailers()
        if answer is None:
            self.assertTrue(attacker.closed, "it was neither refused nor cut off")
        else:
            self.assertTrue(b"metadata size exceeds" in answer or len(answer) == 4, answer)

    def test_header_flood_of_many_headers(self):
        self.assert_header_block_is_refused(
            call_headers(PATH, *((f"x-{i}", "v" * 50) for i in range(1000))))
        self.assert_memory_stayed_flat()
        self.assert_it_serves()

    def test_header_flood_of_one_huge_header(self):
        self.assert_header_block_is_refused(call_headers(PATH, ("x-huge", "v" * 200_000)))
        self.assert_memory_stayed_flat()
        self.assert_it_serves()

    def test_header_flood_of_endless_continuation_frames(self):
        more = b"".join(header(f"x-{i}", "v" * 100) for i in range(140))
        with self.a_good_client():
            closed = self.flood(frame(HEADERS, 0, 1, call_headers(PATH)),
                                   frame(CONTINUATION, 0, 1, more), 1 << 30)
        self.assertTrue(closed, "it reads them for ever")
        self.assert_memory_stayed_flat(512)
        self.assert_it_serves()

    def test_header_flood_of_a_string_that_never_ends(self):
        first = call_headers(PATH) + b"\x10\x01a" + frames.length(1 << 30)
        before_s = self.processor_s()
        with self.a_good_client():
            closed = self.flood(frame(HEADERS, 0, 1, first),
                                   frame(CONTINUATION, 0, 1, b"v" * 16000), 1 << 30)
        self.assertTrue(closed, "it reads it for ever")
        self.assertLess(self.processor_s() - before_s, 3)
        self.assert_memory_stayed_flat()

    def test_header_flood_of_a_number_that_never_ends(self):
        first = call_headers(PATH) + b"\x10\x7f" + b"\x80" * 1000
        with self.a_good_client():
            closed = self.flood(frame(HEADERS, 0, 1, first),
                                   frame(CONTINUATION, 0, 1, b"\x80" * 16000), 1 << 30)
        self.assertTrue(closed, "it reads it for ever")
        self.assert_memory_stayed_flat()

    # ---- compressed and large messages

    def test_gzip_bomb(self):
        for encoding, bits in (("gzip", 31), ("deflate", 15)):
            with self.subTest(encoding=encoding):
                content = bomb(bits, 1 << 30)
                self.assertLess(len(content), 2 * MEBIBYTE)
                for declared in (((b"grpc-encoding", encoding),),
                                 ((b"grpc-encoding", "identity"), (b"grpc-encoding", encoding)),
                                 ((b"grpc-encoding", encoding), (b"grpc-encoding", "identity"))):
                    answer = self.message(frames.message(content, 1), declared)
                    self.assertTrue(b"grpc-status" in answer or len(answer) == 4, answer)
        self.assertIn(b"Compression algorithm 'gzip' is disabled",
                      self.message(frames.message(b"", 1), (("grpc-encoding", "gzip"),)))
        self.assert_memory_stayed_flat(64)
        self.assert_it_serves()

    def message(self, content, headers=()):
        """Sent whole, whatever the window; the last header block of the answer."""
        with frames.Connection(self.address) as attacker:
            attacker.send(frame(HEADERS, END_HEADERS, 1, call_headers(PATH, *headers)))
            for i in range(0, len(content), 16384):
                last = END_STREAM if i + 16384 >= len(content) else 0
                attacker.send(frame(DATA, last, 1, content[i:i + 16384]))
            return attacker.trailers() or b""

    def test_a_python_client_that_compresses_is_told_so(self):
        channel = grpc.insecure_channel(self.address, compression=grpc.Compression.Gzip)
        self.addCleanup(channel.close)
        call = channel.unary_unary(PATH, study_pb2.GetStudyRequest.SerializeToString,
                                   study_pb2.Study.FromString)
        with self.assertRaises(grpc.RpcError) as refused:
            call(study_pb2.GetStudyRequest(name="real" * 1000), timeout=10)
        self.assertEqual(refused.exception.code(), grpc.StatusCode.UNIMPLEMENTED)
        self.assertIn("gzip", refused.exception.details())

    def test_huge_message(self):
        with self.assertRaises(grpc.RpcError) as refused:
            self.client.study("GetStudy", study_pb2.GetStudyRequest(name="x" * 3 * MEBIBYTE))
        self.assertEqual(refused.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assertIn("larger than max", refused.exception.details())
        self.assert_it_serves()

    def test_huge_message_that_never_ends(self):
        """gRPC reads it to its end before it looks at its size; what it may keep is bounded."""
        with self.a_good_client(), frames.Connection(self.address) as attacker:
            attacker.call(PATH, frames.message(b"\n\x01x"))  # Let in.
            attacker.trailers(1)
            attacker.send(frame(HEADERS, END_HEADERS, 3, call_headers(PATH))
                          + frame(DATA, 0, 3, struct.pack(">BI", 0, (1 << 32) - 1)))
            attacker.pour(3, 1 << 30, 6)
        self.assert_memory_stayed_flat(400)
        self.assert_it_serves()

    # ---- streams and control frames

    def test_stream_flood_of_rapid_resets(self):
        with self.a_good_client(), frames.Connection(self.address, timeout_s=2) as attacker:
            for n in range(0, 10_000, 100):
                batch = b"".join(
                    frame(HEADERS, END_HEADERS, 2 * (n + i) + 1, call_headers(PATH))
                    + frame(RST_STREAM, 0, 2 * (n + i) + 1, CANCEL) for i in range(100))
                if not attacker.send(batch):
                    break
        self.assert_memory_stayed_flat(512)
        self.assert_it_serves()

    def test_stream_flood_of_calls_that_never_send(self):
        with self.a_good_client(), frames.Connection(self.address) as attacker:
            attacker.await_settings()
            for n in range(1000):
                attacker.send(frame(HEADERS, END_HEADERS, 2 * n + 1, call_headers(PATH)))
            kinds = {kind for kind, *_ in attacker.frames(1)}
            self.assertTrue(attacker.closed or kinds & {RST_STREAM, GOAWAY},
                            f"it takes any number of streams: {kinds}")
        self.assert_memory_stayed_flat()
        self.assert_it_serves()

    def test_ping_flood(self):
        with self.a_good_client():
            closed = self.flood(b"", frame(PING, 0, 0, b"12345678") * 1000, 64 * MEBIBYTE)
        self.assertTrue(closed, "it answers for ever")
        self.assert_memory_stayed_flat()
        self.assert_it_serves()

    def test_settings_flood(self):
        with self.a_good_client():
            closed = self.flood(b"", frame(SETTINGS) * 1000, 64 * MEBIBYTE)
        self.assertTrue(closed, "it acknowledges for ever")
        self.assert_memory_stayed_flat()
        self.assert_it_serves()

    # ---- what is no HTTP/2, or not gRPC's

    def test_garbage_bytes(self):
        noise = bytes((i * 7919 + 13) % 251 for i in range(4096))
        hello = bytes.fromhex("16030100c8010000c40303") + noise[:194]  # TLS's ClientHello.
        for what, sent in (("noise", noise), ("zeros", bytes(4096)), ("TLS", hello),
                           ("HTTP/1.1", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
                           ("after the preface", frames.PREFACE + noise),
                           ("a frame of a wrong size", frames.PREFACE + frame(SETTINGS)
                            + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01")):
            with self.subTest(what=what), frames.Connection(self.address, False) as attacker:
                attacker.send(sent)
                self.assertTrue(attacker.wait_until_closed(5), "the connection stays")
        self.assert_memory_stayed_flat()
        self.assert_it_serves()


class ConnectionFloodTest(attacks.AttackTest):

    SERVER = ("--max-connections", "40", "--http", "127.0.0.1:0")

    def connect_from(self, host):
        host_of_server, port = self.address.split(":")
        made = socket.create_connection((host_of_server, int(port)), 10, (host, 0))
        self.addCleanup(made.close)
        return made

    def is_refused(self, made):
        """Within a moment: the server sends its settings, or closes."""
        made.settimeout(5)
        try:
            made.sendall(frames.PREFACE + frame(SETTINGS))
            return made.recv(1) == b""
        except ConnectionError:
            return True

    def test_connection_flood_from_one_address_leaves_half_to_others(self):
        with self.a_good_client():
            made = [self.connect_from("127.0.0.2") for _ in range(100)]
            refused = sum(self.is_refused(each) for each in made)
            self.assertEqual(refused, 80)
            self.assert_it_serves()
        self.assertEqual(self.server.text().count("refused, the last one from 127.0.0.2"), 1,
                         "it is said once a minute")
        for each in made:
            each.close()
        attacks.wait_for("those that ended make room", lambda: not self.is_refused(
            self.connect_from("127.0.0.2")), 10)


if __name__ == "__main__":
    attacks.main()
