"""The real launcher under the real driver: real children, awaited by events."""

import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import TaskStatus
from structlog.testing import capture_logs

from fluxlit.config.service import ServiceSpec
from fluxlit.config.settings import Settings, Sidecar
from fluxlit.status import DaemonPhase, InstancePhase, InstanceStatus, StatusBoard
from fluxlit.supervisor.driver import ExitVerdict, Supervisor
from fluxlit.supervisor.launcher import ProcessLauncher
from tests.programs import command

pytestmark = pytest.mark.usefixtures("leak_free")

QUICK = Sidecar(
    readiness_interval=0.1,
    readiness_timeout=0.3,
    readiness_failures=2,
    liveness_interval=0.2,
    liveness_timeout=0.3,
    liveness_failures=2,
    stop_timeout=0.5,
    backoff_first=0.02,
    start_limit=3,
)


class Daemon:
    """A running supervisor of one real service."""

    def __init__(self, *argv: str, sidecar: Sidecar = QUICK) -> None:
        self.owned: set[int] = set()
        self.board = StatusBoard()
        self.verdict: ExitVerdict | None = None
        self.supervisor = Supervisor(
            [ServiceSpec("ui", argv, dict(os.environ), ready_path="/", ready_body=b"ok")],
            Settings(sidecar=sidecar),
            self.board,
            launcher=ProcessLauncher(self.owned),
            random=lambda: 0.5,
        )

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Until it exits."""
        self.verdict = await self.supervisor.run(task_status=task_status)

    async def ready(self, *, restarts: int = 0) -> InstanceStatus:
        """The instance that is ready after so many restarts."""
        await self.board.wait_for(
            lambda seen: seen.restarts == restarts and seen.daemon is DaemonPhase.READY
        )
        return self.board.snapshot.ready("ui")[0]


@asynccontextmanager
async def supervised(*argv: str, sidecar: Sidecar = QUICK) -> AsyncGenerator[Daemon]:
    """Run a supervisor beside the block, and stop it in order at its end."""
    daemon = Daemon(*argv, sidecar=sidecar)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            await tasks.start(daemon.run)
            yield daemon
            if daemon.verdict is None:
                daemon.supervisor.signalled(signal.SIGTERM)
    assert daemon.owned == set()


async def test_it_finds_the_port_and_stops_in_order() -> None:
    """The endpoint is the socket that the child really listens on; the exit status is 0."""
    async with supervised(*command("serves")) as daemon:
        instance = await daemon.ready()
        assert instance.endpoint is not None
        stream = await anyio.connect_tcp(instance.endpoint.host, instance.endpoint.port)
        await stream.aclose()
    assert daemon.verdict == ExitVerdict(0)


async def test_a_killed_child_is_replaced() -> None:
    """Kill -9: another process, another instance."""
    async with supervised(*command("serves")) as daemon:
        first = await daemon.ready()
        assert first.pid
        os.kill(first.pid, signal.SIGKILL)
        second = await daemon.ready(restarts=1)
        assert (second.id, second.pid) != (first.id, first.pid)


async def test_a_stopped_child_is_unready_then_replaced() -> None:
    """SIGSTOP: seen by state T, killed by liveness, replaced."""
    async with supervised(*command("serves")) as daemon:
        first = await daemon.ready()
        assert first.pid
        os.kill(first.pid, signal.SIGSTOP)
        await daemon.board.wait_for(lambda seen: seen.instances[0].phase is not InstancePhase.READY)
        await daemon.ready(restarts=1)
        assert "stopped (state T)" in str(daemon.board.snapshot.last_failure)


async def test_a_child_that_cannot_start_is_given_up_with_its_last_words() -> None:
    """69, and the traceback of the child."""
    with capture_logs() as logs:
        async with supervised(*command("crashes")) as daemon:
            await daemon.board.wait_for(lambda seen: seen.daemon is DaemonPhase.EXITED)
    assert daemon.verdict is not None
    assert daemon.verdict.status == 69
    assert daemon.verdict.last_words[-1] == "RuntimeError: the reactor is on fire"
    assert [log["event"] for log in logs].count("service.exited") == 3


async def test_a_missing_program_is_given_up_at_once() -> None:
    """One start, one sentence."""
    async with supervised("/nonexistent/streamlit") as daemon:
        await daemon.board.wait_for(lambda seen: seen.daemon is DaemonPhase.EXITED)
    assert daemon.verdict is not None
    assert daemon.verdict.reason == "ui cannot be executed: no such program"


async def test_a_deaf_child_is_killed() -> None:
    """After stop_timeout, while it was still starting."""
    async with supervised(*command("deaf")) as daemon:
        await daemon.board.wait_for(lambda seen: bool(seen.instances and seen.instances[0].pid))
    assert daemon.verdict == ExitVerdict(0)


async def test_cancelling_leaves_nothing_behind() -> None:
    """The fixture holds that no child, zombie or descriptor is left."""
    daemon = Daemon(*command("deaf"))
    async with anyio.create_task_group() as tasks:
        await tasks.start(daemon.run)
        await daemon.board.wait_for(lambda seen: bool(seen.instances and seen.instances[0].pid))
        tasks.cancel_scope.cancel()
    assert daemon.owned == set()
