"""What can happen to an instance; every event carries the monotonic second and the instance's id."""

from dataclasses import dataclass

from fluxlit.status import Endpoint
from fluxlit.supervisor.machine.budget import KILL_WAIT
from fluxlit.supervisor.machine.probing import Finding


@dataclass(frozen=True, slots=True)
class InstanceEvent:
    """Something happened to the instance with this id, at this monotonic second."""

    at: float
    instance: str


@dataclass(frozen=True, slots=True)
class SpawnAsked(InstanceEvent):
    """The slot wants the process."""


@dataclass(frozen=True, slots=True)
class Spawned(InstanceEvent):
    """The process exists."""

    pid: int


@dataclass(frozen=True, slots=True)
class SpawnRefused(InstanceEvent):
    """The operating system would not start it."""

    reason: str
    permanent: bool


@dataclass(frozen=True, slots=True)
class StartupProbed(InstanceEvent):
    """A start-up probe ended; ``endpoint`` is where it passed."""

    finding: Finding
    endpoint: Endpoint | None = None


@dataclass(frozen=True, slots=True)
class ReadinessProbed(InstanceEvent):
    """A readiness probe that began at ``began`` ended."""

    finding: Finding
    began: float


@dataclass(frozen=True, slots=True)
class LivenessProbed(InstanceEvent):
    """A liveness probe that began at ``began`` ended."""

    finding: Finding
    began: float


@dataclass(frozen=True, slots=True)
class RetireAsked(InstanceEvent):
    """It shall get no new users, and stop at ``until`` at the latest."""

    until: float


@dataclass(frozen=True, slots=True)
class StopAsked(InstanceEvent):
    """It shall stop: TERM, after ``grace`` KILL, after ``kill_wait`` it is given up."""

    grace: float
    kill_wait: float = KILL_WAIT


@dataclass(frozen=True, slots=True)
class KillAsked(InstanceEvent):
    """It shall be killed at once, and given up after ``kill_wait``."""

    kill_wait: float = KILL_WAIT


@dataclass(frozen=True, slots=True)
class LeaderExited(InstanceEvent):
    """The process that we started has ended; the rest of its group may live."""

    returncode: int


@dataclass(frozen=True, slots=True)
class GroupGone(InstanceEvent):
    """The leader has ended and nothing of its group lives."""


@dataclass(frozen=True, slots=True)
class DeadlinePassed(InstanceEvent):
    """The deadline of the instance has come."""


EVENTS: tuple[type[InstanceEvent], ...] = (
    SpawnAsked,
    Spawned,
    SpawnRefused,
    StartupProbed,
    ReadinessProbed,
    LivenessProbed,
    RetireAsked,
    StopAsked,
    KillAsked,
    LeaderExited,
    GroupGone,
    DeadlinePassed,
)
