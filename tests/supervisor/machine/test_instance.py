"""The life of one process, as scenarios: events in, commands out."""

from functools import reduce
from signal import SIGKILL, SIGTERM

import pytest

from fluxlit.config.settings import Sidecar
from fluxlit.errors import ImpossibleEventError
from fluxlit.status import Endpoint, InstancePhase
from fluxlit.supervisor.machine import commands as ask
from fluxlit.supervisor.machine.events import (
    DeadlinePassed,
    GroupGone,
    InstanceEvent,
    KillAsked,
    LeaderExited,
    LivenessProbed,
    ReadinessProbed,
    RetireAsked,
    SpawnAsked,
    Spawned,
    SpawnRefused,
    StartupProbed,
    StopAsked,
)
from fluxlit.supervisor.machine.instance import step
from fluxlit.supervisor.machine.lives import Instance
from fluxlit.supervisor.machine.probing import Activity, Finding, Outcome, ProbeKind
from fluxlit.supervisor.machine.verdict import Reason, Verdict

POLICY = Sidecar()
ID = "ui-1"
ENDPOINT = Endpoint("127.0.0.1", 4711)
PASSED = Finding(Outcome.PASSED)
FAILED = Finding(Outcome.FAILED, "no answer")
STOPPED = Finding(Outcome.FAILED, "no answer", Activity("T"))

BORN = (SpawnAsked(0.0, ID), Spawned(0.0, ID, 7))
READY = (*BORN, StartupProbed(2.0, ID, PASSED, ENDPOINT))
UNREADY = (*READY, ReadinessProbed(3.0, ID, STOPPED, 3.0))


def live(*events: InstanceEvent) -> Instance:
    """An instance after these events."""
    return play(*events)[0]


def play(*events: InstanceEvent) -> tuple[Instance, tuple[ask.InstanceCommand, ...]]:
    """The instance after these events, and what the last one asked for."""
    start: tuple[Instance, tuple[ask.InstanceCommand, ...]] = (Instance(ID, "ui"), ())
    return reduce(lambda state, event: step(state[0], event, POLICY), events, start)


def ended(*events: InstanceEvent) -> Verdict:
    """The verdict after these events, which must be the end."""
    after = live(*events)
    assert after.phase is InstancePhase.EXITED
    assert after.verdict is not None
    return after.verdict


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


def test_a_death_withdraws_it_before_anything_else() -> None:
    """No request may reach it, and what the leader left behind must go too."""
    after, asked = play(*READY, LeaderExited(9.0, ID, -9))
    assert (after.phase, after.deadline) == (InstancePhase.REAPING, 11.0)
    assert asked == (ask.Unpublish(ID, "its process ended"), ask.Signal(ID, SIGTERM))


def test_leftovers_that_ignore_term_are_killed() -> None:
    """After at most two seconds; the verdict is still the leader's."""
    dead = (*READY, LeaderExited(9.0, ID, 3), DeadlinePassed(11.0, ID))
    assert play(*dead)[1] == (ask.Signal(ID, SIGKILL),)
    verdict = ended(*dead, GroupGone(11.1, ID))
    assert (verdict.reason, verdict.returncode) == (Reason.EXITED, 3)
    assert verdict.ready_for == 7.0


def test_an_exit_is_reported_and_reaped_when_the_group_is_gone() -> None:
    """Report first, so that the last words can still be told; reap last."""
    asked = play(*BORN, LeaderExited(0.3, ID, 1), GroupGone(0.3, ID))[1]
    assert [type(command) for command in asked] == [ask.Report, ask.Reap]


@pytest.mark.parametrize("returncode", [126, 127])
def test_a_program_that_cannot_be_executed_is_a_permanent_failure(returncode: int) -> None:
    """The shim's own statuses, but only before it was ever ready."""
    early = ended(*BORN, LeaderExited(0.3, ID, returncode), GroupGone(0.3, ID))
    later = ended(*READY, LeaderExited(9.0, ID, returncode), GroupGone(9.0, ID))
    assert (early.reason, early.permanent) == (Reason.EXEC_FAILED, True)
    assert (later.reason, later.permanent) == (Reason.EXITED, False)


def test_a_refused_spawn_ends_it_without_a_process_to_reap() -> None:
    """Short of resources is not permanent."""
    events = (SpawnAsked(0.0, ID), SpawnRefused(0.0, ID, "too many files", permanent=False))
    assert [type(command) for command in play(*events)[1]] == [ask.Report]
    assert ended(*events).reason is Reason.SPAWN_FAILED


def test_a_stop_is_term_then_kill_then_given_up() -> None:
    """A group that survives KILL is left behind, and that is its verdict."""
    stopping = (*READY, StopAsked(5.0, ID, grace=3.0, kill_wait=1.0))
    assert play(*stopping)[1] == (ask.Unpublish(ID, ""), ask.Signal(ID, SIGTERM))
    killing = (*stopping, DeadlinePassed(8.0, ID))
    assert play(*killing)[1] == (ask.Signal(ID, SIGKILL),)
    after, asked = play(*killing, DeadlinePassed(9.0, ID))
    assert after.phase is InstancePhase.EXITED
    assert [type(command) for command in asked] == [ask.Report, ask.Abandon]


def test_an_obedient_exit_keeps_the_intent() -> None:
    """We asked, so it is no failure, whatever status it returns."""
    done = (StopAsked(5.0, ID, 3.0), LeaderExited(5.4, ID, -15), GroupGone(5.5, ID))
    assert ended(*READY, *done).wanted


def test_a_second_stop_can_only_shorten_the_first() -> None:
    """A daemon that goes down does not wait for an older, longer grace."""
    asked = StopAsked(5.0, ID, grace=5.0)
    assert live(*READY, asked, StopAsked(6.0, ID, grace=1.0)).deadline == 7.0
    assert live(*READY, asked, StopAsked(6.0, ID, grace=60.0)).deadline == 10.0


def test_a_stop_during_the_spawn_is_not_lost() -> None:
    """The process is ended as soon as it exists."""
    unborn = (SpawnAsked(0.0, ID), StopAsked(0.1, ID, grace=3.0))
    assert play(*unborn)[1] == ()
    after, asked = play(*unborn, Spawned(0.2, ID, 7))
    assert (after.phase, after.deadline) == (InstancePhase.STOPPING, 3.2)
    assert asked == (ask.Signal(ID, SIGTERM),)


def test_a_kill_during_the_spawn_leaves_no_grace() -> None:
    """The deadline is the very moment of birth."""
    unborn = (SpawnAsked(0.0, ID), KillAsked(0.1, ID))
    assert live(*unborn, Spawned(0.2, ID, 7)).deadline == 0.2
    patient = (SpawnAsked(0.0, ID), StopAsked(0.1, ID, 9.0), KillAsked(0.1, ID))
    assert live(*patient, Spawned(0.2, ID, 7)).deadline == 0.2


def test_a_retired_one_gets_no_new_users_and_its_end_is_no_failure() -> None:
    """It is withdrawn, may finish until the deadline, and is then stopped."""
    retired = (*READY, RetireAsked(5.0, ID, until=30.0))
    assert play(*retired)[1] == (ask.Unpublish(ID, ""),)
    asked = play(*retired, DeadlinePassed(30.0, ID))[1]
    assert asked == (ask.Signal(ID, SIGTERM),)
    assert ended(*retired, LeaderExited(9.0, ID, 1), GroupGone(9.0, ID)).wanted


def test_late_probes_change_nothing_once_the_end_has_begun() -> None:
    """A pass that was under way does not revive it."""
    stopping = (*READY, StopAsked(5.0, ID, 3.0))
    assert play(*stopping, ReadinessProbed(5.1, ID, PASSED, 4.9)) == (live(*stopping), ())


def test_seconds_in_ready_add_up_without_the_gaps() -> None:
    """READY from 2 to 3, away until 5, READY again until 9."""
    back = [ReadinessProbed(at, ID, PASSED, at) for at in (4.0, 5.0)]
    end = (LeaderExited(9.0, ID, 1), GroupGone(9.0, ID))
    assert ended(*UNREADY, *back, *end).ready_for == 5.0


def test_nothing_happens_to_an_instance_that_is_over() -> None:
    """A bug of ours if it does."""
    over = live(*BORN, LeaderExited(0.3, ID, 1), GroupGone(0.3, ID))
    with pytest.raises(ImpossibleEventError):
        step(over, StopAsked(1.0, ID, 1.0), POLICY)
