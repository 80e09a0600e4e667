"""The three tables together: laws that hold for every order of events."""

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fluxlit.config.settings import Settings, Shutdown, Sidecar
from fluxlit.status import DaemonPhase, Endpoint, InstancePhase
from fluxlit.supervisor.machine import commands as ask
from fluxlit.supervisor.machine.daemon import Booted, Drained, GatewayClosed, QuitAsked, StopAsked
from fluxlit.supervisor.machine.events import (
    GroupGone,
    LeaderExited,
    LivenessProbed,
    ReadinessProbed,
    Spawned,
    SpawnRefused,
    StartupProbed,
)
from fluxlit.supervisor.machine.fleet import (
    Event,
    Fleet,
    Standing,
    TimePassed,
    fleet_of,
    snapshot,
    step,
)
from fluxlit.supervisor.machine.policy import policy_of
from fluxlit.supervisor.machine.probing import Activity, Finding, Outcome, ProbeKind
from fluxlit.supervisor.machine.rollout import RollAsked
from fluxlit.supervisor.machine.slot import Slot

ENDPOINT = Endpoint("127.0.0.1", 4711)
ON_GIVE_UP = ("exit", "hold")
LEAVING = (DaemonPhase.LAME_DUCK, DaemonPhase.DRAINING, DaemonPhase.STOPPING)
ANSWERS: dict[type, list[Callable[[float], Event]]] = {
    ask.Drain: [Drained],
    ask.CloseGateway: [GatewayClosed],
}
FINDINGS = [
    Finding(Outcome.PASSED),
    Finding(Outcome.FAILED, "no answer", Activity("S", 0)),
    Finding(Outcome.FAILED, "no answer", Activity("T", 0)),
    Finding(Outcome.UNKNOWN, "no file descriptors left"),
]


class World:
    """A made world under a fleet of two services, one of them with two slots."""

    def __init__(self, on_give_up: str, lame_duck: float) -> None:
        self.policy = policy_of(
            Settings(sidecar=Sidecar(on_give_up=on_give_up), shutdown=Shutdown(lame_duck=lame_duck))
        )
        self.fleet = Fleet((Slot("ui", 0), Slot("ui", 1), Slot("api", 0)))
        self.now = 0.0
        self.unborn: list[str] = []
        self.running: set[str] = set()
        self.zombies: set[str] = set()
        self.let_go: set[str] = set()
        self.published: set[str] = set()
        self.probes: list[ask.Probe] = []
        self.awaited: list[Callable[[float], Event]] = []
        self.stopped = False
        self.born = 0

    def feed(self, event: Event) -> None:
        """One step, and what it asks for."""
        self.fleet, commands = step(self.fleet, event, self.policy, luck=0.5)
        for command in commands:
            self.obey(command)

    def obey(self, command: ask.Command) -> None:
        """Note what was asked for, and hold it to the laws."""
        match command:
            case ask.Spawn(instance):
                assert not self.stopped, "a stopped daemon starts nothing"
                assert self.fleet.daemon.phase not in LEAVING, "nor does one that gave up"
                self.unborn.append(instance)
            case ask.Probe():
                same = [p for p in self.probes if p.instance == command.instance]
                assert command.kind not in {p.kind for p in same}, "one in flight of a kind"
                self.probes.append(command)
            case ask.Publish(instance):
                self.published.add(instance)
            case ask.Unpublish(instance):
                self.published.remove(instance)
            case ask.Reap(instance):
                assert instance in self.zombies, "reaped before its group was gone"
                self.forget(instance)
            case ask.Abandon(instance):
                self.forget(instance)
            case _:
                self.awaited += ANSWERS.get(type(command), [])

    def forget(self, instance: str) -> None:
        """Nobody minds it any more."""
        assert instance not in self.let_go, "let go twice"
        self.let_go.add(instance)
        self.running.discard(instance)
        self.zombies.discard(instance)

    def bear(self, *, works: bool, permanent: bool = False) -> None:
        """Answer the oldest Spawn."""
        instance = self.unborn.pop(0)
        if not works:
            self.feed(SpawnRefused(self.now, instance, "no", permanent))
            return
        self.born += 1
        self.running.add(instance)
        self.feed(Spawned(self.now, instance, self.born))

    def answer(self, probe: ask.Probe, finding: Finding) -> None:
        """A probe ends."""
        self.probes.remove(probe)
        self.now = max(self.now, probe.at)
        if probe.kind is ProbeKind.STARTUP:
            endpoint = ENDPOINT if finding.outcome is Outcome.PASSED else None
            self.feed(StartupProbed(self.now, probe.instance, finding, endpoint))
        elif probe.kind is ProbeKind.READINESS:
            self.feed(ReadinessProbed(self.now, probe.instance, finding, probe.at))
        else:
            self.feed(LivenessProbed(self.now, probe.instance, finding, probe.at))

    def die(self, instance: str, returncode: int) -> None:
        """Its leader exits."""
        self.running.remove(instance)
        self.zombies.add(instance)
        self.feed(LeaderExited(self.now, instance, returncode))

    @property
    def over(self) -> bool:
        """The daemon has exited."""
        return self.fleet.daemon.phase is DaemonPhase.EXITED

    def run_down(self) -> None:
        """Be obedient until the daemon has exited."""
        while not self.over:
            if self.unborn:
                self.bear(works=True)
            elif self.running:
                self.die(min(self.running), 0)
            elif self.zombies:
                self.feed(GroupGone(self.now, min(self.zombies)))
            elif self.awaited:
                self.feed(self.awaited.pop(0)(self.now))
            else:
                self.pass_time()

    def pass_time(self) -> None:
        """To the next deadline."""
        self.now = max(self.now, self.fleet.deadline or self.now + 1.0)
        self.feed(TimePassed(self.now))


class Lives(RuleBasedStateMachine):
    """Random orders of whatever may happen."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.world = World("exit", 0.0)
        self.booted = False

    @precondition(lambda self: not self.booted)
    @rule(on_give_up=some.sampled_from(ON_GIVE_UP), lame_duck=some.sampled_from([0.0, 5.0]))
    def boot(self, on_give_up: str, lame_duck: float) -> None:
        """The daemon begins."""
        self.world = World(on_give_up, lame_duck)
        self.booted = True
        self.world.feed(Booted(0.0))

    @precondition(lambda self: self.alive and self.world.unborn)
    @rule(works=some.booleans(), permanent=some.booleans())
    def bear(self, works: bool, permanent: bool) -> None:
        """A spawn is answered."""
        self.world.bear(works=works, permanent=permanent)

    @precondition(lambda self: self.alive and self.world.probes)
    @rule(data=some.data())
    def probe(self, data: some.DataObject) -> None:
        """A probe ends, perhaps after its instance."""
        probe = data.draw(some.sampled_from(self.world.probes))
        self.world.answer(probe, data.draw(some.sampled_from(FINDINGS)))

    @precondition(lambda self: self.alive and self.world.running)
    @rule(data=some.data(), returncode=some.sampled_from([0, 1, 127, -9]))
    def die(self, data: some.DataObject, returncode: int) -> None:
        """A leader exits."""
        self.world.die(data.draw(some.sampled_from(sorted(self.world.running))), returncode)

    @precondition(lambda self: self.alive and self.world.zombies)
    @rule(data=some.data())
    def vanish(self, data: some.DataObject) -> None:
        """A group is gone."""
        zombie = data.draw(some.sampled_from(sorted(self.world.zombies)))
        self.world.feed(GroupGone(self.world.now, zombie))

    @precondition(lambda self: self.alive)
    @rule()
    def wait(self) -> None:
        """The next deadline comes."""
        self.world.pass_time()

    @precondition(lambda self: self.alive and self.world.awaited)
    @rule()
    def arrive(self) -> None:
        """The drain or the gateway is done."""
        self.world.feed(self.world.awaited.pop(0)(self.world.now))

    @precondition(lambda self: self.alive)
    @rule(event=some.sampled_from([StopAsked, QuitAsked]), number=some.sampled_from([2, 15]))
    def signal(self, event: type[StopAsked | QuitAsked], number: int) -> None:
        """Somebody asks us to stop."""
        self.world.stopped = True
        self.world.feed(event(self.world.now, number))

    @precondition(lambda self: self.alive)
    @rule()
    def roll(self) -> None:
        """Somebody asks for a new generation."""
        self.world.feed(RollAsked(self.world.now))

    @precondition(lambda self: self.alive)
    @rule()
    def go_on(self) -> None:
        """All that wants to start starts well: the road to a promotion is long."""
        while self.world.unborn:
            self.world.bear(works=True)
        for probe in list(self.world.probes):
            self.world.answer(probe, FINDINGS[0])

    @property
    def alive(self) -> bool:
        """Booted and not yet exited."""
        return self.booted and not self.world.over

    @invariant()
    def one_instance_a_slot(self) -> None:
        """Never two processes for one place."""
        held = [(i.service, i.slot, i.generation) for i in self.world.fleet.instances]
        assert len(held) == len(set(held))
        assert self.world.running | self.world.zombies <= {i.id for i in self.world.fleet.instances}

    @invariant()
    def two_generations_at_most(self) -> None:
        """However often a roll is asked for."""
        assert len({i.generation for i in self.world.fleet.instances}) <= 2
        assert len({s.generation for s in self.world.fleet.slots}) <= 2

    @invariant()
    def published_is_ready(self) -> None:
        """What is published is exactly what is READY, and it has an endpoint."""
        seen = snapshot(self.world.fleet)
        ready = [i for i in seen.instances if i.phase is InstancePhase.READY]
        assert {i.id for i in ready} == self.world.published
        assert all(i.endpoint for i in ready)

    @precondition(lambda self: self.booted and self.world.over)
    @rule()
    def rest(self) -> None:
        """After the exit there is nothing more to happen."""
        assert self.world.fleet.daemon.phase is DaemonPhase.EXITED

    def teardown(self) -> None:
        """Stopped now, everything that was ever born is let go, within the time for it."""
        if not self.booted:
            return
        self.world.stopped = True
        if not self.world.over:
            self.world.feed(QuitAsked(self.world.now, 3))
            self.world.run_down()
            assert len(self.world.let_go) == self.world.born


Lives.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLives = Lives.TestCase


def started(*services: str, on_give_up: str = "exit") -> World:
    """A world that has booted with one slot for each service."""
    world = World(on_give_up, 0.0)
    world.fleet = fleet_of(dict.fromkeys(services, 1))
    world.feed(Booted(0.0))
    return world


def test_without_services_the_daemon_is_ready_and_stops_at_once() -> None:
    """There is nothing to wait for."""
    world = started()
    assert world.fleet.daemon.phase is DaemonPhase.READY
    world.feed(QuitAsked(1.0, 3))
    assert world.awaited == [GatewayClosed]


def test_every_service_must_be_ready() -> None:
    """One of two services is none for a user."""
    world = started("ui", "api")
    world.bear(works=True)
    world.bear(works=True)
    world.answer(world.probes[0], FINDINGS[0])
    assert world.fleet.standing is Standing.NONE
    world.answer(world.probes[0], FINDINGS[0])
    assert world.fleet.daemon.phase is DaemonPhase.READY


def test_when_one_service_is_given_up_the_others_are_stopped_too() -> None:
    """And the daemon ends with 69."""
    world = started("ui", "api")
    world.bear(works=True)
    world.bear(works=False, permanent=True)
    world.stopped = True
    world.run_down()
    assert world.fleet.daemon.status == 69
    assert world.let_go == {"ui-0-1"}


def test_the_snapshot_says_when_the_next_try_is_due() -> None:
    """In a backoff there is a moment, and a sentence about the failure."""
    world = started("ui")
    world.bear(works=True)
    world.die("ui-0-1", 1)
    world.feed(GroupGone(0.0, "ui-0-1"))
    seen = snapshot(world.fleet)
    assert seen.retry_at == pytest.approx(0.375)
    assert seen.last_failure == "ui exited with status 1 after 0.0 s, before it was ready"
    world.pass_time()
    assert snapshot(world.fleet).retry_at is None
    assert snapshot(world.fleet).restarts == 1


def phase_of(world: World) -> DaemonPhase:
    """The daemon's phase now; a function, so that no type checker remembers the last one."""
    return world.fleet.daemon.phase


def test_a_service_is_given_up_with_the_last_of_its_slots() -> None:
    """As long as another one may still come up, the daemon stays; then it ends with 69."""
    world = World("exit", 0.0)
    world.fleet = fleet_of({"ui": 3})
    world.feed(Booted(0.0))
    world.bear(works=False, permanent=True)
    world.bear(works=True)
    world.bear(works=False, permanent=True)
    assert [slot.phase for slot in world.fleet.slots] == ["held", "active", "held"]
    assert phase_of(world) is DaemonPhase.STARTING
    world.answer(world.probes[0], FINDINGS[0])
    assert phase_of(world) is DaemonPhase.DEGRADED
    world.die("ui-0-2", 1)
    assert phase_of(world) is DaemonPhase.UNAVAILABLE
    world.feed(GroupGone(0.0, "ui-0-2"))
    world.pass_time()
    world.stopped = True
    world.bear(works=False, permanent=True)
    world.run_down()
    assert world.fleet.daemon.status == 69


def test_slots_are_numbered_for_each_service() -> None:
    """As many as it has replicas."""
    slots = fleet_of({"ui": 2, "api": 1}).slots
    assert [(slot.service, slot.index) for slot in slots] == [("ui", 0), ("ui", 1), ("api", 0)]
