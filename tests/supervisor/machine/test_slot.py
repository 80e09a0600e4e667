"""When the next instance is started, and when nobody tries again."""

from functools import reduce

from fluxlit.config.settings import Sidecar
from fluxlit.supervisor.machine import commands as ask
from fluxlit.supervisor.machine.slot import (
    DeadlinePassed,
    DownAsked,
    InstanceExited,
    KeepAsked,
    KillAsked,
    Slot,
    SlotEvent,
    SlotPhase,
    UpAsked,
    step,
)
from fluxlit.supervisor.machine.verdict import Reason, Verdict

POLICY = Sidecar()
BEGIN = ask.Begin("ui", 0, 1)
HELD_BY = Slot("ui", instance="ui-1")


def play(*events: SlotEvent, slot: Slot = HELD_BY) -> tuple[Slot, tuple[ask.SlotCommand, ...]]:
    """The slot after these events, and what the last one asked for."""
    start: tuple[Slot, tuple[ask.SlotCommand, ...]] = (slot, ())
    return reduce(lambda state, event: step(state[0], event, POLICY), events, start)


def exited(at: float, reason: Reason = Reason.EXITED, **more: float) -> InstanceExited:
    """Its instance ended; all luck, so that nominal delays show."""
    permanent = reason is Reason.EXEC_FAILED
    verdict = Verdict("ui", reason, returncode=1, permanent=permanent, **more)  # type: ignore[arg-type]
    return InstanceExited(at, verdict, luck=1.0)


def failing(times: int, every: float = 1.0) -> list[SlotEvent]:
    """Starts that fail: each exit but the last is followed by the end of its backoff."""
    events: list[SlotEvent] = [UpAsked(0.0)]
    for n in range(times):
        events += [exited(every * n), DeadlinePassed(every * n + 0.1)]
    return events[:-1]


def test_up_begins_an_instance() -> None:
    """Asked twice it begins one."""
    assert play(UpAsked(0.0)) == (
        Slot("ui", phase=SlotPhase.ACTIVE, instance="ui-1"),
        (BEGIN,),
    )
    assert play(UpAsked(0.0), UpAsked(1.0))[1] == ()


def test_failures_wait_longer_and_longer() -> None:
    """0.5 s and doubling; the delay is data for whoever holds the clock."""
    after, asked = play(*failing(3))
    assert (after.phase, after.deadline) == (SlotPhase.BACKOFF, 4.0)
    assert asked == (ask.BackOff("ui", 0, delay=2.0, failures=3),)
    assert after.restarts == 2


def test_the_fifth_failure_within_the_window_gives_up() -> None:
    """It is told once, with the verdict of the last one."""
    after, asked = play(*failing(5))
    assert after.phase is SlotPhase.HELD
    assert asked == (ask.GiveUp("ui", 0, exited(0).verdict, 5),)


def test_failures_spread_beyond_the_window_never_give_up_but_wait_longer() -> None:
    """One failure in 100 s: the delay grows to its cap, for it was never ready for long."""
    after, _ = play(*failing(40, every=100.0))
    assert (after.phase, after.streak) == (SlotPhase.BACKOFF, 40)
    assert after.deadline == 3900.0 + 30.0


def test_after_a_long_healthy_run_it_restarts_at_once() -> None:
    """Ready for min_uptime forgives all failures; this one is not counted either."""
    after, asked = play(*failing(3), DeadlinePassed(5.0), exited(99.0, ready_for=60.0))
    assert (after.phase, asked) == (SlotPhase.ACTIVE, (BEGIN,))
    assert (after.failures, after.streak) == ((), 0)


def test_alive_is_not_healthy() -> None:
    """Ready for less than min_uptime forgives nothing, however long it was up."""
    after, _ = play(UpAsked(0.0), exited(500.0, uptime=500.0, ready_for=59.9))
    assert after.phase is SlotPhase.BACKOFF


def test_a_permanent_failure_gives_up_at_once() -> None:
    """No program will not become one by waiting."""
    assert play(UpAsked(0.0), exited(0.1, Reason.EXEC_FAILED))[0].phase is SlotPhase.HELD


def test_an_asked_end_is_no_failure() -> None:
    """A recycled instance is followed at once, a hundred times if need be."""
    events: list[SlotEvent] = [exited(float(n), Reason.RECYCLED) for n in range(100)]
    after, asked = play(UpAsked(0.0), *events)
    assert (after.phase, asked, after.streak) == (SlotPhase.ACTIVE, (BEGIN,), 0)


def test_a_held_slot_tries_once_each_hold_retry() -> None:
    """One failure of the trial holds it again."""
    held, _ = play(*failing(5))
    assert held.deadline == 4.0 + 300.0
    trial, asked = play(DeadlinePassed(304.0), slot=held)
    assert (trial.phase, asked) == (SlotPhase.TRIAL, (BEGIN,))
    assert play(exited(305.0), slot=trial)[0].phase is SlotPhase.HELD


def test_a_trial_that_lasts_is_a_new_life() -> None:
    """Its end after a healthy run is like any other."""
    trial, _ = play(*failing(5), DeadlinePassed(304.0))
    after, _ = play(exited(999.0, ready_for=600.0), slot=trial)
    assert (after.phase, after.failures) == (SlotPhase.ACTIVE, ())


def test_down_stops_the_instance_and_ends_idle() -> None:
    """Nothing follows an exit that was asked for by the slot."""
    after, asked = play(UpAsked(0.0), DownAsked(1.0, 5.0, 2.0))
    assert asked == (ask.Stop("ui-1", 5.0, 2.0),)
    assert play(exited(2.0), slot=after)[0].phase is SlotPhase.IDLE


def test_down_in_a_backoff_is_over_at_once() -> None:
    """Nothing runs, so nothing is waited for."""
    after, asked = play(*failing(1), DownAsked(0.2, 5.0, 2.0))
    assert (after.phase, after.deadline, asked) == (SlotPhase.IDLE, None, ())


def test_a_kept_slot_starts_nothing_any_more() -> None:
    """What runs may run on; what waits does not come."""
    last, _ = play(UpAsked(0.0), KeepAsked(1.0))
    assert last.phase is SlotPhase.LAST
    assert play(exited(2.0), slot=last) == (
        Slot("ui", phase=SlotPhase.IDLE, since=2.0),
        (),
    )
    assert play(*failing(1), KeepAsked(0.2))[0].phase is SlotPhase.IDLE


def test_up_during_a_stop_restarts_after_it() -> None:
    """Never two at once: the new one begins when the old one has exited."""
    restarting, asked = play(UpAsked(0.0), DownAsked(1.0, 5.0, 2.0), UpAsked(2.0))
    assert (restarting.phase, asked) == (SlotPhase.RESTARTING, ())
    assert play(exited(3.0), slot=restarting)[1] == (BEGIN,)
    assert play(DownAsked(2.5, 1.0, 1.0), slot=restarting)[0].phase is SlotPhase.STOPPING


def test_kill_reaches_the_instance_in_every_living_phase() -> None:
    """Also when it is stopping already."""
    for events in ([], [KeepAsked(1.0)], [DownAsked(1.0, 5.0, 2.0)]):
        after, asked = play(UpAsked(0.0), *events, KillAsked(2.0, 1.0))
        assert (after.phase, asked) == (SlotPhase.STOPPING, (ask.Kill("ui-1", 1.0),))
