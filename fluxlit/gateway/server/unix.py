"""Listening on a Unix socket: the file is made, guarded and removed by us."""

import errno
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from fluxlit.errors import BindError

BACKLOG = 2048
MODE = 0o666
"""Less the umask: a proxy under another user may connect, as with Uvicorn's --uds."""


class UnixListener(socket.socket):
    """A listening Unix socket whose file ends with it, unless somebody else has put another there."""

    def __init__(self, path: str) -> None:
        super().__init__(socket.AF_UNIX, socket.SOCK_STREAM)
        self.path = str(Path(path).absolute())
        self._identity: tuple[int, int] | None = None

    def open(self) -> None:
        """Make the file and listen; raises OSError."""
        self.setblocking(False)
        # The kernel gives the file the mode of the socket's inode, less the umask, when it makes
        # it: a chmod afterwards would leave a moment with another mode.
        os.fchmod(self.fileno(), MODE)
        self.bind(self.path)
        self._identity = _identity(self.path)
        self.listen(BACKLOG)

    def close(self) -> None:
        """Remove the file and close the socket, once."""
        if self._identity is not None and _identity(self.path) == self._identity:
            with suppress(OSError):
                Path(self.path).unlink()
        self._identity = None
        super().close()


def open_unix(path: str) -> UnixListener:
    """Listen on ``path``; a socket that nobody listens on any more is replaced. Raises BindError."""
    listener = UnixListener(path)
    try:
        _make_way(path)
        listener.open()
    except (OSError, ValueError) as error:
        listener.close()
        raise BindError(sentence(path, error)) from error
    except BaseException:
        listener.close()
        raise
    return listener


def sentence(path: str, error: OSError | ValueError) -> str:
    """Why a path cannot be had."""
    reason = str(error)
    if isinstance(error, OSError) and error.errno is not None:
        reason = os.strerror(error.errno).lower()
    elif "too long" in reason:
        reason = "the path is longer than the 107 bytes that the system allows"
    return f"cannot listen on unix:{path}: {reason}"


def _make_way(path: str) -> None:
    """Remove the socket of a dead server; raises BindError when the path is taken by anything else."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(Path(path).lstat().st_mode):
            message = f"cannot listen on unix:{path}: the file is there already and is no socket"
            raise BindError(message)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.setblocking(False)
            # A full backlog is EAGAIN: somebody is there, only busy.
            if client.connect_ex(path) != errno.ECONNREFUSED:
                message = f"cannot listen on unix:{path}: another process listens there"
                raise BindError(message)
        Path(path).unlink()


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = Path(path).lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
