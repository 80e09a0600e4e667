"""A roll: what it waits for, what ends it, what follows it."""

import pytest

from fluxlit.config.settings import Sidecar
from fluxlit.errors import ImpossibleEventError
from fluxlit.supervisor.machine import commands as ask
from fluxlit.supervisor.machine.rollout import (
    AllUp,
    Cleared,
    DeadlinePassed,
    Halted,
    Lost,
    NotAllUp,
    RollAsked,
    Rollout,
    RolloutEvent,
    RolloutPhase,
    step,
)

POLICY = Sidecar(min_ready=5.0, drain=7.0, stop_timeout=3.0)
RAISE = (ask.Raise(2),)


def after(*events: RolloutEvent) -> tuple[Rollout, tuple[ask.RolloutCommand, ...]]:
    """The roll after these events, and all that was asked for on the way."""
    rollout, asked = Rollout(), list[ask.RolloutCommand]()
    for event in events:
        rollout, commands = step(rollout, event, POLICY)
        asked += commands
    return rollout, tuple(asked)


def test_a_generation_takes_over_once_it_has_proved_itself() -> None:
    """min_ready after the last one was up; the old one's users may stay twice the spread."""
    rollout, _ = after(RollAsked(0.0), AllUp(2.0))
    assert rollout.deadline == 7.0
    rollout, asked = after(RollAsked(0.0), AllUp(2.0), DeadlinePassed(7.0))
    assert rollout == Rollout(RolloutPhase.CLEARING, 2)
    assert asked == (*RAISE, ask.Promote(2, until=21.0))


def test_a_doubt_starts_the_proof_again() -> None:
    """Ready means ready all the time."""
    rollout, asked = after(RollAsked(0.0), AllUp(2.0), NotAllUp(4.0), AllUp(6.0))
    assert (rollout.phase, rollout.deadline) == (RolloutPhase.PROVING, 11.0)
    assert asked == RAISE


@pytest.mark.parametrize("proving", [(), (AllUp(1.0),)])
def test_a_loss_withdraws_the_generation(proving: tuple[RolloutEvent, ...]) -> None:
    """Whether it had been up or not; its number is not used again."""
    lost = (RollAsked(0.0), *proving, Lost(2.0, "it died"))
    rollout, asked = after(*lost)
    assert rollout == Rollout(RolloutPhase.CLEARING, 2)
    assert asked == (*RAISE, ask.Withdraw(2, "it died", 3.0))
    rollout, asked = after(*lost, Cleared(3.0), RollAsked(9.0))
    assert asked[-1] == ask.Raise(3)


def test_many_asked_for_in_the_middle_are_one_that_follows() -> None:
    """It begins when the one before has left nothing behind."""
    once = (RollAsked(0.0), RollAsked(1.0), RollAsked(1.0), AllUp(2.0), DeadlinePassed(7.0))
    rollout, asked = after(*once, RollAsked(8.0))
    assert len(asked) == 2
    rollout, asked = after(*once, Cleared(8.0))
    assert asked[-1] == ask.Raise(3)
    assert rollout == Rollout(RolloutPhase.RAISING, 3)


def test_a_daemon_that_ends_rolls_no_more() -> None:
    """Whatever is asked for."""
    rollout, asked = after(RollAsked(0.0), AllUp(1.0), Halted(2.0), RollAsked(3.0))
    assert (rollout.phase, rollout.deadline) == (RolloutPhase.HALTED, None)
    assert asked == RAISE


def test_nothing_is_promoted_without_proof() -> None:
    """There is no deadline before all are up."""
    with pytest.raises(ImpossibleEventError):
        after(RollAsked(0.0), DeadlinePassed(9.0))
