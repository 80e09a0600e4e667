"""StatusBoard: what the supervisor publishes and the gateway reads; the only seam between them.

The supervisor publishes an immutable Snapshot. The gateway reads it, waits for changes of it, and
keeps the one thing the supervisor wants back: how much is in flight on each instance.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum

import anyio


class DaemonPhase(StrEnum):
    """Where the whole daemon stands in its life."""

    BOOT = "boot"
    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"
    UNAVAILABLE = "unavailable"
    FAILED = "failed"
    LAME_DUCK = "lame_duck"
    DRAINING = "draining"
    STOPPING = "stopping"
    EXITED = "exited"


class InstancePhase(StrEnum):
    """Where one process of a service stands in its life."""

    PENDING = "pending"
    SPAWNING = "spawning"
    STARTING = "starting"
    READY = "ready"
    UNREADY = "unready"
    DRAINING = "draining"
    STOPPING = "stopping"
    KILLING = "killing"
    REAPING = "reaping"
    EXITED = "exited"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A loopback TCP address that a service listens on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class InstanceStatus:
    """One instance as others may see it; ``since`` is the monotonic second it entered its phase."""

    id: str
    service: str
    slot: int
    generation: int
    phase: InstancePhase
    since: float
    endpoint: Endpoint | None = None
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole daemon at one moment; all times are monotonic seconds.

    ``retry_at`` is when the next start of a service that is down is due (for Retry-After),
    ``last_failure`` one sentence an operator reads.
    """

    daemon: DaemonPhase = DaemonPhase.BOOT
    since: float = 0.0
    instances: tuple[InstanceStatus, ...] = ()
    generation: int = 1
    restarts: int = 0
    retry_at: float | None = None
    last_failure: str | None = None

    def ready(self, service: str) -> tuple[InstanceStatus, ...]:
        """Instances of ``service`` that may be given a new request now."""
        return tuple(
            i
            for i in self.instances
            if i.service == service and i.phase is InstancePhase.READY and i.endpoint
        )

    def find(self, instance_id: str) -> InstanceStatus | None:
        """The instance with that id, if it is still known."""
        return next((i for i in self.instances if i.id == instance_id), None)


@dataclass(slots=True)
class Load:
    """What is in flight on one instance (or, under the name of a route, in the gateway)."""

    requests: int = 0
    sessions: int = 0


class StatusBoard:
    """Holds the latest Snapshot, wakes those who wait for a change, counts what is in flight."""

    def __init__(self) -> None:
        self._snapshot = Snapshot()
        self._changed = anyio.Event()
        self._load: dict[str, Load] = {}

    @property
    def snapshot(self) -> Snapshot:
        """The latest published Snapshot."""
        return self._snapshot

    def publish(self, snapshot: Snapshot) -> None:
        """Replace the Snapshot and wake every waiter; a Snapshot equal to the present one wakes nobody."""
        if snapshot == self._snapshot:
            return
        self._snapshot = snapshot
        self._wake()

    def amend(self, **changes: object) -> None:
        """Publish the present Snapshot with some fields replaced."""
        self.publish(replace(self._snapshot, **changes))  # type: ignore[arg-type]

    async def wait_for(self, wanted: Callable[[Snapshot], bool]) -> Snapshot:
        """Return as soon as the published Snapshot satisfies ``wanted``; at once if it does already."""
        while not wanted(self._snapshot):
            await self._changed.wait()
        return self._snapshot

    async def changed(self) -> Snapshot:
        """Wait for the next change of the Snapshot or of the load, and return the Snapshot."""
        await self._changed.wait()
        return self._snapshot

    def load(self, key: str) -> Load:
        """What is in flight under ``key`` (an instance id, or a route such as ``api``)."""
        return self._load.get(key, Load())

    @property
    def total(self) -> Load:
        """Everything in flight in the daemon."""
        loads = self._load.values()
        return Load(sum(load.requests for load in loads), sum(load.sessions for load in loads))

    @contextmanager
    def request(self, key: str) -> Generator[None, None, None]:
        """Count one HTTP exchange under ``key`` while the block runs."""
        load = self._load.setdefault(key, Load())
        load.requests += 1
        try:
            yield
        finally:
            load.requests -= 1
            self._settle(key, load)

    @contextmanager
    def session(self, key: str) -> Generator[None, None, None]:
        """Count one open WebSocket under ``key`` while the block runs."""
        load = self._load.setdefault(key, Load())
        load.sessions += 1
        try:
            yield
        finally:
            load.sessions -= 1
            self._settle(key, load)

    def _settle(self, key: str, load: Load) -> None:
        # Waiters care for "nothing left" only; waking them for each request would cost the hot path.
        if load.requests or load.sessions:
            return
        self._load.pop(key, None)
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()
