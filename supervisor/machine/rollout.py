"""A roll from one generation of all instances to the next, as a table.

The next generation is raised beside the present one, must be ready for ``min_ready`` seconds, and
only then takes its place; if one of its instances ends before, the present one stays. What is
replaced, or was raised in vain, leaves before anything else is begun: there are never more than two
generations, and a roll asked for in the middle of another follows it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from fluxlit.config.settings import Sidecar
from fluxlit.supervisor.machine.commands import Promote, Raise, RolloutCommand, Withdraw
from fluxlit.supervisor.machine.table import Cells, Row, Rows, cells, find, landed, spread


class RolloutPhase(StrEnum):
    """Where a roll stands."""

    IDLE = "idle"
    RAISING = "raising"
    PROVING = "proving"
    CLEARING = "clearing"
    """It is decided; what has lost leaves."""
    HALTED = "halted"
    """The daemon ends; nothing is rolled any more."""


@dataclass(frozen=True, slots=True)
class RolloutEvent:
    """Something happened to the roll at this monotonic second."""

    at: float


@dataclass(frozen=True, slots=True)
class RollAsked(RolloutEvent):
    """All instances shall be replaced."""


@dataclass(frozen=True, slots=True)
class AllUp(RolloutEvent):
    """Every instance of the next generation is ready."""


@dataclass(frozen=True, slots=True)
class NotAllUp(RolloutEvent):
    """One that was ready is not."""


@dataclass(frozen=True, slots=True)
class Lost(RolloutEvent):
    """An instance of the next generation has ended; ``reason`` is a sentence."""

    reason: str


@dataclass(frozen=True, slots=True)
class Cleared(RolloutEvent):
    """Only one generation is left."""


@dataclass(frozen=True, slots=True)
class Halted(RolloutEvent):
    """The daemon begins to end."""


@dataclass(frozen=True, slots=True)
class DeadlinePassed(RolloutEvent):
    """The deadline of the phase has come."""


EVENTS: tuple[type[RolloutEvent], ...] = (
    RollAsked,
    AllUp,
    NotAllUp,
    Lost,
    Cleared,
    Halted,
    DeadlinePassed,
)


@dataclass(frozen=True, slots=True)
class Rollout:
    """The roll: the generation raised last, and whether another roll shall follow."""

    phase: RolloutPhase = RolloutPhase.IDLE
    target: int = 1
    deadline: float | None = None
    again: bool = False


Step: TypeAlias = tuple[Rollout, tuple[RolloutCommand, ...]]
_P = RolloutPhase


def step(rollout: Rollout, event: RolloutEvent, policy: Sidecar) -> Step:
    """The roll after ``event``, and what to do; raises ImpossibleEventError."""
    row = find(TABLE, rollout.phase, event)
    after, commands = row.rule(rollout, event, policy)
    landed(row, rollout.phase, after.phase)
    return after, commands


def _stay(rollout: Rollout, _event: RolloutEvent, _policy: Sidecar) -> Step:
    return rollout, ()


def _raise(rollout: Rollout, _event: RolloutEvent, _policy: Sidecar) -> Step:
    target = rollout.target + 1
    return Rollout(_P.RAISING, target), (Raise(target),)


def _again(rollout: Rollout, _event: RollAsked, _policy: Sidecar) -> Step:
    return replace(rollout, again=True), ()


def _prove(rollout: Rollout, event: AllUp, policy: Sidecar) -> Step:
    return replace(rollout, phase=_P.PROVING, deadline=event.at + policy.min_ready), ()


def _doubt(rollout: Rollout, _event: NotAllUp, _policy: Sidecar) -> Step:
    return replace(rollout, phase=_P.RAISING, deadline=None), ()


def _promote(rollout: Rollout, event: DeadlinePassed, policy: Sidecar) -> Step:
    after = replace(rollout, phase=_P.CLEARING, deadline=None)
    return after, (Promote(rollout.target, event.at + 2 * policy.drain),)


def _withdraw(rollout: Rollout, event: Lost, policy: Sidecar) -> Step:
    after = replace(rollout, phase=_P.CLEARING, deadline=None)
    return after, (Withdraw(rollout.target, event.reason, policy.stop_timeout),)


def _cleared(rollout: Rollout, event: Cleared, policy: Sidecar) -> Step:
    if rollout.again:
        return _raise(rollout, event, policy)
    return replace(rollout, phase=_P.IDLE), ()


def _halt(rollout: Rollout, _event: Halted, _policy: Sidecar) -> Step:
    return replace(rollout, phase=_P.HALTED, deadline=None), ()


def _row(rule: Callable[..., Step], *to: RolloutPhase) -> Row[RolloutPhase, Step]:
    return Row(rule, to)


_UNDER_WAY = (_P.RAISING, _P.PROVING)
_SERVING = (_P.IDLE, *_UNDER_WAY, _P.CLEARING)

TABLE: Rows[RolloutPhase, Step] = {
    (_P.IDLE, RollAsked): _row(_raise, _P.RAISING),
    **spread([*_UNDER_WAY, _P.CLEARING], [RollAsked], _row(_again)),
    (_P.HALTED, RollAsked): _row(_stay),
    (_P.RAISING, AllUp): _row(_prove, _P.PROVING),
    (_P.PROVING, NotAllUp): _row(_doubt, _P.RAISING),
    (_P.PROVING, DeadlinePassed): _row(_promote, _P.CLEARING),
    **spread(_UNDER_WAY, [Lost], _row(_withdraw, _P.CLEARING)),
    (_P.CLEARING, Cleared): _row(_cleared, _P.IDLE, _P.RAISING),
    **spread(_SERVING, [Halted], _row(_halt, _P.HALTED)),
}

IMPOSSIBLE: Cells[RolloutPhase] = (
    # Each of these is told in its phases alone.
    cells([_P.IDLE, _P.PROVING, _P.CLEARING, _P.HALTED], AllUp)
    | cells([_P.IDLE, _P.RAISING, _P.CLEARING, _P.HALTED], NotAllUp, DeadlinePassed)
    | cells([_P.IDLE, _P.CLEARING, _P.HALTED], Lost)
    | cells([_P.IDLE, *_UNDER_WAY, _P.HALTED], Cleared)
    | cells([_P.HALTED], Halted)
)
