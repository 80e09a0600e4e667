"""The worker context that Hypercorn's protocol classes expect, on anyio."""

from time import monotonic
from typing import Any

import anyio
from hypercorn.typing import SingleTask


class Flag:
    """An event that can be lowered again; waiting for a raised flag does not give up the turn."""

    __slots__ = ("_event", "_raised")

    def __init__(self) -> None:
        self._raised = False
        self._event: anyio.Event | None = None

    def up(self) -> None:
        """Raise it and wake whoever waits."""
        self._raised = True
        if self._event is not None:
            self._event.set()
            self._event = None

    def down(self) -> None:
        """Lower it; those woken before go on."""
        self._raised = False

    async def set(self) -> None:
        """Raise it, as Hypercorn calls it."""
        self.up()

    async def clear(self) -> None:
        """Lower it, as Hypercorn calls it."""
        self.down()

    def is_set(self) -> bool:
        """Whether it is raised."""
        return self._raised

    async def wait(self) -> None:
        """Return once it is raised."""
        if self._raised:
            return
        if self._event is None:
            self._event = anyio.Event()
        await self._event.wait()


class NoTask:
    """Hypercorn's idle task, which only its HTTP/3 starts: here deadlines are looked at by one watcher."""

    async def restart(self, task_group: Any, action: Any) -> None:  # noqa: ANN401 - as Hypercorn declares it
        """Nothing."""

    async def stop(self) -> None:
        """Nothing."""


class Context:
    """What connections share: whether the server is stopping."""

    event_class = Flag
    single_task_class: type[SingleTask] = NoTask

    def __init__(self) -> None:
        self.terminate = Flag()
        self.terminated = Flag()

    async def mark_request(self) -> None:
        """Requests are not counted: the daemon is not restarted by their number."""

    @staticmethod
    async def sleep(wait: float) -> None:
        """Sleep for so many seconds."""
        await anyio.sleep(wait)

    @staticmethod
    def time() -> float:
        """The monotonic clock, in seconds."""
        return monotonic()
