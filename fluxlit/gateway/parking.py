"""Requests wait here for an instance of the sidecar, bounded in time and number."""

from collections.abc import Generator
from contextlib import contextmanager

import anyio

from fluxlit.config.settings import Relay
from fluxlit.errors import FluxlitError
from fluxlit.protocol.affinity import choose
from fluxlit.status import DaemonPhase, InstancePhase, InstanceStatus, Snapshot, StatusBoard

CLOSED = frozenset(
    {DaemonPhase.FAILED, DaemonPhase.DRAINING, DaemonPhase.STOPPING, DaemonPhase.EXITED}
)
"""Phases in which nobody new is let in, whatever is ready still."""
ALIVE = frozenset({InstancePhase.READY, InstancePhase.UNREADY, InstancePhase.DRAINING})
"""Phases in which an instance keeps the connections that it has."""
NOTICE = 1.0
"""Seconds until the supervisor has noticed a death that we saw first; it takes milliseconds."""
RETRY_LONGEST = 30
"""Seconds in Retry-After at most: whoever waits longer has left."""


class NotReady(FluxlitError):  # noqa: N818 - as the condition that a client is told
    """No instance can be had now; ``retry_after`` is in whole seconds."""

    def __init__(self, reason: str, retry_after: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


class Parking:
    """Finds an instance for a request, now or as soon as one is ready."""

    def __init__(self, board: StatusBoard, settings: Relay, *, service: str = "ui") -> None:
        self._board = board
        self._settings = settings
        self._service = service
        self.waiting = 0

    async def instance(self, patience: float | None = None) -> InstanceStatus:
        """The instance for a new request; waits up to ``patience`` seconds, else park_timeout.

        Raises NotReady at once when the daemon lets nobody in or the places are taken, and after
        the wait when nothing has become ready.
        """
        found = self._look()
        if found is None:
            longest = self._settings.park_timeout
            with self._place():
                found = await self._wait(longest if patience is None else min(patience, longest))
        return found

    async def replacement(self, lost: InstanceStatus, patience: float | None) -> InstanceStatus:
        """An instance after ``lost`` failed under us: wait until the supervisor sees that, too."""
        with anyio.move_on_after(NOTICE):
            await self._board.wait_for(lambda snapshot: not alive(snapshot, lost.id))
        return await self.instance(patience)

    def retry_after(self) -> int:
        """Whole seconds until the next start is due, 1 to 30."""
        due = self._board.snapshot.retry_at
        left = 0.0 if due is None else due - anyio.current_time()
        return max(1, min(RETRY_LONGEST, round(left + 0.5)))

    async def _wait(self, patience: float) -> InstanceStatus:
        found: InstanceStatus | None = None
        with anyio.move_on_after(patience):
            await self._board.wait_for(self._decided)
            found = self._look()
        if found is None:
            raise self._not_ready("The application is not ready yet.")
        return found

    def _decided(self, snapshot: Snapshot) -> bool:
        return snapshot.daemon in CLOSED or bool(snapshot.ready(self._service))

    def _look(self) -> InstanceStatus | None:
        snapshot = self._board.snapshot
        if snapshot.daemon is DaemonPhase.FAILED:
            raise self._not_ready("The application could not be started.")
        if snapshot.daemon in CLOSED:
            raise self._not_ready("The application is shutting down.")
        ready = snapshot.ready(self._service)
        return choose(ready, lambda instance: self._board.load(instance).sessions)

    @contextmanager
    def _place(self) -> Generator[None]:
        if self.waiting >= self._settings.park_limit:
            raise self._not_ready("The application is not ready yet, and too many wait for it.")
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1

    def _not_ready(self, reason: str) -> NotReady:
        return NotReady(reason, self.retry_after())


def alive(snapshot: Snapshot, instance_id: str) -> bool:
    """Whether connections to that instance may live on."""
    instance = snapshot.find(instance_id)
    return instance is not None and instance.phase in ALIVE
