"""Slow clients: they take their time, and what they were given, and keep nobody else waiting."""

import socket
import time

import attacks
import frames
from attacks import PATH
from client import study_pb2
from frames import END_HEADERS, END_STREAM, GOAWAY, HEADERS, RST_STREAM, SETTINGS, call_headers, frame
from harness import study

CONNECTIONS = 300
HANDSHAKE_S = 10
LARGE = 500_000
STREAMS = 128  # Of one connection.


class SlowTest(attacks.AttackTest):

    def connect_with(self, sent):
        made = frames.Connection(self.address, preface=False)
        self.addCleanup(made.socket.close)
        made.send(sent)
        return made

    def test_slow_loris(self):
        whole = frames.PREFACE + frame(SETTINGS)
        call = whole + frame(HEADERS, END_HEADERS, 1, call_headers(PATH))
        kinds = [b"", frames.PREFACE[:10], whole[:-3], call[:-20], call,
                 call + frames.frame(0, 0, 1, b"\0\0\0\0\x64")]
        begin = time.monotonic()
        with self.a_good_client():
            slow = [self.connect_with(kinds[i % len(kinds)]) for i in range(CONNECTIONS)]
            while time.monotonic() - begin < 3:  # A trickle.
                for each in slow[4::len(kinds)]:
                    each.send(frame(0, 0, 1, b"\0"))
                time.sleep(0.1)
            self.assert_memory_stayed_flat()
            for each in slow[0], slow[1], slow[2]:
                self.assertTrue(each.wait_until_closed(HANDSHAKE_S + 5 + begin - time.monotonic()),
                                "half a handshake is waited for")
        self.assert_it_serves()

    def test_zero_window_of_one_who_asks_for_much_and_reads_nothing(self):
        options = {"note": "x" * LARGE}
        self.client.create(study("large", objective_options=options))
        get = frames.message(study_pb2.GetStudyRequest(name="large").SerializeToString())
        with self.a_good_client():
            attacker = frames.Connection(self.address, settings=((frames.INITIAL_WINDOW_SIZE, 0),))
            self.addCleanup(attacker.socket.close)
            attacker.await_settings()
            for n in range(STREAMS + 50):
                attacker.call(PATH, get, 2 * n + 1)
            kinds = {kind for kind, *_ in attacker.frames(1)}
            self.assertTrue(attacker.closed or kinds & {RST_STREAM, GOAWAY},
                            f"it answers on any number of streams: {kinds}")
        self.assert_memory_stayed_flat(2 * STREAMS)
        self.assert_it_serves()

    def test_zero_window_of_one_who_watches(self):
        watch = frames.message(study_pb2.WatchStatusRequest(name="real").SerializeToString())
        with self.a_good_client():
            attacker = frames.Connection(self.address, settings=((frames.INITIAL_WINDOW_SIZE, 0),))
            self.addCleanup(attacker.socket.close)
            attacker.call("/halving.v1.StudyService/WatchStatus", watch)
            for n in range(50):  # Each is a change of the study.
                held = self.client.suggest("w")
                self.client.complete(held, 0.5) if held else None
        self.assert_memory_stayed_flat()
        self.assert_it_serves()

    def test_reading_nothing_at_all(self):
        """The kernel's buffers are full, and the server's must not take their place."""
        ask = frame(HEADERS, END_HEADERS | END_STREAM, 1, call_headers(PATH))
        with self.a_good_client():
            attacker = frames.Connection(self.address, timeout_s=1)
            self.addCleanup(attacker.socket.close)
            attacker.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            attacker.send(ask)
            for n in range(1, 5000):
                if not attacker.send(frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1,
                                           call_headers(PATH))):
                    break
        self.assert_memory_stayed_flat()
        self.assert_it_serves()


if __name__ == "__main__":
    attacks.main()
