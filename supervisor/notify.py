"""Telling a service manager how we are (sd_notify(3)): datagrams that never wait and never fail us."""

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress

import anyio

from fluxlit.status import StatusBoard
from fluxlit.supervisor.machine.notices import Notices, step

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class Notifier:
    """Sends to the manager's socket; ``address`` may begin with @ for an abstract one.

    ``watchdog`` is the period in seconds within which the manager wants a sign of life.
    """

    def __init__(self, address: str, watchdog: float | None) -> None:
        self.watchdog = watchdog
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def __repr__(self) -> str:
        return f"<Notifier {self._address!r}>"

    async def run(self, board: StatusBoard) -> None:
        """Tell what changes on the board, and that the event loop turns, until cancelled."""
        told = Notices()
        with self._socket:
            while True:
                told, messages = step(told, board.snapshot, anyio.current_time(), self.watchdog)
                for message in messages:
                    self.send(message)
                due = told.due
                left = None if due is None else max(0.0, due - anyio.current_time())
                with anyio.move_on_after(left):
                    await board.changed()

    def send(self, message: str) -> None:
        """One datagram. A manager that does not read (measured: 11 fit) or has gone is no trouble of ours."""
        with suppress(OSError):
            self._socket.sendto(message.encode("utf-8", "replace"), self._address)


def notifier(environ: MutableMapping[str, str]) -> Notifier | None:
    """The notifier for the manager that started us, if one did.

    Its variables are taken out of ``environ``: what we start must not speak for us.
    """
    address, period, meant_for = (environ.pop(name, "") for name in VARIABLES)
    if not address.startswith(("/", "@")):
        return None
    ours = meant_for in {"", str(os.getpid())}
    watchdog = int(period) / 1e6 if ours and period.isdecimal() and int(period) else None
    return Notifier(address, watchdog)
