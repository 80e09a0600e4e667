"""How many connections each client address holds: one address must not take the places of all."""

import socket
from collections import Counter
from typing import Any

from fluxlit.config.settings import Gateway
from fluxlit.protocol.trust import Trust, normal


class Addresses:
    """Counts connections by address; at most ``gateway.max_connections_per_address`` of each.

    Trusted proxies, whose connections are those of many clients, and Unix sockets are not counted;
    0 counts nobody.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._most = gateway.max_connections_per_address
        self._proxies = Trust.of(enabled=gateway.trust_proxy, allowed=gateway.forwarded_allow_ips)
        self._held: Counter[str] = Counter()

    def enter(self, client: socket.socket) -> str | None:
        """The address under which a new connection is counted, "" if under none; None: too many."""
        address = peer(client)
        if not self._most or not address or self._proxies.believes(address):
            return ""
        if self._held[address] >= self._most:
            return None
        self._held[address] += 1
        return address

    def leave(self, address: str) -> None:
        """A connection that has entered under this address is closed."""
        if address:
            self._held[address] -= 1
            if not self._held[address]:
                del self._held[address]

    def __len__(self) -> int:
        return len(self._held)


def peer(client: socket.socket) -> str:
    """The client's address; "" on a Unix socket, or when it has left already."""
    try:
        name: tuple[Any, ...] | str = client.getpeername()
    except OSError:
        return ""
    return normal((str(name[0]), 0))[0] if isinstance(name, tuple) else ""
