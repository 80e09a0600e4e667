"""Why an instance ended, as data for the slot and as a sentence for an operator."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from signal import Signals


class Reason(StrEnum):
    """What ended an instance; intent decides, not the exit status.

    Measured: Streamlit returns 0 for any TERM or INT, so a status of 0 says nothing.
    """

    REQUESTED = "requested"
    RECYCLED = "recycled"
    EXITED = "exited"
    CRASHED = "crashed"
    HUNG = "hung"
    START_TIMEOUT = "start_timeout"
    EXEC_FAILED = "exec_failed"
    SPAWN_FAILED = "spawn_failed"
    UNKILLABLE = "unkillable"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of one instance: ``returncode`` as subprocess has it, the rest in seconds.

    ``permanent`` means that another try would end the same way (no such program).
    """

    service: str
    reason: Reason
    returncode: int | None = None
    permanent: bool = False
    detail: str = ""
    uptime: float = 0.0
    ready_for: float = 0.0

    @property
    def wanted(self) -> bool:
        """It ended because we asked; no failure."""
        return self.reason in {Reason.REQUESTED, Reason.RECYCLED}

    @property
    def signal(self) -> str | None:
        """The name of the signal that killed it, if one did."""
        return signal_name(-self.returncode) if self.returncode and self.returncode < 0 else None

    def __str__(self) -> str:
        return f"{self.service} {_TEXT[self.reason](self)}"


def signal_name(number: int) -> str:
    """``SIGKILL`` for 9; plain text for numbers without a name (real-time signals)."""
    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"


def _when(verdict: Verdict) -> str:
    if verdict.ready_for:
        return f"after {verdict.uptime:.1f} s"
    return f"after {verdict.uptime:.1f} s, before it was ready"


def _because(verdict: Verdict) -> str:
    return f": {verdict.detail}" if verdict.detail else ""


_TEXT: dict[Reason, Callable[[Verdict], str]] = {
    Reason.REQUESTED: lambda _: "was stopped",
    Reason.RECYCLED: lambda _: "was replaced",
    Reason.EXITED: lambda v: f"exited with status {v.returncode} {_when(v)}",
    Reason.CRASHED: lambda v: f"was killed by {v.signal} {_when(v)}",
    Reason.HUNG: lambda v: f"hung and was killed {_when(v)}{_because(v)}",
    Reason.START_TIMEOUT: lambda v: f"did not answer in time{_because(v)}",
    Reason.EXEC_FAILED: lambda v: f"cannot be executed{_because(v)}",
    Reason.SPAWN_FAILED: lambda v: f"could not be started{_because(v)}",
    Reason.UNKILLABLE: lambda v: f"survived KILL and was left behind{_because(v)}",
}
