"""Taking connections from a listener, also when there are too many or no file descriptor is left."""

import errno
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

import anyio

from fluxlit.log import get_logger

log = get_logger("fluxlit.gateway.server")

BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
PAUSE = 0.05
"""Seconds after a failed accept, so that an exhausted process does not spin."""

QUIET = 60.0
"""Seconds between two lines in the log about the same trouble."""


class Acceptor:
    """Accepts from listeners and hands the sockets on.

    One file descriptor is kept spare: when none is left it is given up for a moment, so that a client
    is told 503 instead of waiting in the backlog.
    """

    def __init__(self) -> None:
        self._spare: int | None = None
        self._logged: dict[str, float] = {}
        self._keep_spare()

    async def run(self, listener: socket.socket, take: Callable[[socket.socket], None]) -> None:
        """Accept until the listener is closed; ``take`` owns each socket."""
        while True:
            try:
                await anyio.wait_readable(listener)
                client, _ = listener.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                continue
            except (anyio.ClosedResourceError, ValueError):
                return
            except OSError as error:
                if listener.fileno() < 0:
                    return
                self._trouble(listener, error)
                await anyio.sleep(PAUSE)
            else:
                admit(client, take)

    def refuse(self, client: socket.socket, trouble: str) -> None:
        """Tell a client 503 and let it go."""
        self.warn(trouble)
        with suppress(OSError):
            client.setblocking(False)
            client.send(BUSY)
            client.shutdown(socket.SHUT_WR)
            client.recv(65_536)
        client.close()

    def warn(self, trouble: str) -> None:
        """One line a minute for each kind of trouble."""
        now = monotonic()
        if now - self._logged.get(trouble, -QUIET) >= QUIET:
            self._logged[trouble] = now
            log.warning("gateway.overloaded", reason=trouble)

    def close(self) -> None:
        """Give the spare file descriptor back."""
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None

    def _trouble(self, listener: socket.socket, error: OSError) -> None:
        """The operating system gave no connection."""
        self.warn(error.strerror or str(error))
        if error.errno not in EXHAUSTED:
            return
        self.close()
        with suppress(OSError):
            client, _ = listener.accept()
            self.refuse(client, error.strerror or str(error))
        self._keep_spare()

    def _keep_spare(self) -> None:
        with suppress(OSError):
            self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


def admit(client: socket.socket, take: Callable[[socket.socket], None]) -> None:
    """Make an accepted socket ready and hand it on, unless it has broken already."""
    try:
        client.setblocking(False)
        if client.family != socket.AF_UNIX:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    except OSError:
        client.close()
        return
    take(client)
