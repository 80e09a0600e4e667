"""Listening sockets that somebody else has opened for us: ``--fd N``, and socket activation of systemd.

The protocol of sd_listen_fds(3): LISTEN_FDS sockets from descriptor 3 on, meant for the process
whose id is LISTEN_PID.
"""

import os
import socket
from collections.abc import MutableMapping

from fluxlit.errors import BindError

FIRST = 3
"""SD_LISTEN_FDS_START."""
MOST = 64
"""Sockets that are taken at most; a larger number in LISTEN_FDS is somebody's mistake."""
_VARIABLES = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")


def activated(environ: MutableMapping[str, str]) -> list[socket.socket]:
    """The sockets that systemd has passed to this process, none if it has not; BindError for a wrong one.

    The variables are taken out of ``environ``, so that no child believes they were meant for it.
    """
    count, pid, _names = (environ.pop(name, "") for name in _VARIABLES)
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    taken: list[socket.socket] = []
    try:
        # extend() keeps what it was given before an error: that much is closed again.
        taken.extend(inherited(FIRST + place) for place in range(min(int(count), MOST)))
    except BaseException:
        for listener in taken:
            listener.close()
        raise
    return taken


def inherited(number: int) -> socket.socket:
    """The listening stream socket behind a descriptor, not inherited any further; raises BindError."""
    try:
        os.set_inheritable(number, False)
        listener = socket.socket(fileno=number)
    except OSError as error:
        message = f"cannot listen on descriptor {number}: {(error.strerror or str(error)).lower()}"
        raise BindError(message) from error
    stream = listener.type == socket.SOCK_STREAM
    if not stream or not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        # Whatever it is, it is not ours to close.
        listener.detach()
        message = f"cannot listen on descriptor {number}: it is not a listening stream socket"
        raise BindError(message)
    listener.setblocking(False)
    return listener
