"""The state of one process of a service, and how it changes its phase."""

from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from fluxlit.status import Endpoint, InstancePhase
from fluxlit.supervisor.machine.budget import KILL_WAIT
from fluxlit.supervisor.machine.commands import InstanceCommand, Unpublish
from fluxlit.supervisor.machine.probing import Health
from fluxlit.supervisor.machine.verdict import Reason, Verdict


@dataclass(frozen=True, slots=True)
class Instance:
    """One process; ``reason`` is known as soon as its end is decided, ``verdict`` when it is over."""

    id: str
    service: str
    slot: int = 0
    generation: int = 1
    phase: InstancePhase = InstancePhase.PENDING
    since: float = 0.0
    deadline: float | None = None
    pid: int | None = None
    endpoint: Endpoint | None = None
    spawned_at: float = 0.0
    ready_for: float = 0.0
    health: Health = field(default_factory=Health)
    grace: float = 0.0
    kill_wait: float = KILL_WAIT
    reason: Reason | None = None
    permanent: bool = False
    detail: str = ""
    returncode: int | None = None
    verdict: Verdict | None = None


Step: TypeAlias = tuple[Instance, tuple[InstanceCommand, ...]]


def enter(instance: Instance, phase: InstancePhase, at: float, **changes: Any) -> Instance:  # noqa: ANN401
    """Change the phase; seconds in READY add up, and a deadline not given again is gone."""
    ready = at - instance.since if instance.phase is InstancePhase.READY else 0.0
    changes = {"deadline": None, "ready_for": instance.ready_for + ready, **changes}
    return replace(instance, phase=phase, since=at, **changes)


def unpublish(instance: Instance, why: str) -> tuple[InstanceCommand, ...]:
    """Withdraw it if it is published: READY and published are one."""
    return (Unpublish(instance.id, why),) if instance.phase is InstancePhase.READY else ()
