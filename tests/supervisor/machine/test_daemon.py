"""The life of the whole daemon: up, down, and how many signals it takes."""

from functools import reduce

import pytest

from fluxlit.config.settings import Settings, Shutdown, Sidecar
from fluxlit.errors import ExitStatus, ImpossibleEventError
from fluxlit.status import DaemonPhase
from fluxlit.supervisor.machine import commands as ask
from fluxlit.supervisor.machine.daemon import (
    AllReady,
    Booted,
    Daemon,
    DaemonEvent,
    DeadlinePassed,
    DrainAsked,
    Drained,
    GatewayClosed,
    GaveUp,
    NoneReady,
    QuitAsked,
    SlotsDown,
    SomeReady,
    StopAsked,
    step,
)
from fluxlit.supervisor.machine.policy import Policy, policy_of

POLICY = policy_of(Settings())
PATIENT = policy_of(Settings(shutdown=Shutdown(total=30.0, lame_duck=8.0)))
HOLDING = policy_of(Settings(sidecar=Sidecar(on_give_up="hold")))
UP = (Booted(0.0), AllReady(2.0))
TERM = 15


def play(
    *events: DaemonEvent, policy: Policy = POLICY
) -> tuple[Daemon, tuple[ask.DaemonCommand, ...]]:
    """The daemon after these events, and what the last one asked for."""
    start: tuple[Daemon, tuple[ask.DaemonCommand, ...]] = (Daemon(), ())
    return reduce(lambda state, event: step(state[0], event, policy), events, start)


def test_booting_raises_the_slots() -> None:
    """From then on it is starting, until something is ready."""
    assert play(Booted(0.0)) == (Daemon(DaemonPhase.STARTING), (ask.RaiseSlots(),))


@pytest.mark.parametrize(
    ("events", "phase"),
    [
        ([], DaemonPhase.READY),
        ([SomeReady(3.0)], DaemonPhase.DEGRADED),
        ([NoneReady(3.0)], DaemonPhase.UNAVAILABLE),
        ([NoneReady(3.0), SomeReady(4.0)], DaemonPhase.DEGRADED),
        ([SomeReady(3.0), AllReady(4.0)], DaemonPhase.READY),
        ([NoneReady(3.0), AllReady(4.0)], DaemonPhase.READY),
    ],
)
def test_it_follows_what_is_ready(events: list[DaemonEvent], phase: DaemonPhase) -> None:
    """READY with all, DEGRADED with some, UNAVAILABLE with none."""
    assert play(*UP, *events)[0].phase is phase


def test_giving_up_ends_with_69_and_the_reason() -> None:
    """Everything is stopped in order first."""
    after, asked = play(Booted(0.0), GaveUp(9.0, "ui exited with status 1"))
    assert (after.phase, after.status) == (DaemonPhase.STOPPING, ExitStatus.GAVE_UP)
    assert after.reason == "ui exited with status 1"
    assert asked == (ask.LowerSlots(5.0, 2.0),)


def test_giving_up_may_also_mean_to_hold() -> None:
    """It stays, failed, until an instance is ready after all."""
    failed = (Booted(0.0), GaveUp(9.0, "ui exited"))
    assert play(*failed, policy=HOLDING)[0].phase is DaemonPhase.FAILED
    healed, _ = play(*failed, AllReady(99.0), policy=HOLDING)
    assert (healed.phase, healed.reason) == (DaemonPhase.READY, None)


def test_one_of_several_may_be_given_up() -> None:
    """Others still answer."""
    assert play(*UP, SomeReady(3.0), GaveUp(4.0, ""))[0].phase is DaemonPhase.DEGRADED


def test_without_a_lame_duck_the_drain_begins_at_once() -> None:
    """No fixed time is slept; nothing is started any more."""
    after, asked = play(*UP, StopAsked(10.0, TERM))
    assert (after.phase, after.deadline) == (DaemonPhase.DRAINING, 25.5)
    assert asked == (ask.KeepSlots(), ask.Drain())


def test_a_lame_duck_serves_on_until_its_deadline() -> None:
    """Then the drain follows."""
    after, asked = play(*UP, StopAsked(10.0, TERM), policy=PATIENT)
    assert (after.phase, after.deadline) == (DaemonPhase.LAME_DUCK, 18.0)
    assert asked == (ask.KeepSlots(),)
    after, asked = play(*UP, StopAsked(10.0, TERM), DeadlinePassed(18.0), policy=PATIENT)
    assert (after.phase, asked) == (DaemonPhase.DRAINING, (ask.Drain(),))


@pytest.mark.parametrize("end", [Drained(11.0), DeadlinePassed(25.5), StopAsked(11.0, TERM)])
def test_the_drain_ends_when_empty_late_or_hurried(end: DaemonEvent) -> None:
    """Then all instances stop at the same time."""
    after, asked = play(*UP, StopAsked(10.0, TERM), end)
    assert after.phase is DaemonPhase.STOPPING
    assert asked == (ask.LowerSlots(5.0, 2.0),)
    assert after.deadline == end.at + 9.5


def test_the_second_signal_skips_the_lame_duck_and_the_drain() -> None:
    """Straight to stopping."""
    after, _ = play(*UP, StopAsked(10.0, TERM), StopAsked(10.1, TERM), policy=PATIENT)
    assert after.phase is DaemonPhase.STOPPING


def test_the_third_signal_kills_and_sets_the_status() -> None:
    """128 + n, within a second."""
    signals = [StopAsked(10.0 + n / 10, 2) for n in range(3)]
    after, asked = play(*UP, *signals)
    assert asked == (ask.KillSlots(1.0),)
    assert after.status == 130
    assert after.deadline == pytest.approx(11.2)


def test_a_daemon_told_to_drain_serves_on_without_end() -> None:
    """Load balancers look away; nothing is stopped, nothing is forbidden to start, no deadline runs."""
    after, asked = play(*UP, DrainAsked(10.0))
    assert (after.phase, after.deadline, asked) == (DaemonPhase.LAME_DUCK, None, ())
    again, asked = play(*UP, DrainAsked(10.0), NoneReady(11.0), AllReady(12.0), DrainAsked(13.0))
    assert (again, asked) == (after, ())


def test_a_stop_after_drain_is_the_first_one() -> None:
    """It drains what is in flight without another lame duck; the next one hurries."""
    stopped = (*UP, DrainAsked(10.0), StopAsked(20.0, TERM))
    after, asked = play(*stopped, policy=PATIENT)
    assert (after.phase, after.signals) == (DaemonPhase.DRAINING, 1)
    assert asked == (ask.KeepSlots(), ask.Drain())
    assert play(*stopped, StopAsked(21.0, TERM))[0].phase is DaemonPhase.STOPPING


def test_giving_up_while_told_to_drain() -> None:
    """Ends with 69, or holds on draining."""
    given_up = (*UP, DrainAsked(10.0), GaveUp(30.0, "ui exited"))
    after, _ = play(*given_up)
    assert (after.phase, after.status) == (DaemonPhase.STOPPING, ExitStatus.GAVE_UP)
    held, _ = play(*given_up, policy=HOLDING)
    assert (held.phase, held.reason) == (DaemonPhase.LAME_DUCK, "ui exited")


def test_quit_does_not_drain() -> None:
    """A fast stop, and still in order."""
    after, asked = play(*UP, QuitAsked(10.0, 3))
    assert (after.phase, asked) == (DaemonPhase.STOPPING, (ask.LowerSlots(5.0, 2.0),))
    assert after.status == ExitStatus.OK


def test_the_gateway_closes_after_the_instances() -> None:
    """With what is left of the time, less half of the margin; then it is over."""
    stopping = (*UP, StopAsked(10.0, TERM), Drained(10.0), SlotsDown(11.0))
    assert play(*stopping)[1] == (ask.CloseGateway(8.5 - 1.25),)
    after, _ = play(*stopping, GatewayClosed(11.1))
    assert (after.phase, after.status) == (DaemonPhase.EXITED, ExitStatus.OK)


def test_a_gateway_that_never_closes_is_not_waited_for() -> None:
    """The deadline of the stop is the end."""
    stopping = (*UP, StopAsked(10.0, TERM), Drained(10.0), SlotsDown(11.0))
    assert play(*stopping, DeadlinePassed(19.5))[0].phase is DaemonPhase.EXITED


def test_the_whole_way_down_fits_into_the_total() -> None:
    """Every deadline run to its end gives the total exactly."""
    after, _ = play(*UP, StopAsked(10.0, TERM), DeadlinePassed(18.0), policy=PATIENT)
    drained = after.deadline or 0.0
    after, _ = step(after, DeadlinePassed(drained), PATIENT)
    assert after.deadline == 40.0


def test_a_signal_after_giving_up_does_not_hide_it() -> None:
    """The status stays 69 unless a third signal forces."""
    given_up = (Booted(0.0), GaveUp(9.0, "ui exited"))
    assert play(*given_up, StopAsked(9.1, TERM))[0].status == ExitStatus.GAVE_UP


def test_an_exited_daemon_is_not_told_anything() -> None:
    """A bug of ours if it is."""
    with pytest.raises(ImpossibleEventError):
        step(Daemon(DaemonPhase.EXITED), StopAsked(1.0, TERM), POLICY)
