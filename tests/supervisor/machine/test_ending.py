"""How an instance goes: asked to, by itself, or condemned."""

from signal import SIGKILL, SIGTERM

import pytest

from fluxlit.status import InstancePhase
from fluxlit.supervisor.machine import commands as ask
from fluxlit.supervisor.machine.events import (
    DeadlinePassed,
    GroupGone,
    LeaderExited,
    StopAsked,
)
from fluxlit.supervisor.machine.verdict import Reason
from tests.supervisor.machine.scenarios import (
    BORN,
    ID,
    READY,
    ended,
    live,
    play,
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
