"""What the driver needs of the operating system, as protocols; and their real form.

Everything the supervisor does to a process goes through here, so that tests drive it with made
processes on made clocks.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from fluxlit.config.service import ServiceSpec
from fluxlit.status import Endpoint
from fluxlit.supervisor import output, probes, process
from fluxlit.supervisor.machine.probing import Activity, Finding, Outcome
from fluxlit.supervisor.output import LastWords


class Child(Protocol):
    """One started process and all that it starts; see process.Child."""

    @property
    def pid(self) -> int:
        """The process, and its group."""
        ...

    @property
    def stdout(self) -> int:
        """Read end of its standard output; belongs to whoever relays it."""
        ...

    @property
    def stderr(self) -> int:
        """Read end of its standard error; belongs to whoever relays it."""
        ...

    def members(self) -> list[int]:
        """The processes of it that live."""
        ...

    async def exited(self) -> int:
        """Wait for the leader and give its status (negative: a signal); it stays a zombie."""
        ...

    async def gone(self) -> None:
        """Wait until nothing of the group lives."""
        ...

    def signal(self, number: int) -> None:
        """Send a signal to the whole group."""
        ...

    def reap(self) -> int:
        """After gone(): let go of it and give its status."""
        ...

    def abandon(self) -> None:
        """Let go of it although it lives."""
        ...


class Launcher(Protocol):
    """Starts processes and looks at them."""

    def spawn(self, spec: ServiceSpec, instance: str) -> Child:
        """Start ``spec``; raises SpawnFailed."""
        ...

    def listeners(self, child: Child) -> Sequence[Endpoint]:
        """Where it accepts connections now."""
        ...

    def activity(self, child: Child) -> Activity:
        """What its processes do now."""
        ...

    async def probe(self, endpoint: Endpoint, spec: ServiceSpec, seconds: float) -> Finding:
        """Ask it whether it is up, within ``seconds`` in all."""
        ...

    async def relay_output(
        self, fd: int, stream: str, fields: Mapping[str, object], last_words: LastWords
    ) -> None:
        """Log what comes from ``fd`` until its end, and close it."""
        ...


class ProcessLauncher:
    """The real one. Leaders that are kept as zombies for a while stand in ``owned``."""

    def __init__(self, owned: set[int]) -> None:
        self._owned = owned

    def spawn(self, spec: ServiceSpec, instance: str) -> process.Child:
        """Start ``spec`` in a session of its own; raises SpawnFailed."""
        return process.spawn(spec, instance=instance, owned=self._owned)

    def listeners(self, child: Child) -> Sequence[Endpoint]:
        """The loopback sockets its process group listens on."""
        return probes.listeners(child.pid)

    def activity(self, child: Child) -> Activity:
        """Thread states and CPU time of its process group."""
        found = probes.activity(child.members())
        return Activity(found.states, found.cpu_ticks, found.waiting_in)

    async def probe(self, endpoint: Endpoint, spec: ServiceSpec, seconds: float) -> Finding:
        """One GET of ``spec.ready_path``, which must give ``spec.ready_body``."""
        found = await probes.probe(endpoint, spec.ready_path, spec.ready_body, seconds)
        return Finding(Outcome(found.outcome.value), found.detail)

    async def relay_output(
        self, fd: int, stream: str, fields: Mapping[str, object], last_words: LastWords
    ) -> None:
        """Into the log; see output.py."""
        await output.relay_output(fd, stream=stream, fields=fields, last_words=last_words)
