"""Accepting when the process has no file descriptor left."""

import os
import resource
import socket
from collections.abc import Generator
from contextlib import contextmanager

import anyio
from structlog.testing import capture_logs

from fluxlit.gateway.server.accept import admit
from tests.gateway.server.apps import ROUTES
from tests.gateway.server.served import serving


@contextmanager
def no_descriptor_left() -> Generator[None]:
    """Use up every file descriptor under a lowered limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = [os.open(os.devnull, os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 20, hard))
    try:
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for descriptor in taken:
                os.close(descriptor)


async def test_exhausted_descriptors_are_answered_503_and_survived() -> None:
    """Clients are told 503, the log has one line for all of them, and later ones are served."""
    async with serving(ROUTES) as served:
        clients = [socket.socket() for _ in range(3)]
        with capture_logs() as logs, no_descriptor_left():
            for client in clients:
                client.connect(("127.0.0.1", served.port))
            answers: list[bytes] = []
            for client in clients:
                client.setblocking(False)
                await anyio.wait_readable(client)
                answers.append(client.recv(1000))
        for client in clients:
            client.close()
        assert all(answer.startswith(b"HTTP/1.1 503") for answer in answers)
        assert [line["event"] for line in logs] == ["gateway.overloaded"]
        assert (await served.status()).endswith(b"fine")


async def test_client_that_is_gone_before_it_is_accepted() -> None:
    """Connections reset in the backlog disturb nobody."""
    async with serving(ROUTES) as served:
        for _ in range(5):
            client = socket.create_connection(("127.0.0.1", served.port))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()
        assert (await served.status()).endswith(b"fine")
        await served.quiet()


def test_admitted_sockets_send_small_writes_at_once() -> None:
    """TCP_NODELAY is on and the socket does not block."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
        with near, far:
            admit(far, taken.append)
            assert taken == [far]
            assert far.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert far.getblocking() is False
