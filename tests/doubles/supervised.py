"""A supervisor over made children, and a board that remembers, for tests on jumping clocks."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import anyio
from anyio.abc import TaskStatus

from fluxlit.config.service import ServiceSpec
from fluxlit.config.settings import Settings, Shutdown, Sidecar
from fluxlit.status import DaemonPhase, InstancePhase, Snapshot, StatusBoard
from fluxlit.supervisor.driver import ExitVerdict, Supervisor
from tests.doubles.children import FakeLauncher, Script

SPEC = ServiceSpec("ui", ("streamlit",))


class Witness(StatusBoard):
    """A board that keeps all that was ever published."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[float, Snapshot]] = []

    def publish(self, snapshot: Snapshot) -> None:
        """Keep it, and do as every board."""
        self.seen.append((anyio.current_time(), snapshot))
        super().publish(snapshot)

    def when(self, phase: DaemonPhase) -> float:
        """The first moment of a phase."""
        return next(at for at, seen in self.seen if seen.daemon is phase)


@dataclass
class World:
    """A supervisor over made children; ``closed`` are the graces its gateway was closed with."""

    launcher: FakeLauncher
    board: Witness
    supervisor: Supervisor
    began: float
    closed: list[float]
    verdict: list[ExitVerdict] = field(default_factory=list[ExitVerdict])
    ended: anyio.Event = field(default_factory=anyio.Event)

    async def ready(self) -> None:
        """Wait until the daemon is READY."""
        await self.board.wait_for(lambda seen: seen.daemon is DaemonPhase.READY)

    async def unless(self, phase: InstancePhase) -> None:
        """Wait until no instance is in ``phase``."""
        await self.board.wait_for(lambda seen: phase not in {i.phase for i in seen.instances})

    async def end(self) -> ExitVerdict:
        """Wait for the exit."""
        await self.ended.wait()
        return self.verdict[0]

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return anyio.current_time() - self.began

    @property
    def starts(self) -> list[float]:
        """Seconds from the beginning to each start."""
        return [at - self.began for at in self.launcher.attempts]


@asynccontextmanager
async def supervised(
    *scripts: Script,
    sidecar: Sidecar | None = None,
    shutdown: Shutdown | None = None,
    random: Callable[[], float] = lambda: 0.5,
    replicas: int = 1,
) -> AsyncGenerator[World]:
    """Run a supervisor beside the block; nothing may be left of its children after it."""
    launcher, board, closed = FakeLauncher(*scripts), Witness(), list[float]()
    settings = Settings(sidecar=sidecar or Sidecar(), shutdown=shutdown or Shutdown())

    async def close_gateway(grace: float) -> None:
        closed.append(grace)

    spec = replace(SPEC, replicas=replicas)
    supervisor = Supervisor(
        [spec], settings, board, launcher=launcher, random=random, close_gateway=close_gateway
    )
    world = World(launcher, board, supervisor, anyio.current_time(), closed)

    async def run(*, task_status: TaskStatus[None]) -> None:
        world.verdict.append(await supervisor.run(task_status=task_status))
        world.ended.set()

    with anyio.fail_after(100_000):
        async with anyio.create_task_group() as tasks:
            await tasks.start(run)
            yield world
            tasks.cancel_scope.cancel()
    assert launcher.abroad == []
