"""The driver of the lifecycle tables: carries their commands out, feeds events in, tells the board.

One stream of events, one deadline, one place where the state changes. Everything that waits (for an
exit, for a probe, for the gateway) is a task that tells an event and decides nothing.
"""

import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from signal import SIGKILL, SIGQUIT
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup, TaskStatus

from fluxlit.config.service import ServiceSpec
from fluxlit.config.settings import Settings
from fluxlit.errors import SpawnFailed
from fluxlit.status import DaemonPhase, InstancePhase, StatusBoard
from fluxlit.supervisor import journal
from fluxlit.supervisor.launcher import Launcher
from fluxlit.supervisor.machine import commands as ask
from fluxlit.supervisor.machine import fleet as fleets
from fluxlit.supervisor.machine.daemon import (
    Booted,
    DaemonEvent,
    DrainAsked,
    Drained,
    GatewayClosed,
    QuitAsked,
    StopAsked,
)
from fluxlit.supervisor.machine.events import Spawned, SpawnRefused
from fluxlit.supervisor.machine.events import StopAsked as InstanceStopAsked
from fluxlit.supervisor.machine.fleet import Event, TimePassed, fleet_of, snapshot
from fluxlit.supervisor.machine.lives import Instance
from fluxlit.supervisor.machine.policy import policy_of
from fluxlit.supervisor.machine.rollout import RollAsked
from fluxlit.supervisor.ward import Ward

SWEEP_WAIT = 1.0
"""Seconds for killed groups to vanish when the daemon ends without having stopped them."""


@dataclass(frozen=True, slots=True)
class ExitVerdict:
    """How the daemon ends: its exit status, why in a sentence, and what the culprit said last."""

    status: int
    reason: str | None = None
    last_words: tuple[str, ...] = ()


async def _nothing_to_close(_grace: float) -> None:
    """For those who run no gateway."""


class Supervisor:
    """Keeps all instances of each service alive until it is told to stop, or gives up.

    ``close_gateway`` is awaited with the seconds it may take once all instances have stopped.
    ``random`` gives numbers from 0 up to 1 for the jitter.
    """

    def __init__(
        self,
        specs: Sequence[ServiceSpec],
        settings: Settings,
        board: StatusBoard,
        *,
        launcher: Launcher,
        random: Callable[[], float],
        close_gateway: Callable[[float], Awaitable[None]] = _nothing_to_close,
    ) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._policy = policy_of(settings)
        self._board = board
        self._launcher = launcher
        self._random = random
        self._close_gateway = close_gateway
        self._fleet = fleet_of({spec.name: spec.replicas for spec in specs}, uuid4().hex[:8])
        self._wards: dict[str, Ward] = {}
        self._pending: deque[Event] = deque()
        self._arrived = anyio.Event()
        self._emptying: set[str] = set()
        self._last_words: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Supervisor {self._fleet.daemon.phase} {list(self._wards)}>"

    async def run(
        self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> ExitVerdict:
        """Raise the services and keep them until the daemon has exited; started once they are asked for.

        However it ends, cancelled or by an error, no process is left behind.
        """
        async with anyio.create_task_group() as tasks:
            try:
                self._feed(Booted(anyio.current_time()), tasks)
                task_status.started()
                while self._fleet.daemon.phase is not DaemonPhase.EXITED:
                    self._feed(await self._next(), tasks)
            finally:
                await self._sweep()
            tasks.cancel_scope.cancel()
        daemon = self._fleet.daemon
        return ExitVerdict(daemon.status, daemon.reason, self._last_words if daemon.reason else ())

    def tell(self, event: DaemonEvent) -> None:
        """Hand in what happened to the daemon; it takes effect in the driver's next turn."""
        self._take(event)

    def signalled(self, number: int) -> None:
        """A signal that asks the daemon to stop: QUIT without drain, any other in order."""
        at = anyio.current_time()
        self.tell(QuitAsked(at, number) if number == SIGQUIT else StopAsked(at, number))

    def roll(self) -> None:
        """Replace all instances by new ones, one generation beside the other."""
        self._take(RollAsked(anyio.current_time()))

    def drain(self) -> None:
        """Serve on with readyz 503 until a stop is asked for."""
        self.tell(DrainAsked(anyio.current_time()))

    def _take(self, event: Event) -> None:
        self._pending.append(event)
        self._arrived.set()

    async def _next(self) -> Event:
        """The next event, or the passing of time when a deadline comes first."""
        deadline = self._fleet.deadline
        while not self._pending:
            self._arrived = anyio.Event()
            with anyio.CancelScope(deadline=_or_never(deadline)) as waiting:
                await self._arrived.wait()
            if waiting.cancelled_caught and deadline is not None and not self._pending:
                # A timer may fire a clock tick early; the deadline has come all the same.
                return TimePassed(max(anyio.current_time(), deadline))
        return self._pending.popleft()

    def _feed(self, event: Event, tasks: TaskGroup) -> None:
        before = self._fleet
        self._fleet, commands = fleets.step(before, event, self._policy, self._random())
        # The board first: whoever must not be reached any more is withdrawn before he is signalled.
        self._board.publish(snapshot(self._fleet))
        journal.phase_changed(before.daemon, self._fleet.daemon)
        known = {instance.id: instance for instance in (*before.instances, *self._fleet.instances)}
        for command in commands:
            self._carry_out(command, known, tasks)

    def _carry_out(
        self, command: ask.Command, known: dict[str, Instance], tasks: TaskGroup
    ) -> None:
        match command:
            case ask.Spawn(instance):
                self._spawn(known[instance], tasks)
            case ask.Drain():
                tasks.start_soon(self._drain)
            case ask.CloseGateway(grace):
                tasks.start_soon(self._close, grace)
            case ask.Raise() | ask.Promote() | ask.Withdraw():
                journal.rolled(command)
                self._empty(tasks)
            case ask.BackOff() | ask.GiveUp():
                journal.slot_waits(command, self._last_words)
            case ask.Report():
                self._report(command)
            case _:
                self._handle(command, self._wards[command.instance], tasks)

    def _handle(self, command: ask.InstanceCommand, ward: Ward, tasks: TaskGroup) -> None:
        match command:
            case ask.Signal(_, number):
                ward.child.signal(number)
            case ask.Probe():
                scope = ward.prepare(command)
                tasks.start_soon(ward.probe, command, self._policy.sidecar, scope)
            case ask.Reap():
                self._release(ward)
                ward.child.reap()
            case ask.Abandon():
                self._release(ward)
                ward.abandon()
            case ask.Evidence():
                journal.evidence(command, ward.fields, ward.activity())
            case _:
                journal.instance_changed(command, ward.fields)

    def _spawn(self, instance: Instance, tasks: TaskGroup) -> None:
        spec, at = self._specs[instance.service], anyio.current_time()
        try:
            child = self._launcher.spawn(spec, instance.id)
        except SpawnFailed as exc:
            self._take(SpawnRefused(at, instance.id, exc.reason, exc.permanent))
            return
        ward = self._wards[instance.id] = Ward(instance, spec, child, self._launcher, self._take)
        tasks.start_soon(ward.watch)
        journal.spawned(ward.fields)
        self._take(Spawned(at, instance.id, child.pid))

    def _report(self, report: ask.Report) -> None:
        ward = self._wards.get(report.instance)
        last_words = ward.last_words.lines if ward else ()
        if not report.verdict.wanted:
            self._last_words = last_words
        fields = ward.fields if ward else {"service": report.verdict.service}
        journal.exited(report.verdict, {**fields, "instance": report.instance}, last_words)

    def _release(self, ward: Ward) -> None:
        ward.release()
        del self._wards[ward.id]

    def _empty(self, tasks: TaskGroup) -> None:
        """What drains is stopped as soon as nobody uses it, not only at its deadline."""
        for instance in self._fleet.instances:
            if instance.phase is InstancePhase.DRAINING and instance.id not in self._emptying:
                self._emptying.add(instance.id)
                tasks.start_soon(self._stop_unused, instance.id)

    async def _stop_unused(self, instance: str) -> None:
        while (load := self._board.load(instance)).requests or load.sessions:
            await self._board.changed()
        self._emptying.discard(instance)
        at, grace = anyio.current_time(), self._policy.sidecar.stop_timeout
        self._take(InstanceStopAsked(at, instance, grace))

    async def _drain(self) -> None:
        while (total := self._board.total).requests or total.sessions:
            await self._board.changed()
        self.tell(Drained(anyio.current_time()))

    async def _close(self, grace: float) -> None:
        await self._close_gateway(grace)
        self.tell(GatewayClosed(anyio.current_time()))

    async def _sweep(self) -> None:
        """KILL and reap what is left; nothing is, unless the daemon ends out of order."""
        for ward in self._wards.values():
            ward.child.signal(SIGKILL)
        with anyio.CancelScope(shield=True):
            for ward in list(self._wards.values()):
                self._release(ward)
                with anyio.move_on_after(SWEEP_WAIT) as waiting:
                    await ward.child.gone()
                if waiting.cancelled_caught:
                    ward.abandon()
                else:
                    ward.child.reap()


def _or_never(deadline: float | None) -> float:
    return math.inf if deadline is None else deadline
