"""The control socket: who may ask, what is answered, and that nobody can use it up."""

import json
import os
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from structlog.testing import capture_logs

from fluxlit import log as logs
from fluxlit.config.settings import Settings
from fluxlit.log.tail import Tail
from fluxlit.protocol.control import Command
from fluxlit.supervisor import control, state
from fluxlit.supervisor.control import CONNECTIONS, Abilities, Control

NOBODY = 65_534


class Served:
    """A control socket that is served, and what was asked of it."""

    def __init__(self, path: Path, server: Control) -> None:
        self.path = path
        self.server = server
        self.asked: list[str] = []

    def connect(self) -> socket.socket:
        """A non-blocking connection."""
        client = state.connect(self.path)
        client.setblocking(False)
        return client

    async def ask(self, frames: bytes) -> list[dict[str, Any]]:
        """Everything answered to ``frames`` on a connection of its own whose sending side is then closed."""
        with self.connect() as client:
            client.send(frames)
            client.shutdown(socket.SHUT_WR)
            return [json.loads(line) for line in (await rest(client)).splitlines()]


async def rest(client: socket.socket) -> bytes:
    """Everything until the end."""
    received = b""
    with anyio.fail_after(10):
        while True:
            await anyio.wait_readable(client)
            try:
                data = client.recv(65_536)
            except ConnectionResetError:
                return received
            if not data:
                return received
            received += data


async def some_status() -> Mapping[str, object]:
    """A status document."""
    return {"phase": "ready"}


@asynccontextmanager
async def serving(tmp_path: Path) -> AsyncGenerator[Served]:
    """Serve the control socket of a state directory of its own."""
    held = state.claim(Settings(state_dir=str(tmp_path / "s")), {}, tmp_path)
    assert held is not None
    abilities = Abilities(
        status=some_status,
        stop=lambda: served.asked.append("stop"),
        drain=lambda: served.asked.append("drain"),
    )
    served = Served(held.path, Control(held.listen(), abilities))
    async with anyio.create_task_group() as tasks:
        await tasks.start(served.server.serve)
        yield served
        tasks.cancel_scope.cancel()
    held.release()
    assert served.server.connections == 0


async def test_status_and_orders(tmp_path: Path) -> None:
    """Several requests on one connection, answered in order."""
    async with serving(tmp_path) as served:
        with capture_logs() as lines:
            answers = await served.ask(
                b'{"command":"status"}\n{"command":"drain"}\n{"command":"stop"}\n'
            )
        done = {"ok": True, "pid": os.getpid()}
        assert answers == [{"ok": True, "status": {"phase": "ready"}}, done, done]
        assert served.asked == ["drain", "stop"]
        assert [line["command"] for line in lines] == ["drain", "stop"]


@pytest.mark.parametrize("command", ["restart", "reload"])
async def test_what_the_daemon_cannot_do_yet_is_said(tmp_path: Path, command: str) -> None:
    """A sentence, and the connection goes on."""
    async with serving(tmp_path) as served:
        answers = await served.ask(b'{"command":"%s"}\n{"command":"status"}\n' % command.encode())
        assert answers[0] == {"ok": False, "error": f"{command} is not available yet"}
        assert answers[1]["ok"] is True


async def test_what_the_daemon_can_do_is_done() -> None:
    """The seam for what comes later: an ability that is given is used."""
    asked: list[str] = []
    abilities = Abilities(some_status, asked.clear, restart=lambda: asked.append("restart"))
    left, right = socket.socketpair()
    with left, right:
        answer = Control(left, abilities)._obey(Command.RESTART)
    assert json.loads(answer)["ok"] is True
    assert asked == ["restart"]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0\1\2\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"{}\n",
        b'{"command":"exec"}\n',
        b"[" * 60_000 + b"\n",
    ],
    ids=["bytes", "http", "empty", "unknown", "deep"],
)
async def test_garbage_is_answered_once_and_ends(tmp_path: Path, garbage: bytes) -> None:
    """One refusal, then the end; the next client is served."""
    async with serving(tmp_path) as served:
        (answer,) = await served.ask(garbage + b'{"command":"stop"}\n')
        assert answer["ok"] is False
        assert served.asked == []
        assert (await served.ask(b'{"command":"status"}\n'))[0]["ok"] is True


async def test_an_endless_frame_is_refused(tmp_path: Path) -> None:
    """At 64 KiB, however much more there is."""
    async with serving(tmp_path) as served:
        with served.connect() as client:
            sent = 0
            with anyio.fail_after(10):
                while sent < 10_000_000:
                    try:
                        sent += client.send(b"x" * 65_536)
                    except BlockingIOError:
                        await anyio.sleep(0.001)
                    except OSError:
                        break
            assert sent < 10_000_000
            assert b"at most 65536 bytes" in await rest(client)


async def test_a_slow_frame_ends_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each frame has its deadline, also the first byte of the next."""
    monkeypatch.setattr(control, "DEADLINE", 0.1)
    async with serving(tmp_path) as served:
        with served.connect() as silent, served.connect() as slow:
            slow.send(b'{"comm')
            began = anyio.current_time()
            assert await rest(silent) == b""
            assert await rest(slow) == b""
            assert anyio.current_time() - began < 5


async def test_whoever_does_not_read_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that is not taken in time ends the connection."""
    monkeypatch.setattr(control, "DEADLINE", 0.1)
    tail = Tail()
    for _ in range(1000):
        tail.put(b"x" * 1000)
    monkeypatch.setattr(logs, "tail", lambda: tail)
    async with serving(tmp_path) as served:
        with served.connect() as client:
            client.send(b'{"command":"logs","lines":1000}\n')
            with anyio.fail_after(5):
                while not served.server.connections:
                    await anyio.sleep(0.01)
                while served.server.connections:
                    await anyio.sleep(0.01)


async def test_more_than_sixteen_are_told_so(tmp_path: Path) -> None:
    """The seventeenth is answered and ended; when one leaves there is room again."""
    async with serving(tmp_path) as served:
        clients = [served.connect() for _ in range(CONNECTIONS)]
        with served.connect() as late:
            assert b"too many connections" in await rest(late)
        assert served.server.connections == CONNECTIONS
        for client in clients:
            client.close()
        with anyio.fail_after(5):
            while served.server.connections:
                await anyio.sleep(0.01)
        assert (await served.ask(b'{"command":"status"}\n'))[0]["ok"] is True


async def test_ten_thousand_quick_connections(tmp_path: Path) -> None:
    """Never more than sixteen are held, and the next question is answered."""

    def storm(path: Path) -> int:
        done = 0
        for _ in range(10_000):
            try:
                state.connect(path).close()
            except OSError:  # a full backlog
                continue
            done += 1
        return done

    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, served.server.connections)
            await anyio.sleep(0)

    async with serving(tmp_path) as served, anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        assert await anyio.to_thread.run_sync(storm, served.path) > 1000
        tasks.cancel_scope.cancel()
    assert most <= CONNECTIONS


async def test_logs_gives_the_last_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as asked for, then the end of the answer."""
    tail = Tail()
    for number in range(5):
        tail.put(b"line %d \xff" % number)
    monkeypatch.setattr(logs, "tail", lambda: tail)
    async with serving(tmp_path) as served:
        answers = await served.ask(b'{"command":"logs","lines":2}\n')
        assert answers == [{"line": "line 3 \ufffd"}, {"line": "line 4 \ufffd"}, {"ok": True}]


async def test_following_goes_on_until_the_client_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New lines arrive; the end of the client ends it."""
    tail = Tail()
    tail.put(b"0")
    monkeypatch.setattr(logs, "tail", lambda: tail)
    async with serving(tmp_path) as served:
        with served.connect() as client:
            client.send(b'{"command":"logs","lines":1,"follow":true}\n')
            for number in range(3):
                if number:
                    tail.put(b"%d" % number)
                with anyio.fail_after(5):
                    await anyio.wait_readable(client)
                assert json.loads(client.recv(100)) == {"line": str(number)}
        with anyio.fail_after(5):
            while served.server.connections:
                await anyio.sleep(0.01)


def _as_nobody(path: Path, act: Callable[[socket.socket], bool]) -> bool:
    """Whether ``act`` holds in a child that is another user, on a socket that it may open."""
    child = os.fork()
    if child == 0:
        passed = False
        try:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.settimeout(5)
                client.connect(str(path))
                passed = act(client)
        except PermissionError:
            passed = act is refused_by_the_system
        finally:
            os._exit(0 if passed else 1)
    return os.waitpid(child, 0)[1] == 0


def refused_by_the_system(_client: socket.socket) -> bool:
    """Connecting must not succeed."""
    return False


def refused_by_us(client: socket.socket) -> bool:
    """The answer says who may ask, and no more comes."""
    said = b""
    with suppress(ConnectionError):  # it may be over before we have spoken
        client.send(b'{"command":"stop"}\n')
    with suppress(ConnectionError):
        while data := client.recv(1000):
            said += data
    return b"only the user of the daemon" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
async def test_another_user_is_refused_twice(tmp_path: Path) -> None:
    """By the modes of folder and socket; and, were they opened, by the credentials of the peer."""
    short = Path(f"/tmp/fluxlit-test-{os.getpid()}")
    async with serving(tmp_path) as served:
        short.mkdir(mode=0o755)
        try:
            (short / "c").hardlink_to(served.path / state.SOCKET)
            ask = anyio.to_thread.run_sync
            assert await ask(_as_nobody, short / "c", refused_by_the_system)
            (short / "c").chmod(0o666)
            with capture_logs() as lines:
                assert await ask(_as_nobody, short / "c", refused_by_us)
        finally:
            (short / "c").unlink(missing_ok=True)
            short.rmdir()
        assert served.asked == []
        assert [(line["event"], line["uid"]) for line in lines] == [("control.refused", NOBODY)]
