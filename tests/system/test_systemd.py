"""The daemon under a service manager, and on sockets that are not host and port."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from configparser import RawConfigParser
from pathlib import Path

import pytest

from fluxlit.config.table import TABLE
from tests.system.conftest import Start

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parent.parent.parent


class Manager:
    """NOTIFY_SOCKET from the manager's side: every datagram with the pid of its sender."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind(str(path))
        self.path = path

    def drain(self, until: str, timeout: float = 40.0) -> list[tuple[int, dict[str, str]]]:
        """The datagrams up to the one that holds ``until``, as (pid, assignments)."""
        found: list[tuple[int, dict[str, str]]] = []
        deadline = time.monotonic() + timeout
        while not any(until in assignments for _, assignments in found):
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            data, credentials, _, _ = self.socket.recvmsg(4096, 256)
            pid = int.from_bytes(credentials[0][2][:4], sys.byteorder)
            found.append((pid, dict(line.split("=", 1) for line in data.decode().splitlines())))
        return found


@pytest.fixture
def manager() -> Iterator[Manager]:
    """A manager's socket at a short path."""
    path = Path(f"/tmp/fluxlit-notify-{os.getpid()}")
    made = Manager(path)
    yield made
    made.socket.close()
    path.unlink(missing_ok=True)


def test_notify_tells_the_whole_life(start: Start, backend: str, manager: Manager) -> None:
    """STATUS, then READY once with the first ready page server, then STOPPING; all from the daemon itself."""
    daemon = start("--backend", backend, environment={"NOTIFY_SOCKET": str(manager.path)})
    began = manager.drain("READY")
    assert all("READY" not in told for _, told in began[:-1])
    assert "STATUS" in began[0][1]
    daemon.wait_ready()
    assert daemon.stop() == 0
    ended = manager.drain("STOPPING")
    everything = [*began, *ended]
    assert {pid for pid, _ in everything} == {daemon.process.pid}
    assert sum("READY" in told for _, told in everything) == 1


def test_the_watchdog_is_fed_by_the_event_loop(
    start: Start, backend: str, manager: Manager
) -> None:
    """At least twice in its period; a stopped daemon feeds it no more."""
    watched = {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "400000"}
    daemon = start("--backend", backend, environment=watched).wait_ready()
    began = time.monotonic()
    for _ in range(10):
        manager.drain("WATCHDOG", 5)
    assert time.monotonic() - began < 5
    assert daemon.stop() == 0


def test_a_manager_that_never_reads_stops_nothing(start: Start, manager: Manager) -> None:
    """Its queue is full after a dozen datagrams; the daemon serves and ends as ever."""
    stuck = {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "20000"}
    daemon = start(environment=stuck).wait_ready()
    time.sleep(1)  # a hundred beats
    assert daemon.ask("/api/ping").status == 200
    assert daemon.stop() == 0


def test_the_sidecar_hears_nothing_of_the_manager(start: Start, manager: Manager) -> None:
    """No variable of sd_notify(3) and sd_listen_fds(3) reaches what we start."""
    daemon = start(environment={"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "9000000"})
    daemon.wait_ready()
    inherited = Path(f"/proc/{daemon.sidecar}/environ").read_text()
    assert "NOTIFY_SOCKET" not in inherited
    assert "WATCHDOG_" not in inherited
    assert daemon.stop() == 0


# A shell cannot set LISTEN_PID to the process it becomes; this does what systemd does.
ACTIVATE = """
import os, sys
number = int(sys.argv[1])
if number != 3:
    os.dup2(number, 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="web")
os.execv(sys.executable, [sys.executable, *sys.argv[3:]])
"""


def _activated(folder: Path, listener: socket.socket, *arguments: str) -> list[str]:
    """A prefix that passes ``listener`` on as systemd does."""
    return [sys.executable, "-c", ACTIVATE, str(listener.fileno()), *arguments]


def test_socket_activation(start: Start, backend: str, tmp_path: Path) -> None:
    """It serves on the socket it was given; connections made before it started are answered too."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        port = listener.getsockname()[1]
        early = socket.create_connection(("127.0.0.1", port))
        early.sendall(b"GET /api/ping HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        daemon = start(
            "--backend",
            backend,
            prefix=_activated(tmp_path, listener),
            pass_fds=[listener.fileno()],
        )
        with early:
            early.settimeout(30)
            assert early.recv(100).startswith(b"HTTP/1.1 200")
        daemon.wait_ready()
        assert daemon.port == port
        assert daemon.ask("/").status == 200
        assert daemon.stop() == 0
        # It is the manager's socket: the next start finds what came meanwhile.
        socket.create_connection(("127.0.0.1", port)).close()


def test_fd(start: Start, backend: str) -> None:
    """--fd N serves on an inherited socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.fileno()
        daemon = start("--backend", backend, "--fd", str(number), pass_fds=[number])
        daemon.wait_ready()
        assert daemon.port == listener.getsockname()[1]
        assert daemon.ask("/api/ping").status == 200
        assert daemon.stop() == 0


def ask(path: Path, target: str, *headers: str) -> bytes:
    """One request over a Unix socket, as curl --unix-socket makes it; the whole answer."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(str(path))
        lines = (f"GET {target} HTTP/1.1", "Host: app.example", "Connection: close", *headers)
        client.sendall("\r\n".join((*lines, "", "")).encode())
        answer = b""
        while data := client.recv(65_536):
            answer += data
        return answer


@pytest.fixture
def uds() -> Iterator[Path]:
    """A short path for a Unix socket, which must be gone in the end."""
    path = Path(f"/tmp/fluxlit-uds-{os.getpid()}")
    yield path
    assert not path.exists()


def _body(answer: bytes) -> dict[str, object]:
    return json.loads(answer.partition(b"\r\n\r\n")[2])  # type: ignore[no-any-return]


def test_uds(start: Start, backend: str, uds: Path) -> None:
    """Pages and API over a Unix socket; pages reach the API by an address that is not announced."""
    trusting = {"FLUXLIT_TRUST_PROXY": "true"}
    daemon = start("--backend", backend, "--uds", str(uds), environment=trusting).wait_ready()
    assert daemon.log.find("daemon.listening", uds=str(uds)) is not None
    assert sum(e["event"] == "daemon.listening" for e in daemon.log.events) == 1
    assert ask(uds, "/").startswith(b"HTTP/1.1 200")
    forwarded = ("X-Forwarded-For: 198.51.100.7", "X-Forwarded-Proto: https")
    seen = _body(ask(uds, "/api/ping", *forwarded))
    assert (seen["client"], seen["scheme"]) == ("198.51.100.7", "https")
    base = Path(f"/proc/{daemon.sidecar}/environ").read_text()
    assert "FLUXLIT_INTERNAL_API_BASE=http://127.0.0.1:" in base
    check = [sys.executable, "-m", "fluxlit", "healthcheck", "--ready"]
    kept = {k: v for k, v in os.environ.items() if k in {"PATH", "PYTHONPATH"}}
    asked = subprocess.run(
        check, env={**kept, "FLUXLIT_GATEWAY_UDS": str(uds)}, cwd=daemon.folder, check=False
    )
    assert asked.returncode == 0
    assert daemon.stop() == 0


def test_uds_believes_nobody_unless_told_to(start: Start, uds: Path) -> None:
    """Without trust_proxy a header over a Unix socket is as good as any other: nothing."""
    daemon = start("--uds", str(uds)).wait_ready()
    answer = ask(uds, "/api/readyz", "X-Forwarded-Proto: https")
    assert answer.startswith(b"HTTP/1.1 200")
    assert daemon.stop() == 0


def test_uds_in_use_and_left_behind(start: Start, uds: Path) -> None:
    """A living server is 71 and one sentence; the file of a killed one is replaced."""
    first = start("--uds", str(uds)).wait_ready()
    second = start("--uds", str(uds))
    assert second.wait() == 71
    assert "another process listens there" in second.errors.lines[0]
    first.stop(9)
    assert uds.is_socket()
    third = start("--uds", str(uds)).wait_ready()
    assert ask(uds, "/").startswith(b"HTTP/1.1 200")
    assert third.stop() == 0


def test_the_unit_file_names_what_exists() -> None:
    """It parses, and every FLUXLIT_ variable in it is a setting."""
    unit = RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    text = (ROOT / "config" / "platforms" / "fluxlit.service").read_text()
    unit.read_string(text)
    assert unit["Service"]["Type"] == "notify"
    names = {word.partition("=")[0] for word in text.split() if word.startswith("FLUXLIT_")}
    names |= {
        word.partition("=")[2].partition("=")[0]
        for word in text.split()
        if word.startswith("Environment=FLUXLIT_")
    }
    assert names <= {name for row in TABLE.values() for name in row.variables}
