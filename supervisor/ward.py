"""One running instance as the driver minds it: its process, its output, its probes.

A ward decides nothing; it tells what happens and does what it is asked.
"""

from collections.abc import Callable, Mapping

import anyio
from anyio.abc import TaskGroup

from fluxlit.config.service import ServiceSpec
from fluxlit.config.settings import Sidecar
from fluxlit.status import Endpoint
from fluxlit.supervisor.launcher import Child, Launcher
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
from fluxlit.supervisor.machine.probing import Activity, Finding, Outcome, ProbeKind
from fluxlit.supervisor.output import LastWords

PIPES_WAIT = 1.0
"""Seconds for the end of the output once the group is gone: a foreign process may hold the pipe."""


class Ward:
    """Minds one spawned instance; ``tell`` gets its events."""

    def __init__(
        self,
        instance: Instance,
        spec: ServiceSpec,
        child: Child,
        launcher: Launcher,
        tell: Callable[[InstanceEvent], None],
    ) -> None:
        self.id = instance.id
        self.spec = spec
        self.child = child
        self.last_words = LastWords()
        self.fields: Mapping[str, object] = {
            "service": instance.service,
            "instance": instance.id,
            "slot": instance.slot,
            "generation": instance.generation,
            "pid": child.pid,
        }
        self._launcher = launcher
        self._tell = tell
        self._endpoint: Endpoint | None = None
        self._watching = anyio.CancelScope()
        self._probing: dict[ProbeKind, anyio.CancelScope] = {}

    def __repr__(self) -> str:
        return f"<Ward {self.id} of {self.child!r}>"

    async def watch(self) -> None:
        """Relay the output, and tell when the leader has exited and when its group is gone."""
        with self._watching:
            async with anyio.create_task_group() as relays:
                self._relay_outputs(relays)
                returncode = await self.child.exited()
                self._tell(LeaderExited(anyio.current_time(), self.id, returncode))
                await self.child.gone()
                # What it said last belongs to the story of its end, so the end is told after it.
                relays.cancel_scope.deadline = anyio.current_time() + PIPES_WAIT
            self._tell(GroupGone(anyio.current_time(), self.id))

    def _relay_outputs(self, relays: TaskGroup) -> None:
        relay = self._launcher.relay_output
        for fd, stream in ((self.child.stdout, "stdout"), (self.child.stderr, "stderr")):
            relays.start_soon(relay, fd, stream, self.fields, self.last_words)

    def prepare(self, command: Probe) -> anyio.CancelScope:
        """Make room for the probe; one of a kind is under way at a time."""
        scope = self._probing[command.kind] = anyio.CancelScope()
        return scope

    async def probe(self, command: Probe, policy: Sidecar, scope: anyio.CancelScope) -> None:
        """Make one probe at its moment and tell what it found."""
        with scope:
            await anyio.sleep_until(command.at)
            self._tell(await self._probe(command.kind, policy))

    def activity(self) -> Activity:
        """What its processes do now."""
        return self._launcher.activity(self.child)

    def release(self) -> None:
        """End its probes: the instance is over."""
        for scope in self._probing.values():
            scope.cancel()

    def abandon(self) -> None:
        """Mind it no longer although its group lives."""
        self.release()
        self._watching.cancel()
        self.child.abandon()

    async def _probe(self, kind: ProbeKind, policy: Sidecar) -> InstanceEvent:
        began = anyio.current_time()
        if kind is ProbeKind.STARTUP or self._endpoint is None:
            return await self._probe_startup(policy.probe_timeout)
        if kind is ProbeKind.READINESS:
            finding = await self._ask(self._endpoint, policy.readiness_timeout)
            return ReadinessProbed(anyio.current_time(), self.id, finding, began)
        finding = await self._ask(self._endpoint, policy.liveness_timeout)
        return LivenessProbed(anyio.current_time(), self.id, finding, began)

    async def _probe_startup(self, seconds: float) -> InstanceEvent:
        """Try every socket it listens on; the one that answers is its endpoint for life."""
        finding = Finding(Outcome.FAILED, "it listens nowhere")
        for endpoint in self._launcher.listeners(self.child):
            finding = await self._launcher.probe(endpoint, self.spec, seconds)
            if finding.outcome is Outcome.PASSED:
                self._endpoint = endpoint
                break
        return StartupProbed(anyio.current_time(), self.id, finding, self._endpoint)

    async def _ask(self, endpoint: Endpoint, seconds: float) -> Finding:
        finding = await self._launcher.probe(endpoint, self.spec, seconds)
        if finding.outcome is not Outcome.FAILED:
            return finding
        return Finding(finding.outcome, finding.detail, self.activity())
