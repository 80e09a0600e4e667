"""The life of one place for an instance: when the next one is started, and when nobody tries again.

At most one instance lives in a slot; the next is begun only after the last has exited.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeAlias

from fluxlit.config.settings import Sidecar
from fluxlit.supervisor.machine import backoff
from fluxlit.supervisor.machine.commands import BackOff, Begin, GiveUp, Kill, SlotCommand, Stop
from fluxlit.supervisor.machine.table import Cells, Row, Rows, cells, find, landed, spread
from fluxlit.supervisor.machine.verdict import Verdict


class SlotPhase(StrEnum):
    """What a slot is about."""

    IDLE = "idle"
    ACTIVE = "active"
    BACKOFF = "backoff"
    HELD = "held"
    TRIAL = "trial"
    """One more try after giving up; its failure leads straight back to HELD."""
    LAST = "last"
    """What runs may run on, but nothing follows it."""
    STOPPING = "stopping"
    RESTARTING = "restarting"
    """Stopping, and wanted up again since."""


@dataclass(frozen=True, slots=True)
class SlotEvent:
    """Something happened to a slot at this monotonic second."""

    at: float


@dataclass(frozen=True, slots=True)
class UpAsked(SlotEvent):
    """It shall hold a running instance; failures are forgotten."""


@dataclass(frozen=True, slots=True)
class KeepAsked(SlotEvent):
    """It shall start nothing any more."""


@dataclass(frozen=True, slots=True)
class DownAsked(SlotEvent):
    """It shall be empty; its instance gets ``grace`` seconds until KILL."""

    grace: float
    kill_wait: float


@dataclass(frozen=True, slots=True)
class KillAsked(SlotEvent):
    """It shall be empty at once."""

    kill_wait: float


@dataclass(frozen=True, slots=True)
class InstanceExited(SlotEvent):
    """Its instance is over; ``luck`` (from 0 up to 1) draws the jitter."""

    verdict: Verdict
    luck: float


@dataclass(frozen=True, slots=True)
class DeadlinePassed(SlotEvent):
    """Its deadline has come."""


EVENTS: tuple[type[SlotEvent], ...] = (
    UpAsked,
    KeepAsked,
    DownAsked,
    KillAsked,
    InstanceExited,
    DeadlinePassed,
)


@dataclass(frozen=True, slots=True)
class Slot:
    """One place; ``failures`` are the moments inside the window, ``streak`` counts those in a row."""

    service: str
    index: int = 0
    generation: int = 1
    phase: SlotPhase = SlotPhase.IDLE
    since: float = 0.0
    deadline: float | None = None
    instance: str | None = None
    failures: tuple[float, ...] = ()
    streak: int = 0
    restarts: int = 0
    last_failure: str | None = None


Step: TypeAlias = tuple[Slot, tuple[SlotCommand, ...]]
_P = SlotPhase


def step(slot: Slot, event: SlotEvent, policy: Sidecar) -> Step:
    """The slot after ``event``, and what to do; raises ImpossibleEventError."""
    row = find(TABLE, slot.phase, event)
    after, commands = row.rule(slot, event, policy)
    landed(row, slot.phase, after.phase)
    return after, commands


def _enter(slot: Slot, phase: SlotPhase, at: float, **changes: Any) -> Slot:  # noqa: ANN401
    return replace(slot, phase=phase, since=at, **{"deadline": None, **changes})


def _stay(slot: Slot, _event: SlotEvent, _policy: Sidecar) -> Step:
    return slot, ()


def _begin(slot: Slot, phase: SlotPhase, at: float, **changes: Any) -> Step:  # noqa: ANN401
    return _enter(slot, phase, at, **changes), (Begin(slot.service, slot.index, slot.generation),)


def _again(slot: Slot, phase: SlotPhase, at: float, **changes: Any) -> Step:  # noqa: ANN401
    return _begin(slot, phase, at, restarts=slot.restarts + 1, **changes)


def _up(slot: Slot, event: UpAsked, _policy: Sidecar) -> Step:
    return _begin(slot, _P.ACTIVE, event.at, failures=(), streak=0)


def _idle(slot: Slot, event: SlotEvent, _policy: Sidecar) -> Step:
    return _enter(slot, _P.IDLE, event.at), ()


def _keep(slot: Slot, event: KeepAsked, _policy: Sidecar) -> Step:
    return _enter(slot, _P.LAST, event.at), ()


def _resume(slot: Slot, event: UpAsked, _policy: Sidecar) -> Step:
    return _enter(slot, _P.ACTIVE, event.at), ()


def _down(slot: Slot, event: DownAsked, _policy: Sidecar) -> Step:
    return _enter(slot, _P.STOPPING, event.at), _stop(slot, event)


def _stop(slot: Slot, event: DownAsked) -> tuple[SlotCommand, ...]:
    return (Stop(slot.instance, event.grace, event.kill_wait),) if slot.instance else ()


def _kill(slot: Slot, event: KillAsked, _policy: Sidecar) -> Step:
    commands = (Kill(slot.instance, event.kill_wait),) if slot.instance else ()
    return _enter(slot, _P.STOPPING, event.at), commands


def _restart(slot: Slot, event: UpAsked, _policy: Sidecar) -> Step:
    return _enter(slot, _P.RESTARTING, event.at), ()


def _no_restart(slot: Slot, event: KeepAsked, _policy: Sidecar) -> Step:
    return _enter(slot, _P.STOPPING, event.at), ()


def _emptied(slot: Slot, event: InstanceExited, _policy: Sidecar) -> Step:
    return _enter(slot, _P.IDLE, event.at, instance=None), ()


def _restarted(slot: Slot, event: InstanceExited, _policy: Sidecar) -> Step:
    return _again(slot, _P.ACTIVE, event.at, instance=None, failures=(), streak=0)


def _retry(slot: Slot, event: DeadlinePassed, _policy: Sidecar) -> Step:
    return _again(slot, _P.ACTIVE, event.at)


def _try_once(slot: Slot, event: DeadlinePassed, _policy: Sidecar) -> Step:
    return _again(slot, _P.TRIAL, event.at)


def _exited(slot: Slot, event: InstanceExited, policy: Sidecar) -> Step:
    """The next one at once when it was asked for or long ready; else after a delay, or not at all."""
    verdict = event.verdict
    if verdict.wanted:
        return _again(slot, _P.ACTIVE, event.at, instance=None)
    failed = replace(slot, instance=None, last_failure=str(verdict))
    if verdict.ready_for >= policy.min_uptime:
        return _again(failed, _P.ACTIVE, event.at, failures=(), streak=0)
    counted = replace(
        failed,
        failures=(*backoff.within(slot.failures, event.at, policy.start_window), event.at),
        streak=slot.streak + 1,
    )
    if _hopeless(counted, verdict, policy):
        return _hold(counted, event, policy)
    delay = backoff.delay(counted.streak, event.luck, policy)
    waiting = BackOff(slot.service, slot.index, delay, counted.streak)
    return _enter(counted, _P.BACKOFF, event.at, deadline=event.at + delay), (waiting,)


def _hopeless(slot: Slot, verdict: Verdict, policy: Sidecar) -> bool:
    if verdict.permanent or slot.phase is _P.TRIAL:
        return True
    return len(slot.failures) >= policy.start_limit


def _hold(slot: Slot, event: InstanceExited, policy: Sidecar) -> Step:
    # The daemon decides what giving up means; if it lives on, the slot tries again by itself.
    given_up = GiveUp(slot.service, slot.index, event.verdict, slot.streak)
    return _enter(slot, _P.HELD, event.at, deadline=event.at + policy.hold_retry), (given_up,)


def _row(rule: Callable[..., Step], *to: SlotPhase) -> Row[SlotPhase, Step]:
    return Row(rule, to)


_TRYING = (_P.ACTIVE, _P.TRIAL)
_WAITING = (_P.BACKOFF, _P.HELD)

TABLE: Rows[SlotPhase, Step] = {
    **spread([_P.IDLE, *_WAITING], [UpAsked], _row(_up, _P.ACTIVE)),
    **spread([_P.IDLE], [KeepAsked, DownAsked, KillAsked], _row(_stay)),
    **spread(_TRYING, [InstanceExited], _row(_exited, _P.ACTIVE, _P.BACKOFF, _P.HELD)),
    **spread(_TRYING, [UpAsked], _row(_stay)),
    **spread(_TRYING, [KeepAsked], _row(_keep, _P.LAST)),
    **spread([*_TRYING, _P.LAST, _P.RESTARTING], [DownAsked], _row(_down, _P.STOPPING)),
    **spread([*_TRYING, _P.LAST, _P.RESTARTING], [KillAsked], _row(_kill, _P.STOPPING)),
    (_P.BACKOFF, DeadlinePassed): _row(_retry, _P.ACTIVE),
    (_P.HELD, DeadlinePassed): _row(_try_once, _P.TRIAL),
    **spread(_WAITING, [KeepAsked, DownAsked, KillAsked], _row(_idle, _P.IDLE)),
    (_P.LAST, KeepAsked): _row(_stay),
    (_P.LAST, UpAsked): _row(_resume, _P.ACTIVE),
    **spread([_P.LAST, _P.STOPPING], [InstanceExited], _row(_emptied, _P.IDLE)),
    (_P.STOPPING, UpAsked): _row(_restart, _P.RESTARTING),
    (_P.STOPPING, KeepAsked): _row(_stay),
    (_P.STOPPING, DownAsked): _row(_down),
    (_P.STOPPING, KillAsked): _row(_kill),
    (_P.RESTARTING, UpAsked): _row(_stay),
    (_P.RESTARTING, KeepAsked): _row(_no_restart, _P.STOPPING),
    (_P.RESTARTING, InstanceExited): _row(_restarted, _P.ACTIVE),
}

IMPOSSIBLE: Cells[SlotPhase] = (
    cells([_P.IDLE, *_WAITING], InstanceExited)
    # Only those who wait have a deadline.
    | cells([_P.IDLE, *_TRYING, _P.LAST, _P.STOPPING, _P.RESTARTING], DeadlinePassed)
)
