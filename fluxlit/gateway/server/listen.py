"""The public address: found, bound and listened on before anything else is started."""

import errno
import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress

from fluxlit.config.settings import Gateway
from fluxlit.errors import BindError
from fluxlit.gateway.server.inherited import activated, inherited
from fluxlit.gateway.server.unix import open_unix

BACKLOG = 2048
"""Connections the kernel holds for us; it cuts this to net.core.somaxconn."""

REASONS = {
    errno.EADDRINUSE: "the address is already in use",
    errno.EADDRNOTAVAIL: "the address does not belong to this machine",
    errno.EACCES: "ports below 1024 need a privilege (CAP_NET_BIND_SERVICE); choose a higher one",
}

Address = tuple[int, tuple[str, int] | tuple[str, int, int, int]]


class PrivateListener(socket.socket):
    """A loopback socket that only our own processes are told of: the pages reach the API through it."""


def bind(gateway: Gateway, environ: MutableMapping[str, str] | None = None) -> list[socket.socket]:
    """Listen where we were told to: on sockets from systemd, on ``fd``, on ``uds``, or on host and port.

    The first of these that is given counts. Without any TCP socket among them a PrivateListener is
    added. The sockets are non-blocking and not inherited by children. Raises BindError with one
    sentence that names the address; nothing stays open then.
    """
    listeners = activated({} if environ is None else environ)
    if not listeners and gateway.fd:
        listeners = [inherited(gateway.fd)]
    elif not listeners and gateway.uds:
        listeners.append(open_unix(gateway.uds))
    elif not listeners:
        return bind_tcp(gateway)
    if all(listener.family == socket.AF_UNIX for listener in listeners):
        try:
            listeners.append(_private())
        except BaseException:
            for listener in listeners:
                listener.close()
            raise
    return listeners


def _private() -> socket.socket:
    return _listen(PrivateListener(socket.AF_INET, socket.SOCK_STREAM), ("127.0.0.1", 0))


def bind_tcp(gateway: Gateway) -> list[socket.socket]:
    """Listen on every address the host resolves to; port 0 takes one free port for all of them."""
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
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise BindError(sentence(address, error)) from error
    return _listen(listener, address)


def _listen(listener: socket.socket, address: tuple[str | int, ...]) -> socket.socket:
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if listener.family == socket.AF_INET6:
            # IPv4 is listened on by its own socket, or not at all.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.setblocking(False)
        listener.bind(address)
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
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
