"""What the tables ask for; carried out by the driver, or by the fleet where one table asks another.

``instance`` is an instance id. Seconds throughout; moments are on the monotonic clock.
"""

from dataclasses import dataclass
from typing import TypeAlias

from fluxlit.supervisor.machine.probing import ProbeKind
from fluxlit.supervisor.machine.verdict import Reason, Verdict


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start the process of the instance; answered by Spawned or SpawnRefused."""

    instance: str


@dataclass(frozen=True, slots=True)
class Signal:
    """Send a signal to the whole process group."""

    instance: str
    number: int


@dataclass(frozen=True, slots=True)
class Probe:
    """Make one probe at the moment ``at``; answered by the Probed event of its kind."""

    instance: str
    kind: ProbeKind
    at: float


@dataclass(frozen=True, slots=True)
class Publish:
    """From now on new requests may be sent there."""

    instance: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Unpublish:
    """From now on no new request is sent there; ``why`` is empty when that was asked for."""

    instance: str
    why: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """The instance will be killed for this; keep what may explain it."""

    instance: str
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """The instance has ended; say so."""

    instance: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Reap:
    """Nothing of the group lives: take the leader's status and forget the process."""

    instance: str


@dataclass(frozen=True, slots=True)
class Abandon:
    """The group survived KILL: reap it whenever it ends, wait no longer."""

    instance: str


InstanceCommand: TypeAlias = (
    Spawn | Signal | Probe | Publish | Unpublish | Evidence | Report | Reap | Abandon
)


@dataclass(frozen=True, slots=True)
class Begin:
    """Put a new instance into the slot."""

    service: str
    slot: int
    generation: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop the instance: TERM, after ``grace`` KILL, after ``kill_wait`` give it up."""

    instance: str
    grace: float
    kill_wait: float


@dataclass(frozen=True, slots=True)
class Kill:
    """KILL the instance now."""

    instance: str
    kill_wait: float


@dataclass(frozen=True, slots=True)
class BackOff:
    """The slot waits ``delay`` seconds after its ``failures``-th failure in a row."""

    service: str
    slot: int
    delay: float
    failures: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The slot could not keep an instance alive within its start limit."""

    service: str
    slot: int
    verdict: Verdict
    failures: int


SlotCommand: TypeAlias = Begin | Stop | Kill | BackOff | GiveUp


@dataclass(frozen=True, slots=True)
class RaiseSlots:
    """Every slot shall hold a running instance."""


@dataclass(frozen=True, slots=True)
class KeepSlots:
    """What runs may run on, but nothing is started any more."""


@dataclass(frozen=True, slots=True)
class LowerSlots:
    """Stop every instance, all at the same time."""

    grace: float
    kill_wait: float


@dataclass(frozen=True, slots=True)
class KillSlots:
    """KILL every instance now."""

    kill_wait: float


@dataclass(frozen=True, slots=True)
class Drain:
    """Tell (Drained) as soon as nothing is in flight."""


@dataclass(frozen=True, slots=True)
class CloseGateway:
    """Close the public side within ``grace`` seconds; answered by GatewayClosed."""

    grace: float


DaemonCommand: TypeAlias = RaiseSlots | KeepSlots | LowerSlots | KillSlots | Drain | CloseGateway


@dataclass(frozen=True, slots=True)
class Raise:
    """Start the generation beside the present one."""

    generation: int


@dataclass(frozen=True, slots=True)
class Promote:
    """The generation takes the place of the present one, whose users may stay until the moment."""

    generation: int
    until: float


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The generation has failed: stop what there is of it; the present one stays."""

    generation: int
    reason: str
    grace: float


RolloutCommand: TypeAlias = Raise | Promote | Withdraw

Command: TypeAlias = InstanceCommand | BackOff | GiveUp | Drain | CloseGateway | RolloutCommand
"""What leaves the fleet for the driver."""
