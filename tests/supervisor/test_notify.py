"""Telling a service manager: order, rate, and that nobody there is no trouble."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from fluxlit.status import DaemonPhase, Snapshot, StatusBoard
from fluxlit.supervisor.notify import Notifier, notifier


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The manager's end of NOTIFY_SOCKET, named ``notify`` in the working directory."""
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind("notify")
        server.setblocking(False)
        yield server


async def received(manager: socket.socket) -> str:
    """The next datagram."""
    with anyio.fail_after(5):
        await anyio.wait_readable(manager)
    return manager.recv(4096).decode()


async def test_changes_of_the_board_are_told(manager: socket.socket) -> None:
    """READY when ready, STOPPING on the way down."""
    board = StatusBoard()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Notifier("notify", None).run, board)
        assert (await received(manager)).startswith("STATUS=")
        board.publish(Snapshot(daemon=DaemonPhase.READY))
        assert (await received(manager)).startswith("READY=1\nSTATUS=ready")
        board.publish(Snapshot(daemon=DaemonPhase.DRAINING))
        assert (await received(manager)).startswith("STOPPING=1\nSTATUS=")
        tasks.cancel_scope.cancel()


async def test_the_watchdog_keeps_its_rate(manager: socket.socket) -> None:
    """Twice in its period, from the event loop."""
    board = StatusBoard()
    board.publish(Snapshot(daemon=DaemonPhase.READY))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Notifier("notify", 0.1).run, board)
        began = anyio.current_time()
        messages = [await received(manager) for _ in range(7)]
        assert 0.2 <= anyio.current_time() - began < 2
        assert messages[1:] == ["WATCHDOG=1"] * 6
        tasks.cancel_scope.cancel()


async def test_an_undrained_socket_never_blocks(manager: socket.socket) -> None:
    """Far more datagrams than the kernel queues are sent at once; what does not fit is lost."""
    sender = Notifier("notify", None)
    with anyio.fail_after(5):
        for _ in range(1000):
            sender.send("STATUS=x")
    sender._socket.close()
    assert manager.recv(100) == b"STATUS=x"


def test_a_manager_that_is_gone_is_no_trouble(tmp_path: Path) -> None:
    """No socket there, or no listener."""
    sender = Notifier(str(tmp_path / "nothing"), None)
    sender.send("READY=1")
    sender._socket.close()


def test_an_abstract_socket() -> None:
    """@ stands for the NUL byte."""
    name = f"fluxlit-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(f"\0{name}")
        sender = Notifier(f"@{name}", None)
        sender.send("READY=1")
        sender._socket.close()
        assert server.recv(100) == b"READY=1"


@pytest.mark.parametrize(
    ("environ", "watchdog"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "4000000"}, 4.0),
        ({"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": str(os.getpid())}, 4.0),
        ({"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_the_environment_is_read_and_cleaned(
    environ: dict[str, str], watchdog: float | None
) -> None:
    """The watchdog is ours if it names us; children must not speak for us."""
    given = {"NOTIFY_SOCKET": "/run/notify", "KEPT": "yes", **environ}
    made = notifier(given)
    assert made is not None
    made._socket.close()
    assert made.watchdog == watchdog
    assert given == {"KEPT": "yes"}


@pytest.mark.parametrize("address", ["", "vsock:2:1", "relative"])
def test_without_a_socket_there_is_nobody_to_tell(address: str) -> None:
    """Only paths and abstract names are sockets of ours."""
    assert notifier({"NOTIFY_SOCKET": address}) is None
