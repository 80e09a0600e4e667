"""The life of the whole daemon, from BOOT to EXITED, as a table.

The way down: LAME_DUCK (we serve on, load balancers look away), DRAINING (nothing new, what is in
flight ends), STOPPING (instances all at once, then the gateway), EXITED with a status. Each of them
has a deadline and ends sooner when there is nothing to wait for.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from fluxlit.errors import ExitStatus
from fluxlit.status import DaemonPhase
from fluxlit.supervisor.machine.commands import (
    CloseGateway,
    DaemonCommand,
    Drain,
    KeepSlots,
    KillSlots,
    LowerSlots,
    RaiseSlots,
)
from fluxlit.supervisor.machine.policy import Policy
from fluxlit.supervisor.machine.table import Cells, Row, Rows, cells, find, landed, spread

FORCING_SIGNAL = 3
"""The stop signal that is not asking any more."""
FORCED_WAIT = 1.0
"""Seconds for killed groups to vanish and be reaped before a forced exit."""


@dataclass(frozen=True, slots=True)
class DaemonEvent:
    """Something happened to the daemon at this monotonic second."""

    at: float


@dataclass(frozen=True, slots=True)
class Booted(DaemonEvent):
    """Configuration, lock and listener are there."""


@dataclass(frozen=True, slots=True)
class AllReady(DaemonEvent):
    """Every slot has a ready instance."""


@dataclass(frozen=True, slots=True)
class SomeReady(DaemonEvent):
    """Every service has a ready instance, but not every slot."""


@dataclass(frozen=True, slots=True)
class NoneReady(DaemonEvent):
    """Some service has no ready instance at all."""


@dataclass(frozen=True, slots=True)
class GaveUp(DaemonEvent):
    """No slot of a service could keep an instance alive; ``reason`` is a sentence."""

    reason: str


@dataclass(frozen=True, slots=True)
class StopAsked(DaemonEvent):
    """TERM or INT: the first asks for an orderly end, the second hurries, the third forces."""

    number: int


@dataclass(frozen=True, slots=True)
class DrainAsked(DaemonEvent):
    """Serve on, but tell load balancers to look away, until a stop is asked for."""


@dataclass(frozen=True, slots=True)
class QuitAsked(DaemonEvent):
    """QUIT: stop fast, without drain."""

    number: int


@dataclass(frozen=True, slots=True)
class Drained(DaemonEvent):
    """Nothing is in flight."""


@dataclass(frozen=True, slots=True)
class SlotsDown(DaemonEvent):
    """Every slot is empty and stays so."""


@dataclass(frozen=True, slots=True)
class GatewayClosed(DaemonEvent):
    """The public side is closed."""


@dataclass(frozen=True, slots=True)
class DeadlinePassed(DaemonEvent):
    """The deadline of the phase has come."""


EVENTS: tuple[type[DaemonEvent], ...] = (
    Booted,
    AllReady,
    SomeReady,
    NoneReady,
    GaveUp,
    StopAsked,
    DrainAsked,
    QuitAsked,
    Drained,
    SlotsDown,
    GatewayClosed,
    DeadlinePassed,
)


@dataclass(frozen=True, slots=True)
class Daemon:
    """The daemon; ``status`` is what it will exit with, ``signals`` how often it was asked to stop."""

    phase: DaemonPhase = DaemonPhase.BOOT
    since: float = 0.0
    deadline: float | None = None
    status: int = ExitStatus.OK
    reason: str | None = None
    signals: int = 0


Step: TypeAlias = tuple[Daemon, tuple[DaemonCommand, ...]]
_P = DaemonPhase


def step(daemon: Daemon, event: DaemonEvent, policy: Policy) -> Step:
    """The daemon after ``event``, and what to do; raises ImpossibleEventError."""
    row = find(TABLE, daemon.phase, event)
    after, commands = row.rule(daemon, event, policy)
    landed(row, daemon.phase, after.phase)
    return after, commands


def _enter(daemon: Daemon, phase: DaemonPhase, at: float, **changes: Any) -> Daemon:  # noqa: ANN401
    return replace(daemon, phase=phase, since=at, **{"deadline": None, **changes})


def _stay(daemon: Daemon, _event: DaemonEvent, _policy: Policy) -> Step:
    return daemon, ()


# While it serves.


def _booted(daemon: Daemon, event: Booted, _policy: Policy) -> Step:
    return _enter(daemon, _P.STARTING, event.at), (RaiseSlots(),)


def _ready(daemon: Daemon, event: AllReady, _policy: Policy) -> Step:
    return _enter(daemon, _P.READY, event.at, reason=None), ()


def _degraded(daemon: Daemon, event: SomeReady, _policy: Policy) -> Step:
    return _enter(daemon, _P.DEGRADED, event.at, reason=None), ()


def _unavailable(daemon: Daemon, event: NoneReady, _policy: Policy) -> Step:
    return _enter(daemon, _P.UNAVAILABLE, event.at), ()


def _gave_up(daemon: Daemon, event: GaveUp, policy: Policy) -> Step:
    """End with 69, so that whoever started us sees it; or stay, if that was asked for."""
    if policy.sidecar.on_give_up == "hold":
        return _enter(daemon, _P.FAILED, event.at, reason=event.reason), ()
    blamed = replace(daemon, status=ExitStatus.GAVE_UP, reason=event.reason)
    return _stop_all(blamed, event.at, policy)


# The way down.


def _stop(daemon: Daemon, event: StopAsked, policy: Policy) -> Step:
    asked = replace(daemon, signals=1)
    if policy.budget.lame_duck <= 0:
        after, commands = _drain(asked, event, policy)
        return after, (KeepSlots(), *commands)
    deadline = event.at + policy.budget.lame_duck
    return _enter(asked, _P.LAME_DUCK, event.at, deadline=deadline), (KeepSlots(),)


def _look_away(daemon: Daemon, event: DrainAsked, _policy: Policy) -> Step:
    """For any length of time, so whatever dies meanwhile is started again."""
    return _enter(daemon, _P.LAME_DUCK, event.at), ()


def _stop_duck(daemon: Daemon, event: StopAsked, policy: Policy) -> Step:
    """The first stop of a daemon that was told to drain finds load balancers looking away already."""
    if daemon.signals:
        return _hurry(daemon, event, policy)
    after, commands = _drain(replace(daemon, signals=1), event, policy)
    return after, (KeepSlots(), *commands)


def _duck_gave_up(daemon: Daemon, event: GaveUp, policy: Policy) -> Step:
    if policy.sidecar.on_give_up == "hold":
        return replace(daemon, reason=event.reason), ()
    return _gave_up(daemon, event, policy)


def _drain(daemon: Daemon, event: DaemonEvent, policy: Policy) -> Step:
    deadline = event.at + policy.budget.drain
    return _enter(daemon, _P.DRAINING, event.at, deadline=deadline), (Drain(),)


def _end(daemon: Daemon, event: DaemonEvent, policy: Policy) -> Step:
    return _stop_all(daemon, event.at, policy)


def _hurry(daemon: Daemon, event: StopAsked | QuitAsked, policy: Policy) -> Step:
    return _stop_all(replace(daemon, signals=daemon.signals + 1), event.at, policy)


def _stop_all(daemon: Daemon, at: float, policy: Policy) -> Step:
    budget = policy.budget
    after = _enter(daemon, _P.STOPPING, at, deadline=at + budget.stopping)
    return after, (LowerSlots(budget.stop, budget.kill),)


def _insist(daemon: Daemon, event: StopAsked | QuitAsked, _policy: Policy) -> Step:
    """The third signal ends everything now; the one before has nothing left to skip."""
    asked = replace(daemon, signals=daemon.signals + 1)
    if asked.signals < FORCING_SIGNAL:
        return asked, ()
    forced = replace(
        asked,
        status=128 + event.number,
        reason="forced by a third signal",
        deadline=min(daemon.deadline or event.at, event.at + FORCED_WAIT),
    )
    return forced, (KillSlots(FORCED_WAIT),)


def _slots_down(daemon: Daemon, event: SlotsDown, policy: Policy) -> Step:
    """The gateway comes after the instances, so that what they say last still reaches browsers."""
    left = (daemon.deadline or event.at) - event.at
    forced = daemon.signals >= FORCING_SIGNAL
    return daemon, (CloseGateway(0.0 if forced else max(0.0, left - policy.budget.margin / 2)),)


def _exit(daemon: Daemon, event: DaemonEvent, _policy: Policy) -> Step:
    return _enter(daemon, _P.EXITED, event.at), ()


def _row(rule: Callable[..., Step], *to: DaemonPhase) -> Row[DaemonPhase, Step]:
    return Row(rule, to)


_SERVING = (_P.STARTING, _P.READY, _P.DEGRADED, _P.UNAVAILABLE, _P.FAILED)
_WITHOUT = (_P.STARTING, _P.UNAVAILABLE, _P.FAILED)
_LEAVING = (_P.LAME_DUCK, _P.DRAINING)
_STANDINGS = (AllReady, SomeReady, NoneReady)

TABLE: Rows[DaemonPhase, Step] = {
    (_P.BOOT, Booted): _row(_booted, _P.STARTING),
    **spread([*_WITHOUT, _P.DEGRADED], [AllReady], _row(_ready, _P.READY)),
    **spread([*_WITHOUT, _P.READY], [SomeReady], _row(_degraded, _P.DEGRADED)),
    **spread([_P.READY, _P.DEGRADED], [NoneReady], _row(_unavailable, _P.UNAVAILABLE)),
    (_P.STARTING, NoneReady): _row(_stay),
    **spread([_P.STARTING, _P.UNAVAILABLE], [GaveUp], _row(_gave_up, _P.STOPPING, _P.FAILED)),
    # Others of the service still answer; the slot tries again by itself.
    **spread([_P.DEGRADED, _P.FAILED], [GaveUp], _row(_stay)),
    **spread(_SERVING, [StopAsked], _row(_stop, _P.LAME_DUCK, _P.DRAINING)),
    **spread([*_SERVING, *_LEAVING], [QuitAsked], _row(_hurry, _P.STOPPING)),
    **spread(_SERVING, [DrainAsked], _row(_look_away, _P.LAME_DUCK)),
    **spread([*_LEAVING, _P.STOPPING], [DrainAsked], _row(_stay)),
    (_P.LAME_DUCK, GaveUp): _row(_duck_gave_up, _P.STOPPING),
    (_P.LAME_DUCK, StopAsked): _row(_stop_duck, _P.DRAINING, _P.STOPPING),
    (_P.DRAINING, StopAsked): _row(_hurry, _P.STOPPING),
    **spread(_LEAVING, _STANDINGS, _row(_stay)),
    (_P.LAME_DUCK, DeadlinePassed): _row(_drain, _P.DRAINING),
    **spread([_P.DRAINING], [Drained, DeadlinePassed], _row(_end, _P.STOPPING)),
    **spread([_P.STOPPING], [StopAsked, QuitAsked], _row(_insist)),
    # Told just before the drain was cut short.
    (_P.STOPPING, Drained): _row(_stay),
    (_P.STOPPING, NoneReady): _row(_stay),
    (_P.STOPPING, SlotsDown): _row(_slots_down),
    **spread([_P.STOPPING], [GatewayClosed, DeadlinePassed], _row(_exit, _P.EXITED)),
}

IMPOSSIBLE: Cells[DaemonPhase] = (
    cells([_P.BOOT], *_STANDINGS, GaveUp, StopAsked, DrainAsked, QuitAsked, Drained)
    | cells([_P.BOOT, *_SERVING], SlotsDown, GatewayClosed, DeadlinePassed)
    | cells([*_SERVING, *_LEAVING, _P.STOPPING], Booted)
    | cells([*_SERVING, _P.LAME_DUCK], Drained)
    # Only changes are told.
    | cells([_P.READY], AllReady)
    | cells([_P.DEGRADED], SomeReady)
    | cells([_P.UNAVAILABLE, _P.FAILED], NoneReady)
    # A slot that gives up had no ready instance, so not all can be ready.
    | cells([_P.READY], GaveUp)
    | cells(_LEAVING, SlotsDown, GatewayClosed)
    # A slot that starts nothing any more has nothing to give up.
    | cells([_P.DRAINING, _P.STOPPING], GaveUp)
    | cells([_P.STOPPING], AllReady, SomeReady)
    | cells([_P.EXITED], *EVENTS)
)
