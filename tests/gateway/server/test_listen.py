"""Binding the public address."""

import errno
import os
import socket
from pathlib import Path

import pytest

from fluxlit.config.settings import Gateway
from fluxlit.errors import BindError
from fluxlit.gateway.server.listen import PrivateListener, bind, sentence


def test_port_zero_takes_a_free_port_that_listens() -> None:
    """The socket listens, does not block and is not inherited."""
    (listener,) = bind(Gateway(port=0))
    with listener:
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        assert listener.getsockname()[1] > 0
        assert listener.getblocking() is False
        assert os.get_inheritable(listener.fileno()) is False


def test_busy_port_names_the_address() -> None:
    """A second listener on the port is one sentence, and leaves no socket."""
    (listener,) = bind(Gateway(port=0))
    with listener:
        port = listener.getsockname()[1]
        with pytest.raises(BindError, match=rf"127\.0\.0\.1:{port}: .*already in use") as caught:
            bind(Gateway(port=port))
        assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        pytest.param("no such host.invalid", "cannot be resolved", id="unresolvable"),
        pytest.param("192.0.2.1", "does not belong to this machine", id="foreign"),
        pytest.param("a" * 300, "cannot be resolved", id="too long"),
    ],
)
def test_bad_host(host: str, reason: str) -> None:
    """A host that is not ours is one sentence."""
    with pytest.raises(BindError, match=reason):
        bind(Gateway(host=host, port=0))


def test_privileged_port_says_what_is_missing() -> None:
    """EACCES is explained (the test may run as root, so the sentence alone is asked)."""
    text = sentence(("0.0.0.0", 80), OSError(errno.EACCES, "Permission denied"))
    assert "0.0.0.0:80" in text
    assert "CAP_NET_BIND_SERVICE" in text


def test_ipv6() -> None:
    """An IPv6 address is listened on and written in brackets."""
    try:
        (listener,) = bind(Gateway(host="::1", port=0))
    except BindError as error:
        pytest.skip(str(error))
    with listener:
        assert listener.family == socket.AF_INET6
        with pytest.raises(BindError, match=r"\[::1\]:"):
            bind(Gateway(host="::1", port=listener.getsockname()[1]))


def test_host_of_several_addresses_gets_one_port_on_each() -> None:
    """Every address of localhost listens on the same port."""
    listeners = bind(Gateway(host="localhost", port=0))
    try:
        assert len({listener.getsockname()[1] for listener in listeners}) == 1
    finally:
        for listener in listeners:
            listener.close()


def test_a_unix_socket_alone_gets_a_private_loopback_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pages reach the API over TCP; nobody else is told of that address."""
    monkeypatch.chdir(tmp_path)
    public, private = bind(Gateway(uds="s", port=1))
    with public, private:
        assert public.family == socket.AF_UNIX
        assert isinstance(private, PrivateListener)
        assert private.getsockname()[0] == "127.0.0.1"
    assert not (tmp_path / "s").exists()


def test_an_inherited_tcp_socket_is_enough() -> None:
    """Pages can use it too."""
    with socket.create_server(("127.0.0.1", 0)) as parent:
        port = parent.getsockname()[1]
        (listener,) = bind(Gateway(fd=os.dup(parent.fileno())))
    with listener:
        assert listener.getsockname()[1] == port
