"""A TCP proxy that misbehaves on demand: the network between workers and server."""

import queue
import socket
import struct
import threading
import time

FORWARD = "forward"
STALL = "stall"  # Takes bytes and connections, and delivers nothing until it forwards again.
CUT = "cut"      # Closes what is open, and refuses what comes.
RESET = "reset"  # The same by RST, and what comes is accepted first.
# What is open ends for one side without a word to the other, whose bytes go nowhere from now on.
# What comes later is forwarded.
DEAD_SERVER = "dead-server"  # The client is not told.
DEAD_CLIENT = "dead-client"  # The server is not told.

LINE_PIECES = 64  # Of at most 64 KiB each, on their way at once.


class Pair:
    """One connection: the client's socket and the server's."""

    def __init__(self, client, server):
        self.client = client
        self.server = server
        self.closed = False
        self.forwarded = 0  # Bytes, both ways.
        self.kept = None  # Of a half-open one, the socket whose side knows nothing.


class Proxy:
    """Listens at `address` and forwards to `target`, both "host:port". Thread-safe."""

    def __init__(self, target):
        host, port = target.split(":")
        self._target = (host, int(port))
        self._changed = threading.Condition()
        self._mode = FORWARD
        self._delay_s = 0
        self._pairs = []
        self._listener = None
        self._listen(0)
        self._port = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self._port}"
        self.connections = 0  # Accepted ever.
        self.forwarded = 0    # Bytes ever.
        self.cuts_left = 0    # So many connections are reset once they have carried cut_after bytes.
        self.cut_after = 0

    def set(self, mode, delay_s=0):
        """From now on; each piece of data is `delay_s` on its way, in both directions."""
        with self._changed:
            self._mode = mode
            self._delay_s = delay_s
            if mode == CUT:
                self._stop_listening()
            elif self._listener is None:
                self._listen(self._port)
            if mode in (CUT, RESET, DEAD_SERVER, DEAD_CLIENT):
                for pair in self._pairs:
                    self._break(pair)
            self._changed.notify_all()

    def close(self):
        with self._changed:
            self._stop_listening()
            for pair in self._pairs:
                pair.kept = None
                self._close(pair)
            self._changed.notify_all()

    def _listen(self, port):
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _stop_listening(self):
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)  # Wakes accept().
            self._listener.close()
            self._listener = None

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._connect(client)

    def _connect(self, client):
        try:
            server = socket.create_connection(self._target)
        except OSError:
            reset(client)
            return
        for each in (client, server):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = Pair(client, server)
        with self._changed:
            self.connections += 1
            self._pairs.append(pair)
            if self._mode in (CUT, RESET):
                self._break(pair)
                return
        for way in ((client, server), (server, client)):
            threading.Thread(target=self._pump, args=(pair, *way), daemon=True).start()

    def _pump(self, pair, source, sink):
        # What comes meanwhile is on its way as well, as on a long line.
        line = queue.Queue(LINE_PIECES)
        threading.Thread(target=self._deliver, args=(pair, line, source, sink), daemon=True).start()
        try:
            while data := source.recv(1 << 16):
                line.put((time.monotonic() + self._delay_s, data))
        except OSError:
            pass  # Closed, here or there.
        line.put(None)

    def _deliver(self, pair, line, source, sink):
        while piece := line.get():
            due, data = piece
            self._hold_up(pair, due)
            try:
                if pair.kept is None:
                    sink.sendall(data)
            except OSError:
                break
            self._count(pair, len(data))
        with self._changed:
            if source is pair.kept:
                pair.kept = None  # It has given up by itself.
            self._close(pair)
        while piece is not None:  # The reader must not be left with a full line.
            piece = line.get()

    def _count(self, pair, size):
        with self._changed:
            self.forwarded += size
            pair.forwarded += size
            if self.cuts_left > 0 and pair.forwarded >= self.cut_after and not pair.closed:
                self.cuts_left -= 1
                pair.closed = True
                reset(pair.client)
                reset(pair.server)

    def _hold_up(self, pair, due):
        with self._changed:
            self._changed.wait_for(lambda: pair.closed or pair.kept,
                                   max(0, due - time.monotonic()))
            self._changed.wait_for(lambda: self._mode != STALL or pair.closed or pair.kept)

    # With the mutex held, these two.
    def _break(self, pair):
        if self._mode in (DEAD_SERVER, DEAD_CLIENT):
            if not pair.closed and pair.kept is None:
                dead = pair.server if self._mode == DEAD_SERVER else pair.client
                pair.kept = pair.client if dead is pair.server else pair.server
                shut(dead)
        elif self._mode == RESET and not pair.closed:
            pair.closed = True
            reset(pair.client)
            reset(pair.server)
        else:
            self._close(pair)

    def _close(self, pair):
        if pair.closed or pair.kept is not None:
            return
        pair.closed = True
        shut(pair.client)
        shut(pair.server)
        self._changed.notify_all()


def shut(each):
    try:
        each.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # The other side was first.
    each.close()


def reset(each):
    """close() without linger sends RST, once nobody reads any more."""
    try:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        each.shutdown(socket.SHUT_RD)  # Wakes the reader; nothing goes over the wire.
    except OSError:
        pass
    each.close()
