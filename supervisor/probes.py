"""Does an instance answer, where does it listen, and what is it busy with.

A probe is one GET on a fresh connection to a literal loopback address: no name lookup, no proxy
from the environment, no redirect followed, nothing kept. It speaks just enough HTTP/1.1
(RFC 9112) to read an answer of a few bytes, so that a health check depends on no client library.
"""

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from errno import EADDRNOTAVAIL, EMFILE, ENFILE, ENOBUFS, ENOMEM

import anyio
from anyio.abc import ByteStream

from fluxlit.status import Endpoint
from fluxlit.supervisor import procfs

BODY_LIMIT = 4096
"""Bytes of a body that are read at most: a health check is a word, all else is the wrong page."""

HEAD_LIMIT = 16_384
"""Bytes of a head that are read at most."""

_OUR_FAULTS = frozenset({EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL})
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: [^\r\n]*)?(?:\r\n|$)")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]+)[ \t]*(?:\r\n|$)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*(?:\r\n|$)", re.IGNORECASE)
_CHUNK = re.compile(rb"([0-9a-fA-F]+)[^\r\n]*\r\n")


class Outcome(StrEnum):
    """What one probe proves: it answers, it does not, or nothing, because the fault is ours."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one probe and, unless it passed, why in a few words for the log."""

    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Activity:
    """What some processes do at one moment, to tell stopped, busy and stuck ones apart.

    ``states`` has a letter for each thread (R S D T …, proc_pid_stat(5)), ``cpu_ticks`` is the
    processor time used so far: compare two moments. ``waiting_in`` names the kernel functions in
    which first threads sleep, where the kernel tells.
    """

    states: str
    cpu_ticks: int
    threads: int
    waiting_in: tuple[str, ...] = ()


async def probe(endpoint: Endpoint, path: str, body: bytes | None, timeout: float) -> Verdict:  # noqa: ASYNC109
    """GET ``path``; passes on 200 with exactly ``body`` (None: any) within ``timeout`` seconds in all.

    Never raises for what the network or the service does. Unknown is a probe that failed because
    we are short of something, or because the event loop itself stood still for longer than
    ``timeout``: such a result must be discarded.
    """
    began = anyio.current_time()
    with anyio.move_on_after(timeout):
        try:
            return await _ask(endpoint, path, body)
        except (OSError, MemoryError, anyio.BrokenResourceError, ExceptionGroup) as exc:
            return _blame(exc)
    late = anyio.current_time() - began - timeout
    if late > timeout:
        return Verdict(Outcome.UNKNOWN, f"the event loop was {late:.1f} s late")
    return Verdict(Outcome.FAILED, f"no answer within {timeout:g} s")


async def _ask(endpoint: Endpoint, path: str, body: bytes | None) -> Verdict:
    async with await anyio.connect_tcp(endpoint.host, endpoint.port) as stream:
        await stream.send(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n"
            f"User-Agent: fluxlit-probe\r\nConnection: close\r\n\r\n".encode()
        )
        return await _read(stream, body)


async def _read(stream: ByteStream, body: bytes | None) -> Verdict:
    data = b""
    while (verdict := judge(data, body, ended=False)) is None:
        try:
            data += await stream.receive()
        except anyio.EndOfStream:
            return judge(data, body, ended=True) or _failed("incomplete answer")
    return verdict


def judge(data: bytes, wanted: bytes | None, *, ended: bool) -> Verdict | None:
    """What the bytes received so far prove; None when more must be read first (never once ``ended``)."""
    head, complete, rest = data.partition(b"\r\n\r\n")
    if not complete:
        return _judge_partial_head(head, ended=ended)
    found = _STATUS.match(head)
    if found is None:
        return _failed(f"not HTTP: {head[:40]!r}")
    status = int(found[1])
    if status < 200:
        return judge(rest, wanted, ended=ended)
    if status != 200:
        return _failed(f"status {status}")
    return (
        Verdict(Outcome.PASSED) if wanted is None else _judge_body(head, rest, wanted, ended=ended)
    )


def _judge_partial_head(head: bytes, *, ended: bool) -> Verdict | None:
    if not head.startswith(b"HTTP/1."[: len(head)]):
        return _failed(f"not HTTP: {head[:40]!r}")
    if len(head) > HEAD_LIMIT:
        return _failed(f"head longer than {HEAD_LIMIT} bytes")
    return _failed("closed without an answer") if ended else None


def _judge_body(head: bytes, rest: bytes, wanted: bytes, *, ended: bool) -> Verdict | None:
    body = _body(head, rest, ended=ended)
    if body is not None:
        return Verdict(Outcome.PASSED) if body == wanted else _failed(f"body {body[:40]!r}")
    if len(rest) > BODY_LIMIT:
        return _failed(f"body longer than {BODY_LIMIT} bytes")
    return _failed("closed within the body") if ended else None


def _body(head: bytes, rest: bytes, *, ended: bool) -> bytes | None:
    """The whole body (RFC 9112 section 6.3), or None while it is incomplete."""
    if _CHUNKED.search(head):
        return _join_chunks(rest)
    if length := _LENGTH.search(head):
        size = int(length[1])
        return rest[:size] if len(rest) >= size else None
    return rest if ended else None


def _join_chunks(rest: bytes) -> bytes | None:
    body = b""
    while found := _CHUNK.match(rest):
        size = int(found[1], 16)
        end = found.end() + size
        if size == 0:
            return body
        if len(rest) < end + 2:
            return None
        body += rest[found.end() : end]
        rest = rest[end + 2 :]
    return None


def _failed(detail: str) -> Verdict:
    return Verdict(Outcome.FAILED, detail)


def _blame(error: BaseException) -> Verdict:
    # A failed connect on a healthy listener is an OSError without errno; that we have no descriptor
    # left stands in its cause only (measured).
    causes = _causes(error)
    ours = next((each for each in causes if _is_ours(each)), None)
    if ours:
        return Verdict(Outcome.UNKNOWN, f"cannot probe: {_reason([ours])}")
    return _failed(_reason(causes))


def _is_ours(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or getattr(error, "errno", None) in _OUR_FAULTS


def _causes(error: BaseException) -> list[BaseException]:
    """``error`` and all that led to it, breadth first; a cycle is walked once."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop(0)
        if each is None or each in found:
            continue
        found.append(each)
        waiting += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
    return found


def _reason(causes: list[BaseException]) -> str:
    # Each backend words it differently; the number is the same on all of them.
    numbers = (each.errno for each in causes if isinstance(each, OSError) and each.errno)
    number = next(numbers, None)
    return os.strerror(number) if number else str(causes[0]) or type(causes[0]).__name__


def listeners(pid: int) -> list[Endpoint]:
    """Where the processes of group ``pid`` accept TCP connections on loopback; IPv6 only if not on IPv4.

    Only sockets they hold open count, so a stranger on an expected port is never taken for the
    service. A listener on any address is given as 127.0.0.1. Takes 5 to 10 ms once there is a socket.
    """
    members = procfs.in_group(pid, procfs.processes())
    theirs = {inode for each in members for inode in procfs.socket_inodes(each.pid)}
    for table in ("tcp", "tcp6") if theirs else ():
        sockets = procfs.listening(pid, table)
        if found := [endpoint for inode, endpoint in sockets.items() if inode in theirs]:
            return found
    return []


def activity(pids: list[int]) -> Activity:
    """What the processes ``pids`` do now; those that are gone count for nothing."""
    found = [each for pid in pids if (each := procfs.process(pid))]
    return Activity(
        states="".join(procfs.thread_states(each.pid) for each in found),
        cpu_ticks=sum(each.cpu_ticks for each in found),
        threads=sum(each.threads for each in found),
        waiting_in=tuple(filter(None, (procfs.wait_channel(each.pid) for each in found))),
    )
