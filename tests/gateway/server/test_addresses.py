"""The cap on connections of one address (T20)."""

import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import anyio
import pytest

from fluxlit.config.settings import Gateway
from fluxlit.gateway.server.addresses import Addresses, peer
from tests.gateway.server.apps import ROUTES
from tests.gateway.server.served import Client, serving


@pytest.fixture
def client() -> Iterator[socket.socket]:
    """An accepted connection from 127.0.0.1."""
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as listener,
        closing(socket.create_connection(listener.getsockname())),
        closing(listener.accept()[0]) as accepted,
    ):
        yield accepted


def test_counts_up_to_the_limit_and_forgets(client: socket.socket) -> None:
    """The third of two is refused; nothing is kept of addresses that have left."""
    addresses = Addresses(Gateway(max_connections_per_address=2))
    assert [addresses.enter(client) for _ in range(3)] == ["127.0.0.1", "127.0.0.1", None]
    addresses.leave("127.0.0.1")
    assert addresses.enter(client) == "127.0.0.1"
    addresses.leave("127.0.0.1")
    addresses.leave("127.0.0.1")
    assert len(addresses) == 0


def test_who_is_not_counted(client: socket.socket) -> None:
    """Trusted proxies, Unix sockets, and everybody when the limit is 0."""
    one = Gateway(max_connections_per_address=1)
    trusting = replace(one, trust_proxy=True, forwarded_allow_ips=("127.0.0.0/8",))
    left, right = socket.socketpair()
    with left, right:
        for addresses, sock in (
            (Addresses(trusting), client),
            (Addresses(one), left),
            (Addresses(Gateway(max_connections_per_address=0)), client),
        ):
            assert [addresses.enter(sock) for _ in range(3)] == [""] * 3
            addresses.leave("")
            assert len(addresses) == 0


def test_a_client_that_has_left_has_no_address(client: socket.socket) -> None:
    """Accepted, and closed meanwhile."""
    client.close()
    assert peer(client) == ""


async def test_t20_one_address_does_not_take_all_places() -> None:
    """The next of the same address is told 503, another address is served, and places come back."""
    async with serving(ROUTES, max_connections_per_address=2) as served:
        async with await served.connect(), await served.connect():
            async with await served.connect() as third:
                assert (await third.rest()).startswith(b"HTTP/1.1 503 ")
            other = Client(
                await anyio.connect_tcp("127.0.0.1", served.port, local_host="127.0.0.2")
            )
            async with other:
                await other.send(b"GET /status HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                assert (await other.rest()).endswith(b"fine")
        await served.quiet()
        assert (await served.status()).endswith(b"fine")
