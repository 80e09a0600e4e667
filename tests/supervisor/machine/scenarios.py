"""One process in scenarios: how its life so far is written down, and what came of it."""

from functools import reduce

from fluxlit.config.settings import Sidecar
from fluxlit.status import Endpoint, InstancePhase
from fluxlit.supervisor.machine import commands as ask
from fluxlit.supervisor.machine.events import (
    InstanceEvent,
    ReadinessProbed,
    SpawnAsked,
    Spawned,
    StartupProbed,
)
from fluxlit.supervisor.machine.instance import step
from fluxlit.supervisor.machine.lives import Instance
from fluxlit.supervisor.machine.probing import Activity, Finding, Outcome
from fluxlit.supervisor.machine.verdict import Verdict

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
