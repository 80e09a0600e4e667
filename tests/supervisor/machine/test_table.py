"""The four tables are total, lead only where they say, and are loud about what cannot be."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest

from fluxlit.errors import ImpossibleEventError
from fluxlit.status import DaemonPhase, InstancePhase
from fluxlit.supervisor.machine import daemon, events, instance, rollout, slot
from fluxlit.supervisor.machine.rollout import RolloutPhase
from fluxlit.supervisor.machine.slot import SlotPhase
from fluxlit.supervisor.machine.table import Row, find, landed

TABLES = [
    pytest.param(instance.TABLE, instance.IMPOSSIBLE, InstancePhase, events.EVENTS, id="instance"),
    pytest.param(slot.TABLE, slot.IMPOSSIBLE, SlotPhase, slot.EVENTS, id="slot"),
    pytest.param(daemon.TABLE, daemon.IMPOSSIBLE, DaemonPhase, daemon.EVENTS, id="daemon"),
    pytest.param(rollout.TABLE, rollout.IMPOSSIBLE, RolloutPhase, rollout.EVENTS, id="rollout"),
]


@pytest.mark.parametrize(("table", "impossible", "phases", "kinds"), TABLES)
def test_every_pair_of_phase_and_event_is_decided_once(
    table: Mapping[Any, Any],
    impossible: frozenset[Any],
    phases: type[StrEnum],
    kinds: tuple[type, ...],
) -> None:
    """Rows and impossible cells are disjoint, and together every phase with every event."""
    assert not table.keys() & impossible
    assert table.keys() | impossible == {(phase, kind) for phase in phases for kind in kinds}


@pytest.mark.parametrize(
    ("base", "kinds"),
    [
        (events.InstanceEvent, events.EVENTS),
        (slot.SlotEvent, slot.EVENTS),
        (daemon.DaemonEvent, daemon.EVENTS),
        (rollout.RolloutEvent, rollout.EVENTS),
    ],
)
def test_every_event_is_listed(base: type, kinds: tuple[type, ...]) -> None:
    """An event type that is not in EVENTS would escape the totality test."""
    # By name: a dataclass with slots is made twice, and the first make may still be about.
    subclasses: list[type] = base.__subclasses__()
    assert {each.__name__ for each in subclasses} == {each.__name__ for each in kinds}


@pytest.mark.parametrize(
    ("table", "phases", "first"),
    [
        (instance.TABLE, InstancePhase, InstancePhase.PENDING),
        (slot.TABLE, SlotPhase, SlotPhase.IDLE),
        (daemon.TABLE, DaemonPhase, DaemonPhase.BOOT),
        (rollout.TABLE, RolloutPhase, RolloutPhase.IDLE),
    ],
)
def test_every_phase_can_be_reached(
    table: Mapping[Any, Row[Any, Any]], phases: type[StrEnum], first: StrEnum
) -> None:
    """A phase that no row leads to would be dead text."""
    assert {first, *(target for row in table.values() for target in row.to)} == set(phases)


def test_an_impossible_event_is_loud() -> None:
    """The error names the event and the phase."""
    with pytest.raises(ImpossibleEventError, match="GroupGone cannot happen in ready"):
        find(instance.TABLE, InstancePhase.READY, events.GroupGone(1.0, "ui-1"))


def test_a_rule_that_leaves_its_row_is_loud() -> None:
    """A row is held to the phases it names; staying is always allowed."""
    row = Row(lambda: None, (SlotPhase.HELD,))
    landed(row, SlotPhase.ACTIVE, SlotPhase.ACTIVE)
    landed(row, SlotPhase.ACTIVE, SlotPhase.HELD)
    with pytest.raises(ImpossibleEventError, match="from active to idle"):
        landed(row, SlotPhase.ACTIVE, SlotPhase.IDLE)
