"""Talking to a running daemon over its control socket: found by the same settings, one JSON object a line."""

import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from fluxlit.config.arguments import as_flags
from fluxlit.config.load import load
from fluxlit.config.table import TABLE
from fluxlit.errors import FluxlitError
from fluxlit.supervisor import state

TIMEOUT = 10.0
"""Seconds for one answer: a daemon that lives takes some milliseconds."""

STATE_DIR = TABLE["state_dir"]


class NoDaemon(FluxlitError):  # noqa: N818 - a verdict, not a mishap
    """Nobody to talk to; exit status 1."""


class Declined(FluxlitError):  # noqa: N818
    """The daemon said no, and why."""


def find(given: Mapping[str, Any]) -> Path:
    """The state directory of the daemon that was started here; raises NoDaemon when it is not one."""
    flags = as_flags(given)
    loaded = load(flags, os.environ, Path.cwd(), given.get("config"))
    found = state.neighbours(loaded.settings, os.environ, Path.cwd())
    if len(found) == 1:
        return found[0]
    if not found:
        where = loaded.settings.state_dir or "this folder"
        message = f"no daemon runs for {where}; --state-dir says where another one keeps its socket"
        raise NoDaemon(message)
    folders = ", ".join(str(path) for path in found)
    message = f"several daemons were started in this folder; name one with --state-dir: {folders}"
    raise NoDaemon(message)


class Dialogue:
    """One connection to a daemon; a context manager."""

    def __init__(self, folder: Path) -> None:
        try:
            self._connection = state.connect(folder)
        except OSError as error:
            message = f"no daemon answers in {folder}: {error.strerror or error}"
            raise NoDaemon(message) from error
        self._connection.settimeout(TIMEOUT)
        self._lines = self._connection.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lines.close()
        self._connection.close()

    @property
    def pid(self) -> int:
        """The daemon as we see it; 0 from another PID namespace."""
        said = self._connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int.from_bytes(said[:4], sys.byteorder)

    def ask(self, command: str, **fields: object) -> Mapping[str, Any]:
        """The one answer to a command; raises Declined and NoDaemon."""
        return next(self.stream(command, **fields))

    def stream(self, command: str, **fields: object) -> Iterator[Mapping[str, Any]]:
        """Every answer to a command up to the last one; raises Declined and NoDaemon."""
        request = json.dumps({"command": command, **fields}).encode() + b"\n"
        if fields.get("follow"):
            self._connection.settimeout(None)
        try:
            # Whoever refuses us may have said so and gone before we have spoken.
            with suppress(BrokenPipeError):
                self._connection.sendall(request)
            for line in self._lines:
                answer = cast("Mapping[str, Any]", json.loads(line))
                if answer.get("ok") is False:
                    raise Declined(str(answer.get("error")))
                yield answer
                if answer.get("ok"):
                    return
        except (OSError, ValueError) as error:
            message = f"the daemon does not answer: {error}"
            raise NoDaemon(message) from error
        raise NoDaemon("the daemon has ended")
