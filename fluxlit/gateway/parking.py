"""Requests wait here for an instance of the sidecar, bounded in time and number."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

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


@dataclass(frozen=True, slots=True)
class Wish:
    """The instance that a request would rather have.

    It is taken in the phases ``fit``. ``own`` means that only it can answer: while it is unready
    the request waits for it, and goes elsewhere only when it is no more.
    """

    instance: str
    fit: frozenset[InstancePhase] = frozenset({InstancePhase.READY})
    own: bool = False


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

    async def instance(
        self, patience: float | None = None, wish: Wish | None = None
    ) -> InstanceStatus:
        """The instance for a request; waits up to ``patience`` seconds, else park_timeout.

        Raises NotReady at once when the daemon lets nobody in or the places are taken, and after
        the wait when nothing has become ready.
        """
        found = self._look(wish)
        if found is None:
            longest = self._settings.park_timeout
            seconds = longest if patience is None else min(patience, longest)
            with self._place():
                found = await self._wait(seconds, wish)
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

    async def _wait(self, patience: float, wish: Wish | None) -> InstanceStatus:
        found: InstanceStatus | None = None
        with anyio.move_on_after(patience):
            await self._board.wait_for(partial(self._decided, wish))
            found = self._look(wish)
        if found is None:
            raise self._not_ready("The application is not ready yet.")
        return found

    def _decided(self, wish: Wish | None, snapshot: Snapshot) -> bool:
        if snapshot.daemon in CLOSED:
            return True
        return bool(snapshot.ready(self._service)) and not _worth_waiting(snapshot, wish)

    def _look(self, wish: Wish | None) -> InstanceStatus | None:
        snapshot = self._board.snapshot
        if snapshot.daemon is DaemonPhase.FAILED:
            raise self._not_ready("The application could not be started.")
        if snapshot.daemon in CLOSED:
            raise self._not_ready("The application is shutting down.")
        wished = snapshot.find(wish.instance) if wish else None
        if wish and wished and wished.endpoint and wished.phase in wish.fit:
            return wished
        if _worth_waiting(snapshot, wish):
            return None
        ready = snapshot.ready(self._service)
        return choose(
            ready,
            lambda instance: self._board.load(instance).sessions,
            generation=snapshot.generation,
        )

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


def _worth_waiting(snapshot: Snapshot, wish: Wish | None) -> bool:
    """Whether what only one instance can answer must wait until that one is ready again, or gone."""
    wished = snapshot.find(wish.instance) if wish and wish.own else None
    return wished is not None and wished.phase is InstancePhase.UNREADY


def alive(snapshot: Snapshot, instance_id: str) -> bool:
    """Whether connections to that instance may live on."""
    instance = snapshot.find(instance_id)
    return instance is not None and instance.phase in ALIVE
