"""Load from raw sockets: keep-alive GETs and WebSocket echoes, many connections, one thread.

Python on both ends would measure the client; bytes are therefore prepared once and answers are
only counted, never parsed.
"""

import base64
import os
import selectors
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Lane:
    """One connection: what it sends over and over, and how it knows that an answer is complete."""

    sock: socket.socket
    request: bytes
    complete: Callable[[bytearray], bool]
    buffer: bytearray
    unsent: memoryview = field(default_factory=lambda: memoryview(b""))


def connect(port: int) -> socket.socket:
    """A TCP connection without Nagle."""
    sock = socket.create_connection(("127.0.0.1", port), 10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def get_lanes(port: int, path: str, count: int) -> list[Lane]:
    """Keep-alive connections that ask for ``path``."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    sock = connect(port)
    sock.sendall(request)
    first = _read_answer(sock)
    sock.close()
    # Not more: what stands before the blank line may be a request id, another one each time.
    ending = first[first.index(b"\r\n\r\n") :][-8:]
    size = len(first)

    def complete(buffer: bytearray) -> bool:
        # Answers differ in a few header bytes at most (a request id, a date); the end is the same.
        return len(buffer) >= size - 16 and buffer.endswith(ending)

    return [Lane(connect(port), request, complete, bytearray()) for _ in range(count)]


def _read_answer(sock: socket.socket) -> bytes:
    data = b""
    sock.settimeout(5)
    while b"\r\n\r\n" not in data:
        data += sock.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        message = f"the server answered {head[:200]!r}"
        raise SystemExit(message)
    lower = head.lower()
    if b"content-length:" in lower:
        length = int(lower.split(b"content-length:")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += sock.recv(65536)
    else:
        while not body.endswith(b"0\r\n\r\n"):
            body += sock.recv(65536)
    return head + b"\r\n\r\n" + body


def echo_lanes(port: int, path: str, count: int, size: int) -> list[Lane]:
    """WebSockets that send one binary message of ``size`` bytes and wait for the same bytes back."""
    return [_echo_lane(port, path, size) for _ in range(count)]


def _echo_lane(port: int, path: str, size: int) -> Lane:
    sock = connect(port)
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(4096)
    if b" 101 " not in head:
        message = f"no WebSocket: {head[:200]!r}"
        raise SystemExit(message)
    header = _length(size)
    # A zero mask makes masked and plain payload the same bytes, so the echo can be counted.
    request = bytes([0x82, header[0] | 0x80]) + header[1:] + bytes(4) + bytes(size)
    answer = 1 + len(header) + size
    return Lane(sock, request, lambda buffer: len(buffer) >= answer, bytearray())


def _length(size: int) -> bytes:
    if size < 126:
        return bytes([size])
    if size < 65536:
        return bytes([126]) + struct.pack("!H", size)
    return bytes([127]) + struct.pack("!Q", size)


def rate(lanes: list[Lane], seconds: float) -> float:
    """Answers a second over all lanes, each with one request in flight."""
    selector = selectors.DefaultSelector()
    for lane in lanes:
        lane.sock.setblocking(False)
        selector.register(lane.sock, selectors.EVENT_READ, lane)
        _send(selector, lane, memoryview(lane.request))
    done = 0
    began = time.perf_counter()
    while (now := time.perf_counter()) - began < seconds:
        for key, _ in selector.select(0.1):
            done += _serve(selector, key.data)
    for lane in lanes:
        lane.sock.close()
    selector.close()
    return done / (now - began)


def _serve(selector: selectors.BaseSelector, lane: Lane) -> int:
    if lane.unsent:
        _send(selector, lane, lane.unsent)
    try:
        data = lane.sock.recv(1 << 20)
    except BlockingIOError:
        return 0
    if not data:
        raise SystemExit("the server closed a connection under load")
    lane.buffer += data
    if not lane.complete(lane.buffer):
        return 0
    lane.buffer.clear()
    _send(selector, lane, memoryview(lane.request))
    return 1


def _send(selector: selectors.BaseSelector, lane: Lane, data: memoryview) -> None:
    try:
        sent = lane.sock.send(data)
    except BlockingIOError:
        sent = 0
    lane.unsent = data[sent:]
    events = selectors.EVENT_READ | (selectors.EVENT_WRITE if lane.unsent else 0)
    if selector.get_key(lane.sock).events != events:
        selector.modify(lane.sock, events, lane)
