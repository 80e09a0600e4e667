"""Draws the lifecycles as Mermaid state diagrams, from the tables that run."""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum

from fluxlit.status import DaemonPhase, InstancePhase
from fluxlit.supervisor.machine import daemon, instance, rollout, slot
from fluxlit.supervisor.machine.rollout import RolloutPhase
from fluxlit.supervisor.machine.slot import SlotPhase
from fluxlit.supervisor.machine.table import PhaseT, Row, StepT


def daemon_diagram() -> str:
    """The daemon's life, as text for a ``mermaid`` block."""
    return draw(daemon.TABLE, DaemonPhase.BOOT, [DaemonPhase.EXITED])


def instance_diagram() -> str:
    """The life of an instance, as text for a ``mermaid`` block."""
    return draw(instance.TABLE, InstancePhase.PENDING, [InstancePhase.EXITED])


def slot_diagram() -> str:
    """The life of a slot, as text for a ``mermaid`` block."""
    return draw(slot.TABLE, SlotPhase.IDLE, [])


def rollout_diagram() -> str:
    """A roll from one generation to the next, as text for a ``mermaid`` block."""
    return draw(rollout.TABLE, RolloutPhase.IDLE, [])


def draw(
    rows: Mapping[tuple[PhaseT, type], Row[PhaseT, StepT]], first: PhaseT, last: Iterable[PhaseT]
) -> str:
    """One arrow for each pair of phases, labelled with all events that may lead along it."""
    arrows: dict[tuple[PhaseT, PhaseT], list[str]] = {}
    for (phase, event), row in rows.items():
        for target in row.to:
            arrows.setdefault((phase, target), []).append(_words(event))
    places: dict[StrEnum, int] = {phase: place for place, phase in enumerate(type(first))}
    lines = ["stateDiagram-v2", f"    [*] --> {first.name}"]
    for phase, target in sorted(arrows, key=lambda arrow: [places[end] for end in arrow]):
        events = ", ".join(sorted(arrows[phase, target]))
        lines.append(f"    {phase.name} --> {target.name}: {events}")
    lines += [f"    {phase.name} --> [*]" for phase in last]
    return "\n".join(lines) + "\n"


def _words(event: type) -> str:
    """``stop asked`` for StopAsked."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", event.__name__).lower()
