"""How an instance comes up, and between READY and UNREADY: events in, commands out."""

from signal import SIGTERM

from fluxlit.status import InstancePhase
from fluxlit.supervisor.machine import commands as ask
from fluxlit.supervisor.machine.events import (
    DeadlinePassed,
    GroupGone,
    LeaderExited,
    LivenessProbed,
    ReadinessProbed,
    RetireAsked,
    SpawnAsked,
    SpawnRefused,
    StartupProbed,
)
from fluxlit.supervisor.machine.probing import Finding, Outcome, ProbeKind
from fluxlit.supervisor.machine.verdict import Reason
from tests.supervisor.machine.scenarios import (
    BORN,
    ENDPOINT,
    FAILED,
    ID,
    PASSED,
    READY,
    STOPPED,
    UNREADY,
    ended,
    play,
)


def test_it_is_probed_until_it_answers_or_its_time_is_over() -> None:
    """A start-up probe comes at once, and the deadline is start_timeout."""
    after, asked = play(*BORN)
    assert (after.phase, after.deadline) == (InstancePhase.STARTING, 60.0)
    assert asked == (ask.Probe(ID, ProbeKind.STARTUP, 0.1),)


def test_a_failed_startup_probe_is_followed_by_another() -> None:
    """Failures and our own faults alike: start-up has a deadline, not a count."""
    unknown = Finding(Outcome.UNKNOWN)
    after, asked = play(*BORN, StartupProbed(0.2, ID, FAILED), StartupProbed(0.4, ID, unknown))
    assert after.phase is InstancePhase.STARTING
    assert asked == (ask.Probe(ID, ProbeKind.STARTUP, 0.4 + 0.1 * 1.5**2),)


def test_the_first_pass_publishes_it_with_its_endpoint() -> None:
    """From then on readiness and liveness are probed."""
    after, asked = play(*READY)
    assert (after.phase, after.endpoint) == (InstancePhase.READY, ENDPOINT)
    assert asked == (
        ask.Publish(ID, 2.0),
        ask.Probe(ID, ProbeKind.READINESS, 3.0),
        ask.Probe(ID, ProbeKind.LIVENESS, 12.0),
    )


def test_a_start_that_takes_too_long_is_ended_with_evidence() -> None:
    """The verdict keeps what the last probe said."""
    late = (*BORN, StartupProbed(0.2, ID, FAILED), DeadlinePassed(60.0, ID))
    assert play(*late)[1] == (
        ask.Evidence(ID, Reason.START_TIMEOUT, "no answer"),
        ask.Signal(ID, SIGTERM),
    )
    verdict = ended(*late, LeaderExited(60.1, ID, 0), GroupGone(60.1, ID))
    assert (verdict.reason, verdict.detail) == (Reason.START_TIMEOUT, "no answer")


def test_probes_keep_their_rhythm_from_start_to_start() -> None:
    """A probe that took 0.4 s is followed 1 s after it began, a slow one at once."""
    quick = play(*READY, ReadinessProbed(3.4, ID, PASSED, 3.0))[1]
    slow = play(*READY, ReadinessProbed(5.0, ID, FAILED, 3.0))[1]
    assert quick == (ask.Probe(ID, ProbeKind.READINESS, 4.0),)
    assert slow == (ask.Probe(ID, ProbeKind.READINESS, 5.0),)


def test_a_stopped_process_is_withdrawn_at_once() -> None:
    """One failure with state T is enough; it is probed on."""
    after, asked = play(*UNREADY)
    assert after.phase is InstancePhase.UNREADY
    assert asked == (ask.Unpublish(ID, "no answer"), ask.Probe(ID, ProbeKind.READINESS, 4.0))


def test_it_is_published_again_after_two_passes() -> None:
    """The endpoint is the same; the seconds are those it was away."""
    back = [ReadinessProbed(at, ID, PASSED, at) for at in (4.0, 5.0)]
    after, asked = play(*UNREADY, *back)
    assert after.phase is InstancePhase.READY
    assert asked[0] == ask.Publish(ID, 2.0)


def test_a_hang_is_withdrawn_recorded_and_ended() -> None:
    """Six liveness failures of a stopped process, while readiness has not said a word."""
    probes = [LivenessProbed(12.0 + 10 * n, ID, STOPPED, 12.0 + 10 * n) for n in range(6)]
    after, asked = play(*READY, *probes)
    assert after.phase is InstancePhase.STOPPING
    why = "its process is stopped (state T)"
    assert asked == (
        ask.Evidence(ID, Reason.HUNG, why),
        ask.Unpublish(ID, why),
        ask.Signal(ID, SIGTERM),
    )


def test_a_refused_spawn_ends_it_without_a_process_to_reap() -> None:
    """Short of resources is not permanent."""
    events = (SpawnAsked(0.0, ID), SpawnRefused(0.0, ID, "too many files", permanent=False))
    assert [type(command) for command in play(*events)[1]] == [ask.Report]
    assert ended(*events).reason is Reason.SPAWN_FAILED


def test_a_retired_one_gets_no_new_users_and_its_end_is_no_failure() -> None:
    """It is withdrawn, may finish until the deadline, and is then stopped."""
    retired = (*READY, RetireAsked(5.0, ID, until=30.0))
    assert play(*retired)[1] == (ask.Unpublish(ID, ""),)
    asked = play(*retired, DeadlinePassed(30.0, ID))[1]
    assert asked == (ask.Signal(ID, SIGTERM),)
    assert ended(*retired, LeaderExited(9.0, ID, 1), GroupGone(9.0, ID)).wanted
