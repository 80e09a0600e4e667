"""Sockets that others have opened for us."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from fluxlit.errors import BindError
from fluxlit.gateway.server import inherited as module
from fluxlit.gateway.server.inherited import activated, inherited


@pytest.fixture
def passed() -> Iterator[int]:
    """A listening socket as a parent passes it: inheritable and blocking, owned by nobody here."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = os.dup(listener.fileno())
    os.set_inheritable(number, True)
    yield number
    try:
        os.close(number)
    except OSError:
        return


def test_it_is_ours_from_now_on(passed: int) -> None:
    """Non-blocking, not inherited any further, the same descriptor."""
    with inherited(passed) as listener:
        assert listener.fileno() == passed
        assert listener.getblocking() is False
        assert os.get_inheritable(passed) is False
        assert listener.family == socket.AF_INET


def test_what_is_no_listening_socket_is_one_sentence() -> None:
    """A closed descriptor, a file, a datagram socket, one that does not listen; none of them is closed."""
    with pytest.raises(BindError, match="descriptor 999: bad file descriptor"):
        inherited(999)
    with Path(os.devnull).open() as file, pytest.raises(BindError, match="socket"):
        inherited(file.fileno())
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as other:
            with pytest.raises(BindError, match="not a listening stream socket"):
                inherited(other.fileno())
            other.getsockname()


def test_sockets_of_systemd(passed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first descriptor on; the variables are taken away."""
    monkeypatch.setattr(module, "FIRST", passed)
    environ = {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": "web", "A": "b"}
    (listener,) = activated(environ)
    listener.close()
    assert environ == {"A": "b"}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_FDS": "1", "LISTEN_PID": "1"},
        {"LISTEN_FDS": "0", "LISTEN_PID": str(os.getpid())},
        {"LISTEN_FDS": "many", "LISTEN_PID": str(os.getpid())},
    ],
)
def test_sockets_meant_for_somebody_else(environ: dict[str, str]) -> None:
    """LISTEN_PID must be ours; the variables are taken away all the same."""
    assert activated(environ) == []
    assert environ == {}


def test_one_wrong_socket_closes_the_others(passed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All or none."""
    monkeypatch.setattr(module, "FIRST", passed)
    with pytest.raises(BindError):
        activated({"LISTEN_FDS": "64", "LISTEN_PID": str(os.getpid())})
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(passed)
