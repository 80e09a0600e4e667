"""The three tables together: one daemon, its slots, their instances; one event in, commands out.

What one table asks of another (begin an instance, lower the slots, we gave up) is settled in here;
only what needs the world outside leaves as a command.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeAlias

from fluxlit.status import DaemonPhase, InstancePhase, InstanceStatus, Snapshot
from fluxlit.supervisor.machine import commands as ask
from fluxlit.supervisor.machine import daemon as daemons
from fluxlit.supervisor.machine import events as instance_events
from fluxlit.supervisor.machine import instance as instances
from fluxlit.supervisor.machine import rollout as rollouts
from fluxlit.supervisor.machine import slot as slots
from fluxlit.supervisor.machine.budget import KILL_WAIT
from fluxlit.supervisor.machine.daemon import Daemon, DaemonEvent
from fluxlit.supervisor.machine.events import InstanceEvent
from fluxlit.supervisor.machine.lives import Instance
from fluxlit.supervisor.machine.policy import Policy
from fluxlit.supervisor.machine.rollout import RollAsked, Rollout, RolloutEvent, RolloutPhase
from fluxlit.supervisor.machine.slot import Slot, SlotEvent, SlotPhase


class Standing(StrEnum):
    """How much of the fleet may be used; the daemon is told each change."""

    DOWN = "down"
    NONE = "none"
    SOME = "some"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class TimePassed:
    """The monotonic second ``at`` has come; every deadline up to it has passed."""

    at: float


Event: TypeAlias = DaemonEvent | InstanceEvent | RollAsked | TimePassed
_AnyCommand: TypeAlias = (
    ask.InstanceCommand | ask.SlotCommand | ask.DaemonCommand | ask.RolloutCommand
)
_PAUSED = frozenset({SlotPhase.BACKOFF, SlotPhase.HELD})
_LEAVING = frozenset(
    {DaemonPhase.LAME_DUCK, DaemonPhase.DRAINING, DaemonPhase.STOPPING, DaemonPhase.EXITED}
)
_UNDER_WAY = frozenset({RolloutPhase.RAISING, RolloutPhase.PROVING})
_AT_REST = frozenset({DaemonPhase.BOOT, DaemonPhase.STOPPING, DaemonPhase.EXITED})


@dataclass(frozen=True, slots=True)
class Fleet:
    """Everything that is supervised. ``boot`` makes instance ids unique among daemons."""

    slots: tuple[Slot, ...]
    boot: str = "0"
    daemon: Daemon = field(default_factory=Daemon)
    instances: tuple[Instance, ...] = ()
    generation: int = 1
    rollout: Rollout = field(default_factory=Rollout)
    begun: int = 0
    standing: Standing = Standing.DOWN
    last_failure: str | None = None

    @property
    def deadline(self) -> float | None:
        """The next moment at which something must be decided even if nothing happens."""
        deadlines = [
            self.daemon.deadline,
            self.rollout.deadline,
            *(slot.deadline for slot in self.slots),
            *(instance.deadline for instance in self.instances),
        ]
        return min((moment for moment in deadlines if moment is not None), default=None)

    @property
    def live(self) -> tuple[Slot, ...]:
        """The slots of the generation that serves."""
        return tuple(slot for slot in self.slots if slot.generation == self.generation)

    def instance(self, instance_id: str) -> Instance | None:
        """The instance with that id, if it is still known."""
        return next((i for i in self.instances if i.id == instance_id), None)


def fleet_of(services: Mapping[str, int], boot: str = "0") -> Fleet:
    """A fleet at rest with as many slots for each service as it has replicas."""
    every = ((name, index) for name, replicas in services.items() for index in range(replicas))
    return Fleet(tuple(Slot(name, index) for name, index in every), boot)


def step(
    fleet: Fleet, event: Event, policy: Policy, luck: float
) -> tuple[Fleet, tuple[ask.Command, ...]]:
    """The fleet after ``event``, and what to do; ``luck`` (from 0 up to 1) draws a jitter if needed.

    Events for instances that are over are dropped: a probe may end after its instance. Raises
    ImpossibleEventError for whatever the tables exclude.
    """
    turn = _Turn(fleet, policy, event.at, luck)
    turn.take(event)
    turn.settle()
    return turn.fleet, tuple(turn.out)


def snapshot(fleet: Fleet) -> Snapshot:
    """What the gateway may know of the fleet."""
    daemon = fleet.daemon
    waits = [s.deadline for s in fleet.live if s.phase in _PAUSED and s.deadline is not None]
    return Snapshot(
        daemon=daemon.phase,
        since=daemon.since,
        instances=tuple(_status(instance) for instance in fleet.instances),
        generation=fleet.generation,
        restarts=sum(slot.restarts for slot in fleet.live),
        retry_at=min(waits, default=None),
        last_failure=fleet.last_failure,
    )


def _status(instance: Instance) -> InstanceStatus:
    return InstanceStatus(
        id=instance.id,
        service=instance.service,
        slot=instance.slot,
        generation=instance.generation,
        phase=instance.phase,
        since=instance.since,
        endpoint=instance.endpoint,
        pid=instance.pid,
    )


def standing(fleet: Fleet) -> Standing:
    """DOWN when every slot is empty at either end of the daemon's life; else by ready instances."""
    if fleet.daemon.phase in _AT_REST:
        idle = all(slot.phase is SlotPhase.IDLE for slot in fleet.slots)
        return Standing.DOWN if idle else Standing.NONE
    ready = {i.service for i in fleet.instances if i.phase is InstancePhase.READY}
    if any(slot.service not in ready for slot in fleet.live):
        return Standing.NONE
    return Standing.ALL if _all_up(fleet, fleet.generation) else Standing.SOME


def _all_up(fleet: Fleet, generation: int) -> bool:
    """Whether every slot of the generation holds a ready instance."""
    up = {
        (i.service, i.slot, i.generation) for i in fleet.instances if i.phase is InstancePhase.READY
    }
    return all(_key(slot) in up for slot in fleet.slots if slot.generation == generation)


def _key(slot: Slot) -> tuple[str, int, int]:
    return slot.service, slot.index, slot.generation


_TOLD = {
    Standing.DOWN: daemons.SlotsDown,
    Standing.NONE: daemons.NoneReady,
    Standing.SOME: daemons.SomeReady,
    Standing.ALL: daemons.AllReady,
}


@dataclass(slots=True)
class _Turn:
    """One step under way: the fleet so far, and what is to be done outside."""

    fleet: Fleet
    policy: Policy
    at: float
    luck: float
    out: list[ask.Command] = field(default_factory=list[ask.Command])

    def take(self, event: Event) -> None:
        match event:
            case TimePassed():
                self._deadlines()
            case RollAsked():
                self._rollout(event)
            case DaemonEvent():
                self._daemon(event)
            case InstanceEvent():
                self._instance(event)

    def settle(self) -> None:
        """Tell the roll and the daemon how the fleet stands, as long as that changes."""
        while (event := self._of_rollout()) is not None:
            self._rollout(event)
        self._drop()
        while self.fleet.daemon.phase is not DaemonPhase.EXITED:
            now = standing(self.fleet)
            if now is self.fleet.standing:
                return
            self.fleet = replace(self.fleet, standing=now)
            self._daemon(_TOLD[now](self.at))

    def _of_rollout(self) -> RolloutEvent | None:
        """What the roll must be told of the fleet now."""
        fleet, phase = self.fleet, self.fleet.rollout.phase
        if fleet.daemon.phase in _LEAVING:
            return None if phase is RolloutPhase.HALTED else rollouts.Halted(self.at)
        if phase is RolloutPhase.CLEARING:
            self._drop()
            return rollouts.Cleared(self.at) if self.fleet.slots == self.fleet.live else None
        up = _all_up(fleet, fleet.rollout.target)
        if phase is RolloutPhase.RAISING and up:
            return rollouts.AllUp(self.at)
        return rollouts.NotAllUp(self.at) if phase is RolloutPhase.PROVING and not up else None

    def _drop(self) -> None:
        """Forget empty slots of generations that do not serve, unless one of them is being raised."""
        rollout = self.fleet.rollout
        raised = rollout.target if rollout.phase in _UNDER_WAY else None
        kept = {self.fleet.generation, raised}
        left = (s for s in self.fleet.slots if s.generation in kept or s.phase != SlotPhase.IDLE)
        self.fleet = replace(self.fleet, slots=tuple(left))

    def _rollout(self, event: RolloutEvent) -> None:
        after, commands = rollouts.step(self.fleet.rollout, event, self.policy.sidecar)
        self.fleet = replace(self.fleet, rollout=after)
        self._obey(commands)

    def _raise(self, generation: int) -> None:
        fresh = tuple(
            Slot(slot.service, slot.index, generation, restarts=slot.restarts)
            for slot in self.fleet.live
        )
        self.fleet = replace(self.fleet, slots=(*self.fleet.slots, *fresh))
        self._of_generation(generation, slots.UpAsked(self.at))

    def _promote(self, command: ask.Promote) -> None:
        old = self.fleet.generation
        self.fleet = replace(self.fleet, generation=command.generation)
        # Nothing follows what runs, and what runs gets no new users.
        self._of_generation(old, slots.KeepAsked(self.at))
        for instance in self.fleet.instances:
            if instance.generation == old:
                self._instance(instance_events.RetireAsked(self.at, instance.id, command.until))

    def _of_generation(self, generation: int, event: SlotEvent) -> None:
        for slot in self.fleet.slots:
            if slot.generation == generation:
                self._slot(self._slot_of(_key(slot)), event)

    def _deadlines(self) -> None:
        # From the inside out: what an instance does may spare the slot its own decision.
        # Each is looked up again, for the one before may have changed it.
        for old in self.fleet.instances:
            instance = self.fleet.instance(old.id)
            if instance and self._due(instance.deadline):
                self._instance(instance_events.DeadlinePassed(self.at, instance.id))
        for each in self.fleet.slots:
            slot = self._slot_of(_key(each))
            if self._due(slot.deadline):
                self._slot(slot, slots.DeadlinePassed(self.at))
        if self._due(self.fleet.rollout.deadline):
            self._prove()
        if self._due(self.fleet.daemon.deadline):
            self._daemon(daemons.DeadlinePassed(self.at))

    def _prove(self) -> None:
        # In the same moment one of them may have failed.
        if _all_up(self.fleet, self.fleet.rollout.target):
            self._rollout(rollouts.DeadlinePassed(self.at))
        else:
            self._rollout(rollouts.NotAllUp(self.at))

    def _due(self, deadline: float | None) -> bool:
        return deadline is not None and deadline <= self.at

    def _daemon(self, event: DaemonEvent) -> None:
        after, commands = daemons.step(self.fleet.daemon, event, self.policy)
        self.fleet = replace(self.fleet, daemon=after)
        self._obey(commands)

    def _slot(self, slot: Slot, event: SlotEvent) -> None:
        after, commands = slots.step(slot, event, self.policy.sidecar)
        kept = tuple(after if s is slot else s for s in self.fleet.slots)
        failure = after.last_failure if after.last_failure != slot.last_failure else None
        self.fleet = replace(
            self.fleet, slots=kept, last_failure=failure or self.fleet.last_failure
        )
        self._obey(commands)

    def _instance(self, event: InstanceEvent) -> None:
        before = self.fleet.instance(event.instance)
        if before is None:
            return
        after, commands = instances.step(before, event, self.policy.sidecar)
        over = after.verdict is not None
        kept = (after if i.id == after.id else i for i in self.fleet.instances)
        left = tuple(i for i in kept if not (over and i.id == after.id))
        self.fleet = replace(self.fleet, instances=left)
        self._obey(commands)
        if after.verdict is not None:
            exited = slots.InstanceExited(self.at, after.verdict, self.luck)
            key = (after.service, after.slot, after.generation)
            self._slot(self._slot_of(key), exited)
            rollout = self.fleet.rollout
            if rollout.phase in _UNDER_WAY and after.generation == rollout.target:
                self._rollout(rollouts.Lost(self.at, str(after.verdict)))

    def _obey(self, commands: Iterable[_AnyCommand]) -> None:
        for command in commands:
            self._obey_one(command)

    def _obey_one(self, command: _AnyCommand) -> None:
        match command:
            case ask.Begin():
                self._begin(command)
            case ask.Stop(instance, grace, kill_wait):
                self._instance(instance_events.StopAsked(self.at, instance, grace, kill_wait))
            case ask.Kill(instance, kill_wait):
                self._instance(instance_events.KillAsked(self.at, instance, kill_wait))
            case ask.RaiseSlots() | ask.KeepSlots() | ask.LowerSlots() | ask.KillSlots():
                self._every_slot(_slot_event(command, self.at))
            case ask.Raise() | ask.Promote() | ask.Withdraw():
                self.out.append(command)
                self._roll(command)
            case ask.GiveUp():
                self.out.append(command)
                self._gave_up(command)
            case _:
                self.out.append(command)

    def _roll(self, command: ask.RolloutCommand) -> None:
        match command:
            case ask.Raise(generation):
                self._raise(generation)
            case ask.Promote():
                self._promote(command)
            case ask.Withdraw(generation, _, grace):
                self._of_generation(generation, slots.DownAsked(self.at, grace, KILL_WAIT))

    def _gave_up(self, command: ask.GiveUp) -> None:
        """A service is given up with the last of its slots; until then others serve, or still try."""
        of_service = [slot for slot in self.fleet.live if slot.service == command.service]
        if all(slot.phase is SlotPhase.HELD for slot in of_service):
            self._daemon(daemons.GaveUp(self.at, str(command.verdict)))

    def _begin(self, command: ask.Begin) -> None:
        count = self.fleet.begun + 1
        slot = self._slot_of((command.service, command.slot, command.generation))
        instance = Instance(
            id=f"{command.service}-{self.fleet.boot}-{count}",
            service=command.service,
            slot=command.slot,
            generation=command.generation,
        )
        held = replace(slot, instance=instance.id)
        self.fleet = replace(
            self.fleet,
            begun=count,
            slots=tuple(held if s is slot else s for s in self.fleet.slots),
            instances=(*self.fleet.instances, instance),
        )
        self._instance(instance_events.SpawnAsked(self.at, instance.id))

    def _every_slot(self, event: SlotEvent) -> None:
        for slot in self.fleet.slots:
            self._slot(self._slot_of(_key(slot)), event)

    def _slot_of(self, key: tuple[str, int, int]) -> Slot:
        return next(slot for slot in self.fleet.slots if _key(slot) == key)


def _slot_event(
    command: ask.RaiseSlots | ask.KeepSlots | ask.LowerSlots | ask.KillSlots, at: float
) -> SlotEvent:
    match command:
        case ask.RaiseSlots():
            return slots.UpAsked(at)
        case ask.KeepSlots():
            return slots.KeepAsked(at)
        case ask.LowerSlots(grace, kill_wait):
            return slots.DownAsked(at, grace, kill_wait)
        case ask.KillSlots(kill_wait):
            return slots.KillAsked(at, kill_wait)
