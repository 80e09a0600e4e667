"""One minded instance: what it tells, and in which order."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import pytest
from anyio.abc import TaskGroup

from fluxlit.config.service import ServiceSpec
from fluxlit.config.settings import Sidecar
from fluxlit.supervisor.machine.commands import Probe
from fluxlit.supervisor.machine.events import (
    GroupGone,
    InstanceEvent,
    LeaderExited,
    LivenessProbed,
    ReadinessProbed,
    StartupProbed,
)
from fluxlit.supervisor.machine.lives import Instance
from fluxlit.supervisor.machine.probing import Activity, Outcome, ProbeKind
from fluxlit.supervisor.ward import Ward
from tests.doubles.children import FakeChild, FakeLauncher, Script

pytestmark = pytest.mark.autojump

SPEC = ServiceSpec("ui", ("streamlit",))


@dataclass
class Minded:
    """A ward over a made child, and what it told, with the moment it did."""

    tasks: TaskGroup
    child: FakeChild
    ward: Ward
    told: list[InstanceEvent]
    times: list[float] = field(default_factory=list[float])

    async def probe(self, kind: ProbeKind, at: float = 0.0) -> InstanceEvent:
        """Make one probe to its end."""
        command = Probe("ui-1", kind, at)
        await self.ward.probe(command, Sidecar(), self.ward.prepare(command))
        return self.told[-1]


@asynccontextmanager
async def minded(script: Script) -> AsyncGenerator[Minded]:
    """Watch a child beside the block."""
    launcher, told = FakeLauncher(script), list[InstanceEvent]()
    child = launcher.spawn(SPEC, "ui-1")
    ward = Ward(Instance("ui-1", "ui"), SPEC, child, launcher, told.append)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ward.watch)
        yield Minded(tasks, child, ward, told)
        tasks.cancel_scope.cancel()


async def test_the_exit_is_told_first_and_the_end_after_the_last_words() -> None:
    """Whoever hears that the group is gone can read what it said."""
    script = Script(exits_after=2.0, status=3, leftovers=True, words=("bye",))
    async with minded(script) as it:
        await anyio.sleep(5)
        assert [type(event) for event in it.told] == [LeaderExited]
        assert not it.ward.last_words.lines
        it.child.signal(15)
        await anyio.sleep(0.1)
        assert [type(event) for event in it.told] == [LeaderExited, GroupGone]
        assert it.ward.last_words.lines == ("bye",)


async def test_the_socket_that_answers_is_the_endpoint() -> None:
    """Another listener of the same process that answers otherwise is passed over."""
    async with minded(Script(ready_after=1.0)) as it:
        early = await it.probe(ProbeKind.STARTUP)
        assert isinstance(early, StartupProbed)
        assert (early.endpoint, early.finding.detail) == (None, "status 404")
        passed = await it.probe(ProbeKind.STARTUP, at=anyio.current_time() + 1.0)
        assert isinstance(passed, StartupProbed)
        assert passed.endpoint == it.child.endpoint


async def test_a_probe_waits_for_its_moment_and_tells_when_it_began() -> None:
    """A hung process costs the whole timeout of its kind, and its activity is looked up."""
    async with minded(Script()) as it:
        await it.probe(ProbeKind.STARTUP)
        it.child.states = "T"
        moment = anyio.current_time() + 7.0
        event = await it.probe(ProbeKind.READINESS, moment)
        assert isinstance(event, ReadinessProbed)
        assert (event.began, event.at) == (moment, moment + 2.0)
        assert event.finding.activity == Activity("T", 0)
        event = await it.probe(ProbeKind.LIVENESS)
        assert isinstance(event, LivenessProbed)
        assert event.at == moment + 2.0 + 3.0


async def test_activity_is_looked_up_for_failures_only() -> None:
    """A probe that passes costs no walk through /proc."""
    async with minded(Script()) as it:
        await it.probe(ProbeKind.STARTUP)
        event = await it.probe(ProbeKind.READINESS)
        assert isinstance(event, ReadinessProbed)
        assert event.finding.outcome is Outcome.PASSED
        assert event.finding.activity is None


async def test_a_released_ward_probes_no_more() -> None:
    """A probe that waits for its moment is ended without a word."""
    async with minded(Script()) as it:
        command = Probe("ui-1", ProbeKind.STARTUP, anyio.current_time() + 10.0)
        it.tasks.start_soon(it.ward.probe, command, Sidecar(), it.ward.prepare(command))
        it.ward.release()
        await anyio.sleep(60)
        assert it.told == []


async def test_an_abandoned_ward_tells_nothing_any_more() -> None:
    """The group may end whenever it likes."""
    async with minded(Script(unkillable=True)) as it:
        await anyio.sleep(1)
        it.ward.abandon()
        it.child.end(0)
        await anyio.sleep(60)
        assert it.told == []
        assert it.child.abandoned
