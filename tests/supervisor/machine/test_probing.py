"""What probes mean: thresholds, our own faults, and hung against busy."""

from fluxlit.config.settings import Sidecar
from fluxlit.supervisor.machine.probing import (
    Activity,
    Finding,
    Health,
    Outcome,
    Turn,
    judge_liveness,
    judge_readiness,
    startup_delay,
)

POLICY = Sidecar()
PASSED = Finding(Outcome.PASSED)
FAILED = Finding(Outcome.FAILED, "no answer", Activity("S", 0))
UNKNOWN = Finding(Outcome.UNKNOWN, "no file descriptors left")


def turns(*findings: Finding) -> list[Turn]:
    """The turn after each readiness probe."""
    health, seen = Health(), list[Turn]()
    for finding in findings:
        health, turn = judge_readiness(health, finding, POLICY)
        seen.append(turn)
    return seen


def verdicts(*probes: tuple[float, Finding], policy: Sidecar = POLICY) -> list[str | None]:
    """The verdict after each liveness probe, given as moment and finding."""
    health, seen = Health(), list[str | None]()
    for at, finding in probes:
        health, hung = judge_liveness(health, finding, at, policy)
        seen.append(hung)
    return seen


def test_three_failures_in_a_row_make_it_unready() -> None:
    """A pass in between starts the count anew."""
    assert turns(FAILED, FAILED, PASSED, FAILED, FAILED)[3:] == [Turn.STAY, Turn.STAY]
    assert turns(FAILED, FAILED, FAILED)[-1] is Turn.TO_UNREADY


def test_two_passes_in_a_row_make_it_ready_again() -> None:
    """One pass after failures proves too little."""
    assert turns(FAILED, FAILED, FAILED, PASSED, PASSED)[3:] == [Turn.STAY, Turn.TO_READY]


def test_our_own_fault_counts_neither_way() -> None:
    """UNKNOWN neither breaks a row of failures nor adds to it."""
    assert turns(FAILED, UNKNOWN, FAILED, UNKNOWN) == [Turn.STAY] * 4
    assert turns(FAILED, UNKNOWN, FAILED, UNKNOWN, FAILED)[-1] is Turn.TO_UNREADY


def test_a_stopped_process_is_unready_at_its_first_failure() -> None:
    """State T cannot get better by itself."""
    stopped = Finding(Outcome.FAILED, "no answer", Activity("ST", 0))
    assert turns(stopped) == [Turn.TO_UNREADY]


def test_an_idle_process_is_hung_after_its_failures() -> None:
    """Six failures in a row with flat CPU time: a deadlock."""
    seen = verdicts(*((10.0 * n, FAILED) for n in range(6)))
    assert seen == [None] * 5 + ["no answer and no CPU time used"]


def test_a_pass_forgives_all_failures() -> None:
    """Liveness counts in a row only."""
    probes = [FAILED] * 5 + [PASSED] + [FAILED] * 5
    assert verdicts(*((10.0 * n, probe) for n, probe in enumerate(probes))) == [None] * 11


def test_a_busy_process_gets_patience_but_not_for_ever() -> None:
    """While CPU time rises it may be a long computation: 120 s after the first failure it is not."""
    busy = [(10.0 * n, Finding(Outcome.FAILED, "", Activity("R", 900 * n))) for n in range(14)]
    seen = verdicts(*busy)
    assert seen[:12] == [None] * 12
    assert seen[12] == "no answer for 120 s"


def test_a_stopped_process_gets_no_patience() -> None:
    """SIGSTOP is seen as such whatever CPU time it used before."""
    stopped = [(10.0 * n, Finding(Outcome.FAILED, "", Activity("T", 900 * n))) for n in range(6)]
    assert verdicts(*stopped)[-1] == "its process is stopped (state T)"


def test_unknown_liveness_is_discarded() -> None:
    """A daemon without descriptors kills nobody."""
    assert verdicts(*((10.0 * n, UNKNOWN) for n in range(50))) == [None] * 50


def test_one_sample_of_cpu_time_is_not_enough() -> None:
    """With a limit of one failure the second probe decides, for one sample shows no rise."""
    policy = Sidecar(liveness_failures=1)
    assert verdicts((0.0, FAILED), (10.0, FAILED), policy=policy)[0] is None
    assert verdicts((0.0, FAILED), (10.0, FAILED), policy=policy)[1] is not None


def test_startup_polls_slow_down_to_a_second() -> None:
    """From 0.1 s to 1 s, and never beyond however long it takes."""
    delays = [startup_delay(n, POLICY) for n in range(1, 200)]
    assert delays == sorted(delays)
    assert delays[0] < 0.2
    assert delays[-1] == 1.0
