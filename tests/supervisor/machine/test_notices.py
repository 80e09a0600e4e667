"""What a service manager is told, and in which order."""

from fluxlit.status import DaemonPhase, InstancePhase, InstanceStatus, Snapshot
from fluxlit.supervisor.machine.notices import Notices, describe, step


def seen(phase: DaemonPhase, **more: object) -> Snapshot:
    """A snapshot in a phase."""
    return Snapshot(daemon=phase, **more)  # type: ignore[arg-type]


def told(*life: tuple[float, DaemonPhase], watchdog: float | None = None) -> list[str]:
    """Everything told in a life of (moment, phase)."""
    notices, messages = Notices(), list[str]()
    for at, phase in life:
        notices, now = step(notices, seen(phase), at, watchdog)
        messages += now
    return messages


def names(messages: list[str]) -> list[list[str]]:
    """The names of the assignments of each datagram."""
    return [[line.partition("=")[0] for line in message.splitlines()] for message in messages]


def test_a_whole_life_in_order() -> None:
    """STATUS, READY once, STOPPING once with the first phase of the way down."""
    life = [
        (0.0, DaemonPhase.BOOT),
        (0.1, DaemonPhase.STARTING),
        (1.0, DaemonPhase.READY),
        (2.0, DaemonPhase.UNAVAILABLE),
        (3.0, DaemonPhase.READY),
        (4.0, DaemonPhase.LAME_DUCK),
        (5.0, DaemonPhase.DRAINING),
        (6.0, DaemonPhase.STOPPING),
    ]
    assert names(told(*life)) == [
        ["STATUS"],
        ["STATUS"],
        ["READY", "STATUS"],
        ["STATUS"],
        ["STATUS"],
        ["STOPPING", "STATUS"],
        ["STATUS"],
        ["STATUS"],
    ]


def test_the_same_again_is_not_told() -> None:
    """A change of the board that changes nothing for the manager is silent."""
    assert len(told((0.0, DaemonPhase.READY), (1.0, DaemonPhase.READY))) == 1


def test_a_long_start_and_a_long_stop_ask_for_time() -> None:
    """Every five seconds, and never while it is up."""
    up, down = DaemonPhase.STARTING, DaemonPhase.DRAINING
    start = told((0.0, up), (4.9, up), (5.0, up), (10.0, up))
    assert names(start) == [["STATUS"], ["EXTEND_TIMEOUT_USEC"], ["EXTEND_TIMEOUT_USEC"]]
    assert start[1] == "EXTEND_TIMEOUT_USEC=15000000"
    ready = (11.0, DaemonPhase.READY)
    assert names(told(ready, (100.0, DaemonPhase.READY))) == [["READY", "STATUS"]]
    assert names(told(ready, (20.0, down), (24.0, down), (25.0, down)))[1:] == [
        ["STOPPING", "STATUS"],
        ["EXTEND_TIMEOUT_USEC"],
    ]


def test_the_watchdog_is_told_at_half_its_time() -> None:
    """At once, then whenever half has passed; the next moment is known."""
    notices, messages = step(Notices(), seen(DaemonPhase.READY), 10.0, 4.0)
    assert messages[-1] == "WATCHDOG=1"
    assert notices.due == 12.0
    assert step(notices, seen(DaemonPhase.READY), 11.9, 4.0)[1] == ()
    assert step(notices, seen(DaemonPhase.READY), 12.0, 4.0)[1] == ("WATCHDOG=1",)


def test_without_a_watchdog_an_idle_daemon_is_never_woken() -> None:
    """Nothing is due while it is up."""
    assert step(Notices(), seen(DaemonPhase.READY), 10.0, None)[0].due is None


def test_a_status_is_one_line() -> None:
    """A line break in the last failure cannot become an assignment of its own."""
    instance = InstanceStatus("ui-1", "ui", 0, 1, InstancePhase.READY, 0.0)
    snapshot = seen(DaemonPhase.DEGRADED, last_failure="died\nREADY=1", instances=(instance,))
    assert describe(snapshot) == "degraded, 1 of 1 instances ready; died READY=1"
