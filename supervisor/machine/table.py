"""How a lifecycle table is written and read: rows by phase and event, each naming where it may lead.

A table is total: every pair of phase and event is either a row or listed as impossible. A row also
names the phases it may lead to, so that diagrams are drawn from the same data that runs.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeAlias, TypeVar

from fluxlit.errors import ImpossibleEventError

PhaseT = TypeVar("PhaseT", bound=StrEnum)
StepT = TypeVar("StepT")


@dataclass(frozen=True, slots=True)
class Row(Generic[PhaseT, StepT]):
    """One cell: the rule, and the phases besides the present one that it may lead to."""

    rule: Callable[..., StepT]
    to: tuple[PhaseT, ...] = ()


Rows: TypeAlias = dict[tuple[PhaseT, type], Row[PhaseT, StepT]]
Cells: TypeAlias = frozenset[tuple[PhaseT, type]]


def cells(phases: Iterable[PhaseT], *events: type) -> Cells[PhaseT]:
    """Every pair of the given phases and events."""
    return frozenset((phase, event) for phase in phases for event in events)


def spread(
    phases: Iterable[PhaseT], events: Iterable[type], row: Row[PhaseT, StepT]
) -> Rows[PhaseT, StepT]:
    """The same row in several cells."""
    return dict.fromkeys(cells(phases, *events), row)


def find(
    rows: Mapping[tuple[PhaseT, type], Row[PhaseT, StepT]], phase: PhaseT, event: object
) -> Row[PhaseT, StepT]:
    """The row for ``event`` in ``phase``; raises ImpossibleEventError when there is none."""
    row = rows.get((phase, type(event)))
    if row is None:
        message = f"{type(event).__name__} cannot happen in {phase}: {event}"
        raise ImpossibleEventError(message)
    return row


def landed(row: Row[PhaseT, StepT], before: PhaseT, after: PhaseT) -> None:
    """Hold a rule to the phases its row names; raises ImpossibleEventError if it went elsewhere."""
    if after is not before and after not in row.to:
        message = f"a rule led from {before} to {after}, which its row does not name"
        raise ImpossibleEventError(message)
