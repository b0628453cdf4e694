"""HTTP/2 by hand: what no client library would send.

Frames and header blocks are written byte by byte. What a server answers is read as frames; their
header blocks are decoded only so far as to find out that there was an answer.
"""

import select
import socket
import ssl
import struct
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    0, 1, 3, 4, 6, 7, 8, 9)
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
INITIAL_WINDOW_SIZE = 4


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def length(n):
    """A string's length in HPACK, without Huffman's code."""
    if n < 127:
        return bytes([n])
    rest, out = n - 127, [127]
    while rest >= 128:
        out.append(rest % 128 + 128)
        rest //= 128
    return bytes(out + [rest])


def header(name, value):
    """Literal, never indexed: the server need not remember it."""
    name, value = (each if isinstance(each, bytes) else each.encode() for each in (name, value))
    return b"\x10" + length(len(name)) + name + length(len(value)) + value


def call_headers(path, *more):
    return b"".join(header(*each) for each in (
        (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"),
        ("te", "trailers"), ("content-type", "application/grpc"), *more))


def message(content, compressed=0):
    """As gRPC sends one: a flag, a length, the bytes."""
    return struct.pack(">BI", compressed, len(content)) + content


class Connection:
    """A socket that speaks, or breaks, HTTP/2."""

    def __init__(self, address, preface=True, settings=(), timeout_s=10, ca=None):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=timeout_s)
        if ca is not None:
            context = ssl.create_default_context(cafile=ca)
            context.set_alpn_protocols(["h2"])
            self.socket = context.wrap_socket(self.socket, server_hostname=host)
        self.received = b""
        self.closed = False
        if preface:
            pairs = b"".join(struct.pack(">HI", *each) for each in settings)
            self.send(PREFACE + frame(SETTINGS, payload=pairs))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """False: the server has closed the connection, or reads no more."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            self.closed = True
            return False

    def call(self, path, content, stream=1, end=True, headers=()):
        flags = END_STREAM if end else 0
        return self.send(frame(HEADERS, END_HEADERS, stream, call_headers(path, *headers))
                         + frame(DATA, flags, stream, content))

    def _read(self, timeout_s):
        pending = isinstance(self.socket, ssl.SSLSocket) and self.socket.pending()
        if not pending and not select.select([self.socket], [], [], max(0, timeout_s))[0]:
            return
        try:
            got = self.socket.recv(1 << 16)
        except OSError:
            got = b""
        self.closed = self.closed or not got
        self.received += got

    def frames(self, timeout_s):
        """(kind, flags, stream, payload) as they come; acknowledges settings and pings."""
        end = time.monotonic() + timeout_s
        while True:
            while len(self.received) >= 9:
                size = int.from_bytes(self.received[:3], "big")
                if len(self.received) < 9 + size:
                    break
                kind, flags, stream = struct.unpack(">BBI", self.received[3:9])
                payload, self.received = self.received[9:9 + size], self.received[9 + size:]
                if kind in (SETTINGS, PING) and not flags & ACK:
                    self.send(frame(kind, ACK, 0, payload if kind == PING else b""))
                yield kind, flags, stream, payload
            if self.closed or time.monotonic() > end:
                return
            self._read(end - time.monotonic())

    def wait_for(self, kind, timeout_s=10, stream=None):
        """The payload of the first such frame; None: the connection was closed, or time passed."""
        for got, _, at, payload in self.frames(timeout_s):
            if got == kind and stream in (None, at):
                return payload
        return None

    def await_settings(self):
        """Until the limits are acknowledged on both sides, or the connection was closed."""
        while self.wait_for(SETTINGS) != b"" and not self.closed:
            pass

    def wait_until_closed(self, timeout_s):
        """Answers nothing meanwhile."""
        end = time.monotonic() + timeout_s
        while not self.closed and time.monotonic() < end:
            self._read(end - time.monotonic())
        return self.closed

    def pour(self, stream, total, timeout_s):
        """Sends DATA of zeros as the windows allow it; how much was sent when it ended."""
        windows = {0: 65535, stream: 65535}
        end = time.monotonic() + timeout_s
        sent = 0
        while sent < total and not self.closed and time.monotonic() < end:
            if min(windows.values()) > 0:
                size = min(16384, total - sent, *windows.values())
                self.send(frame(DATA, 0, stream, bytes(size)))
                sent += size
                for at in windows:
                    windows[at] -= size
            for kind, flags, at, payload in self.frames(0.1 if min(windows.values()) <= 0 else 0):
                if kind == WINDOW_UPDATE and at in windows:
                    windows[at] += int.from_bytes(payload, "big")
                elif kind == SETTINGS and not flags & ACK:
                    for i in range(0, len(payload), 6):
                        name, value = struct.unpack_from(">HI", payload, i)
                        if name == INITIAL_WINDOW_SIZE:
                            windows[stream] += value - 65535
                elif at == stream and kind in (HEADERS, RST_STREAM):
                    return sent
                if min(windows.values()) > 0:
                    break
        return sent

    def trailers(self, stream=1, timeout_s=10):
        """The bytes of a call's last header block, or its reset; None: it got none of them."""
        for kind, flags, at, payload in self.frames(timeout_s):
            if at == stream and (kind == RST_STREAM or (kind == HEADERS and flags & END_STREAM)):
                return payload
        return None
