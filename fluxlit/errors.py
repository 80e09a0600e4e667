"""The error tree, by whose fault it is, and the exit statuses of the daemon.

Foreign errors are translated once, at the edge where they arrive, always with ``from exc``.
"""

from dataclasses import dataclass
from enum import IntEnum


class ExitStatus(IntEnum):
    """What the process returns to whoever started it (sysexits.h where it has a number)."""

    OK = 0
    FAILED = 1
    USAGE = 2
    GAVE_UP = 69
    INVARIANT = 70
    OS = 71
    LOCKED = 75
    PERMISSION = 77
    CONFIG = 78


class FluxlitError(Exception):
    """Base of every error that is somebody's fault other than a bug of ours."""

    exit_status: ExitStatus = ExitStatus.FAILED


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in the configuration: where it is, what stands there, what was expected, how to fix it.

    ``place`` is ``file:line key``, a variable's name or a flag, as the user wrote it.
    """

    place: str
    found: str
    expected: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.place}: found {self.found}, expected {self.expected}"
        return f"{text} ({self.hint})" if self.hint else text


class ConfigError(FluxlitError):
    """The configuration is wrong; carries every problem found, not only the first."""

    exit_status = ExitStatus.CONFIG

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


class TargetError(FluxlitError):
    """The user's application cannot be imported or is not what it should be."""

    exit_status = ExitStatus.CONFIG


class BindError(FluxlitError):
    """The public address cannot be had (in use, not ours, not permitted)."""

    exit_status = ExitStatus.OS


class StateError(FluxlitError):
    """The state directory that was asked for cannot be used."""

    exit_status = ExitStatus.CONFIG


class LockedError(FluxlitError):
    """Another daemon holds the lock of the state directory."""

    exit_status = ExitStatus.LOCKED


class GaveUp(FluxlitError):  # noqa: N818 - a verdict, not a mishap
    """A service could not be kept alive within its start limit."""

    exit_status = ExitStatus.GAVE_UP


class SpawnFailed(FluxlitError):  # noqa: N818
    """The operating system refused to start a process.

    ``permanent`` tells a missing or forbidden program (do not try again) from exhausted
    resources such as EAGAIN, ENOMEM, EMFILE (try again after the backoff).
    """

    exit_status = ExitStatus.OS

    def __init__(self, reason: str, *, permanent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent


class UpstreamError(FluxlitError):
    """Something went wrong between the relay and a service."""


class ConnectFailed(UpstreamError):  # noqa: N818
    """No connection to the service could be opened; nothing was sent."""


class UpstreamTimeout(UpstreamError):  # noqa: N818
    """The service did not answer in time; ``waiting_for`` names the phase (connect, head, body)."""

    def __init__(self, waiting_for: str) -> None:
        super().__init__(f"timed out waiting for {waiting_for}")
        self.waiting_for = waiting_for


class UpstreamProtocolError(UpstreamError):
    """The service broke its protocol."""


class UpstreamClosed(UpstreamError):  # noqa: N818
    """The service ended the connection early; ``received_head`` says whether an answer had begun."""

    def __init__(self, reason: str, *, received_head: bool) -> None:
        super().__init__(reason)
        self.received_head = received_head


class ClientLeft(FluxlitError):  # noqa: N818
    """The browser went away; never an error in the log."""


class ImpossibleEventError(AssertionError):
    """A table was given an event that its phase excludes: our bug, always loud."""
