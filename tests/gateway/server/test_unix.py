"""Listening on a Unix socket."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from fluxlit.config.settings import Gateway
from fluxlit.errors import BindError
from fluxlit.gateway.asgi import Receive, Scope, Send
from fluxlit.gateway.server.limits import Limits
from fluxlit.gateway.server.serve import Server
from fluxlit.gateway.server.unix import open_unix, sentence
from tests.gateway.server.apps import ROUTES
from tests.gateway.server.served import Application, Client, as_asgi


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short path for every test: the working directory."""
    short = Path(f"/tmp/fluxlit-unix-{os.getpid()}")
    short.mkdir()
    monkeypatch.chdir(short)
    yield short
    assert list(short.iterdir()) == []
    short.rmdir()


@pytest.mark.parametrize(("umask", "mode"), [(0, 0o666), (0o022, 0o644), (0o077, 0o600)])
def test_its_mode_is_0666_less_the_umask(folder: Path, umask: int, mode: int) -> None:
    """As Uvicorn's, from the moment the file is there."""
    before = os.umask(umask)
    try:
        with open_unix("s"):
            assert stat.S_IMODE((folder / "s").stat().st_mode) == mode
    finally:
        os.umask(before)


def test_it_is_not_inherited_and_goes_with_its_file(folder: Path) -> None:
    """Closing twice is closing once; the path holds wherever the process is by then."""
    listener = open_unix("s")
    assert os.get_inheritable(listener.fileno()) is False
    os.chdir("/")
    listener.close()
    listener.close()
    assert not (folder / "s").exists()


def test_a_dead_server_is_replaced(folder: Path) -> None:
    """Its file is there, nobody listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind("s")
    with open_unix("s"), socket.socket(socket.AF_UNIX) as client:
        client.connect("s")


def test_a_living_server_is_left_alone(folder: Path) -> None:
    """Also one whose backlog is full."""
    with open_unix("s") as first:
        first.listen(0)
        with socket.socket(socket.AF_UNIX) as waiting:
            waiting.connect("s")
            with pytest.raises(BindError, match="unix:s: another process listens there"):
                open_unix("s")


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_no_socket_is_left_alone(folder: Path, kind: str) -> None:
    """A mistaken path must not delete anything."""
    path = folder / "s"
    if kind == "link":
        path.symlink_to("x")
    else:
        (path.mkdir if kind == "folder" else path.touch)()
    with pytest.raises(BindError, match="is no socket"):
        open_unix("s")
    (path.rmdir if kind == "folder" else path.unlink)()


def test_another_ones_file_is_not_removed(folder: Path) -> None:
    """Somebody has put a new socket in our place: it is theirs."""
    listener = open_unix("s")
    (folder / "s").unlink()
    with open_unix("s"):
        listener.close()
        assert (folder / "s").exists()


def test_bad_paths_are_one_sentence(folder: Path) -> None:
    """Too long, and in a folder that is not there."""
    with pytest.raises(BindError, match="longer than the 107 bytes"):
        open_unix("x" * 200)
    with pytest.raises(BindError, match=r"unix:nowhere/s: no such file"):
        open_unix("nowhere/s")
    assert sentence("s", PermissionError(13, "x")) == "cannot listen on unix:s: permission denied"


async def test_clients_of_a_unix_socket_are_served() -> None:
    """Requests and WebSockets; the scope names no client and no server address."""
    app = Application(dict(ROUTES))
    seen: list[object] = []

    async def watching(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope["client"], scope["server"]))
        await app(scope, receive, send)

    server = Server(
        as_asgi(watching), [open_unix("s")], Gateway(), limits=Limits(idle=30, tick=0.01)
    )
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            await tasks.start(server.serve)
            async with Client(await anyio.connect_unix("s")) as client:
                await client.send(b"GET /status HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                assert (await client.rest()).startswith(b"HTTP/1.1 200")
            await server.close(0.0)
    assert seen == [(None, None)]
