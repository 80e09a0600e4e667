"""The public address: found, bound and listened on before anything else is started."""

import errno
import os
import socket
from contextlib import suppress

from fluxlit.config.settings import Gateway
from fluxlit.errors import BindError

BACKLOG = 2048
"""Connections the kernel holds for us; it cuts this to net.core.somaxconn."""

REASONS = {
    errno.EADDRINUSE: "the address is already in use",
    errno.EADDRNOTAVAIL: "the address does not belong to this machine",
    errno.EACCES: "ports below 1024 need a privilege (CAP_NET_BIND_SERVICE); choose a higher one",
}

Address = tuple[int, tuple[str, int] | tuple[str, int, int, int]]


def bind(gateway: Gateway) -> list[socket.socket]:
    """Listen on every address the host resolves to; port 0 takes one free port for all of them.

    The sockets are non-blocking and not inherited by children. Raises BindError with one sentence that
    names the address; nothing stays open then.
    """
    listeners: list[socket.socket] = []
    port = gateway.port
    try:
        for family, address in resolve(gateway.host, gateway.port):
            listener = open_listener(family, (address[0], port, *address[2:]))
            listeners.append(listener)
            port = listener.getsockname()[1]
    except BaseException:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def resolve(host: str, port: int) -> list[Address]:
    """The addresses of a host, each once, in the resolver's order; empty means all of them."""
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a host name"
        message = f"cannot listen on {text(host, port)}: the host cannot be resolved ({reason})"
        raise BindError(message) from error
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))  # type: ignore[misc]


def open_listener(family: int, address: tuple[str | int, ...]) -> socket.socket:
    """One listening socket."""
    listener: socket.socket | None = None
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # IPv4 is listened on by its own socket, or not at all.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.setblocking(False)
        listener.bind(address)
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        if listener is not None:
            with suppress(OSError):
                listener.close()
        raise BindError(sentence(address, error)) from error
    return listener


def sentence(address: tuple[str | int, ...], error: OSError | OverflowError) -> str:
    """Why an address cannot be had."""
    where = text(str(address[0]), int(address[1]))
    if isinstance(error, OSError) and error.errno is not None:
        return f"cannot listen on {where}: {REASONS.get(error.errno, os.strerror(error.errno).lower())}"
    return f"cannot listen on {where}: {error}"


def text(host: str, port: int) -> str:
    """An address as users write it."""
    return f"[{host}]:{port}" if ":" in host else f"{host or '*'}:{port}"
