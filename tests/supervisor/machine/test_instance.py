"""The table of one process: what holds across all its phases."""

from signal import SIGTERM

import pytest

from fluxlit.errors import ImpossibleEventError
from fluxlit.status import InstancePhase
from fluxlit.supervisor.machine import commands as ask
from fluxlit.supervisor.machine.events import (
    GroupGone,
    KillAsked,
    LeaderExited,
    ReadinessProbed,
    SpawnAsked,
    Spawned,
    StopAsked,
)
from fluxlit.supervisor.machine.instance import step
from tests.supervisor.machine.scenarios import (
    BORN,
    ID,
    PASSED,
    POLICY,
    READY,
    live,
    play,
)


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


def test_late_probes_change_nothing_once_the_end_has_begun() -> None:
    """A pass that was under way does not revive it."""
    stopping = (*READY, StopAsked(5.0, ID, 3.0))
    assert play(*stopping, ReadinessProbed(5.1, ID, PASSED, 4.9)) == (live(*stopping), ())


def test_nothing_happens_to_an_instance_that_is_over() -> None:
    """A bug of ours if it does."""
    over = live(*BORN, LeaderExited(0.3, ID, 1), GroupGone(0.3, ID))
    with pytest.raises(ImpossibleEventError):
        step(over, StopAsked(1.0, ID, 1.0), POLICY)
