"""Probes against scripted servers: only the right word from the right process passes."""

import os
import resource
import signal
import socket
import struct
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from errno import ECONNREFUSED, EMFILE, ENOBUFS
from functools import partial

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from fluxlit.status import Endpoint
from fluxlit.supervisor.probes import (
    BODY_LIMIT,
    HEAD_LIMIT,
    Outcome,
    Verdict,
    _blame,
    activity,
    judge,
    listeners,
    probe,
)
from tests.programs import command, read_line, running

pytestmark = pytest.mark.usefixtures("leak_free")

OK = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: _streamlit_xsrf=2|a|b|1; Path=/\r\n\r\nok"
)
Answer = Callable[[SocketStream], Awaitable[None]]


@asynccontextmanager
async def _serving(answer: Answer) -> AsyncGenerator[Endpoint]:
    """A server that reads one request and gives the script the connection."""

    async def handle(stream: SocketStream) -> None:
        async with stream:
            try:
                await stream.receive()
                await answer(stream)
            except (anyio.BrokenResourceError, anyio.EndOfStream):
                return

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, handle)
        yield Endpoint("127.0.0.1", listener.extra(SocketAttribute.local_port))
        tasks.cancel_scope.cancel()


async def _probe(answer: Answer, timeout: float = 5.0) -> Verdict:
    async with _serving(answer) as endpoint:
        return await probe(endpoint, "/_stcore/health", b"ok", timeout)


async def test_the_right_word_passes() -> None:
    """200 with exactly the body; other headers are nobody's business."""
    assert await _probe(partial(_say_all, OK)) == Verdict(Outcome.PASSED)


async def _say_all(data: bytes, stream: SocketStream) -> None:
    await stream.send(data)


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "body b'<html>'"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nok", "status 503"),
        (b"HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n", "status 302"),
        (b"HTTP/1.1 204 Nothing\r\n\r\n", "status 204"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", "closed within the body"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "closed without an answer"),
        (b"", "closed without an answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", r"not HTTP: b'SSH-2.0-OpenSSH_9.2\r\n'"),
    ],
)
async def test_anything_else_fails_and_says_why(answer: bytes, detail: str) -> None:
    """Wrong body, wrong status, a redirect that is not followed, and what is no answer at all."""

    async def say(stream: SocketStream) -> None:
        if answer:
            await stream.send(answer)

    assert await _probe(say) == Verdict(Outcome.FAILED, detail)


async def test_a_reset_fails() -> None:
    """RST in place of an answer."""

    async def reset(stream: SocketStream) -> None:
        raw = stream.extra(SocketAttribute.raw_socket)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    verdict = await _probe(reset)
    assert verdict == Verdict(Outcome.FAILED, "Connection reset by peer")


async def test_silence_fails_at_the_deadline() -> None:
    """A server that accepts and never answers, as a stopped process does."""

    async def hang(stream: SocketStream) -> None:
        await stream.receive()

    assert await _probe(hang, 0.2) == Verdict(Outcome.FAILED, "no answer within 0.2 s")


async def test_a_slow_drip_fails_at_the_deadline() -> None:
    """The deadline is for the whole probe, not for each byte."""

    async def drip(stream: SocketStream) -> None:
        for byte in OK * 10:
            await stream.send(bytes([byte]))
            await anyio.sleep(0.01)

    began = time.monotonic()
    verdict = await _probe(drip, 0.3)
    assert verdict.outcome is Outcome.FAILED
    assert time.monotonic() - began < 2


async def test_an_endless_body_is_not_read() -> None:
    """Of 100 MB only what lies in the buffers between the two ever leaves the server."""
    sent = 0

    async def pour(stream: SocketStream) -> None:
        nonlocal sent
        await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n")
        for _ in range(1600):
            await stream.send(b"x" * 65_536)
            sent += 65_536

    verdict = await _probe(pour)
    assert verdict == Verdict(Outcome.FAILED, f"body longer than {BODY_LIMIT} bytes")
    assert sent < 50_000_000


async def test_nobody_there_fails() -> None:
    """A refused connection."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        endpoint = Endpoint("127.0.0.1", bound.getsockname()[1])
        verdict = await probe(endpoint, "/", None, 5)
    assert verdict == Verdict(Outcome.FAILED, os.strerror(ECONNREFUSED))


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY is for users' code; a probe goes straight to loopback."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (await _probe(partial(_say_all, OK))).outcome is Outcome.PASSED


async def test_our_own_shortage_proves_nothing() -> None:
    """Without a free descriptor a healthy listener cannot be reached: that is not its fault."""
    async with running(command("serves")) as child:
        endpoint = Endpoint("127.0.0.1", int(await read_line(child.stdout)))
        with _no_descriptor_left():
            verdict = await probe(endpoint, "/", b"ok", 5)
        assert verdict == Verdict(Outcome.UNKNOWN, "cannot probe: Too many open files")
        assert (await probe(endpoint, "/", b"ok", 5)).outcome is Outcome.PASSED


@contextmanager
def _no_descriptor_left() -> Generator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = os.open("/dev/null", os.O_RDONLY)
    os.close(spare)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_loop_that_stood_still_proves_nothing() -> None:
    """After SIGSTOP of the daemon, or a blocked loop, the late deadline is not the service's fault."""

    async def block(_stream: SocketStream) -> None:
        time.sleep(0.5)
        await anyio.sleep(5)

    verdict = await _probe(block, 0.1)
    assert verdict.outcome is Outcome.UNKNOWN
    assert "late" in verdict.detail


async def test_a_real_server_passes_and_its_port_is_found() -> None:
    """The port comes from the sockets of the process, not from a promise."""
    async with running(command("serves")) as child:
        port = int(await read_line(child.stdout))
        assert listeners(child.pid) == [Endpoint("127.0.0.1", port)]
        verdict = await probe(listeners(child.pid)[0], "/_stcore/health", b"ok", 5)
    assert verdict.outcome is Outcome.PASSED


async def test_a_stopped_server_fails() -> None:
    """Its kernel still accepts connections: connecting is no health check."""
    async with running(command("serves")) as child:
        endpoint = Endpoint("127.0.0.1", int(await read_line(child.stdout)))
        child.signal(signal.SIGSTOP)
        assert (await probe(endpoint, "/", b"ok", 0.2)).outcome is Outcome.FAILED
        assert activity([child.pid]).states == "T"


@pytest.mark.parametrize(
    ("environment", "detail"),
    [
        ({"STATUS": "503"}, "status 503"),
        ({"BODY": "<html>"}, "body b'<html>'"),
        ({"HANG": "1"}, "no answer within 0.2 s"),
    ],
)
async def test_a_real_server_in_trouble_fails(environment: dict[str, str], detail: str) -> None:
    """The suite's server misbehaves as told."""
    async with running(command("serves"), environment=environment) as child:
        endpoint = Endpoint("127.0.0.1", int(await read_line(child.stdout)))
        assert await probe(endpoint, "/", b"ok", 0.2) == Verdict(Outcome.FAILED, detail)


async def test_a_port_thief_is_never_taken_for_the_service() -> None:
    """Somebody else's listener, ours included, is not among those of the process."""
    with socket.create_server(("127.0.0.1", 0)) as thief:
        stolen = str(thief.getsockname()[1])
        async with running(command("serves"), environment={"PORT": stolen}) as child:
            assert await child.exited() == 1
            assert listeners(child.pid) == []
        async with running(command("obeys")) as child:
            await read_line(child.stdout)
            assert listeners(child.pid) == []


async def test_a_listener_of_a_group_member_counts() -> None:
    """A wrapper script may start the server as its child."""
    program, *arguments = command("serves")
    script = f'"{program}" "$@" & wait'
    async with running(("/bin/sh", "-c", script, "sh", *arguments)) as child:
        port = int(await read_line(child.stdout))
        assert listeners(child.pid) == [Endpoint("127.0.0.1", port)]


async def test_an_ipv6_listener_is_found() -> None:
    """A service may listen on ::1 alone, and is probed there."""
    lines = (
        "import socket",
        "server = socket.create_server(('::1', 0), family=socket.AF_INET6)",
        "print(server.getsockname()[1])",
        "silent = server.accept()",
        "server.accept()",
    )
    async with running((sys.executable, "-u", "-I", "-S", "-c", "; ".join(lines))) as child:
        port = int(await read_line(child.stdout))
        assert listeners(child.pid) == [Endpoint("::1", port)]
        verdict = await probe(listeners(child.pid)[0], "/", None, 0.2)
    assert verdict.detail == "no answer within 0.2 s"


async def test_a_late_listener_is_found_once_it_listens() -> None:
    """Before that the list is empty, and a dead process has none."""
    async with running(command("listens_late"), environment={"DELAY": "0.3"}) as child:
        assert await read_line(child.stdout) == "ready"
        assert listeners(child.pid) == []
        port = int(await read_line(child.stdout))
        assert [each.port for each in listeners(child.pid)] == [port]
        child.signal(signal.SIGKILL)
        await child.gone()
        assert listeners(child.pid) == []


async def test_activity_tells_busy_from_idle() -> None:
    """A loop gathers processor time, a sleeper none."""
    async with (
        running(("/bin/sh", "-c", "echo; while :; do :; done")) as busy,
        running(command("deaf")) as idle,
    ):
        await read_line(busy.stdout)
        await read_line(idle.stdout)
        resting = activity([idle.pid])
        with anyio.fail_after(10):
            while activity([busy.pid]).cpu_ticks < 5:
                await anyio.sleep(0.02)
        assert activity([idle.pid]).cpu_ticks - resting.cpu_ticks <= 1
        assert resting.threads == 1
        both = activity([busy.pid, idle.pid, 2**22 + 1])
        assert (len(both.states), both.threads) == (2, 2)


def _fed(data: bytes, *, at: int) -> list[Verdict | None]:
    return [judge(data[:at], b"ok", ended=False), judge(data, b"ok", ended=False)]


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        b"HTTP/1.0 200\r\nCONTENT-LENGTH:2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK,
    ],
)
def test_an_answer_may_arrive_in_any_pieces(answer: bytes) -> None:
    """At every cut the first part proves nothing yet, and the whole passes."""
    end = answer.rindex(b"\r\n\r\n") if answer.endswith(b"\r\n\r\n") else len(answer)
    for at in range(end):
        early, whole = _fed(answer, at=at)
        assert early is None, answer[:at]
        assert whole == Verdict(Outcome.PASSED)


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    """RFC 9112 section 6.3, the last rule."""
    answer = b"HTTP/1.0 200 OK\r\n\r\nok"
    assert judge(answer, b"ok", ended=False) is None
    assert judge(answer, b"ok", ended=True) == Verdict(Outcome.PASSED)


def test_any_body_passes_when_none_is_asked_for() -> None:
    """The head is enough: the body is not even waited for."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n"
    assert judge(answer, None, ended=False) == Verdict(Outcome.PASSED)


def test_an_endless_head_fails() -> None:
    """A server that sends header lines for ever is cut off at HEAD_LIMIT."""
    answer = b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * HEAD_LIMIT
    assert judge(answer, b"ok", ended=False) == Verdict(
        Outcome.FAILED, f"head longer than {HEAD_LIMIT} bytes"
    )


def test_what_ended_is_always_judged() -> None:
    """Once the connection is closed, every prefix of an answer has a verdict."""
    for at in range(len(OK)):
        verdict = judge(OK[:at], b"ok", ended=True)
        assert verdict
        assert verdict.outcome is Outcome.FAILED


def _wrapped(number: int) -> Exception:
    outer = OSError("All connection attempts failed")
    outer.__cause__ = ExceptionGroup("all", [OSError(ECONNREFUSED, "no"), OSError(number, "short")])
    return outer


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (_wrapped(EMFILE), Outcome.UNKNOWN),
        (_wrapped(ENOBUFS), Outcome.UNKNOWN),
        (_wrapped(ECONNREFUSED), Outcome.FAILED),
        (MemoryError(), Outcome.UNKNOWN),
        (anyio.BrokenResourceError(), Outcome.FAILED),
    ],
)
def test_blame_is_found_however_deep(error: Exception, outcome: Outcome) -> None:
    """Causes and groups are searched for a shortage of our own."""
    assert _blame(error).outcome is outcome
