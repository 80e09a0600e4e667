"""The tasks of one connection: an application's queue that cannot deadlock, and its containment."""

from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import anyio
from anyio.lowlevel import checkpoint

from fluxlit.gateway.asgi import TAKE, WATCH, ASGIApp, Message
from fluxlit.gateway.server.context import Flag
from fluxlit.gateway.server.limits import QUEUED_BYTES, QUEUED_MESSAGES
from fluxlit.log import get_logger, redact_path

log = get_logger("fluxlit.gateway.server")

DISCONNECTS = frozenset({"http.disconnect", "websocket.disconnect"})


def size(message: Message) -> int:
    """Bytes of payload in a message to the application (characters, for text)."""
    return len(message.get("body") or message.get("bytes") or message.get("text") or b"")


class AppQueue:
    """What the client sent and the application has not received yet.

    Plain Hypercorn lets a disconnect wait for room in the queue, so an application that answers
    without reading never ends (measured). Here a disconnect never waits, frees whoever does, and is
    what every further receive() returns; once the application has ended, anything is taken.
    """

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._bytes = 0
        self._last: Message | None = None
        self._closed = False
        self._filled = Flag()
        self._room = Flag()
        self._on_left: Callable[[], None] | None = None
        self._taker: Callable[[Message], bool] | None = None

    async def put(self, message: Any) -> None:  # noqa: ANN401 - Hypercorn's own event types
        """Hand over a message; waits while the application has too much before it."""
        if message["type"] in DISCONNECTS:
            if self._last is None:
                self._last = message
                self._tell()
            self.close()
            return
        if self._taker is not None and not self._messages and self._taker(message):
            return
        while self._is_full() and not self._closed:
            self._room.down()
            await self._room.wait()
        if self._closed:
            return
        self._messages.append(message)
        self._bytes += size(message)
        self._filled.up()

    async def get(self) -> Message:
        """The next message; after the last one, the disconnect again and again."""
        while not self._messages:
            if self._last is not None:
                await checkpoint()
                return self._last
            self._filled.down()
            await self._filled.wait()
        message = self._messages.popleft()
        self._bytes -= size(message)
        self._room.up()
        return message

    def watch(self, on_left: Callable[[], None]) -> None:
        """Call ``on_left`` as soon as the disconnect is here: cheaper than a task that waits for it."""
        self._on_left = on_left
        if self._last is not None:
            self._tell()

    def take(self, taker: Callable[[Message], bool]) -> None:
        """Offer each message to ``taker`` while none waits here; what it says False to is queued."""
        self._taker = taker

    def _tell(self) -> None:
        on_left, self._on_left = self._on_left, None
        if on_left is not None:
            on_left()

    def close(self) -> None:
        """Take nothing more; frees whoever waits on either end."""
        self._closed = True
        self._room.up()
        self._filled.up()

    def _is_full(self) -> bool:
        return len(self._messages) >= QUEUED_MESSAGES or self._bytes >= QUEUED_BYTES


class Tasks:
    """The task group of a connection, in the form Hypercorn's streams use it.

    ``lost`` is called when an application ends in a way that leaves its exchange unfinished.
    """

    def __init__(self, lost: Callable[[], None]) -> None:
        self._group = anyio.create_task_group()
        self._lost = lost

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return await self._group.__aexit__(kind, error, trace)

    def cancel(self) -> None:
        """Cancel everything in it."""
        self._group.cancel_scope.cancel()

    def spawn(self, func: Callable[..., Any], *args: object) -> None:
        """Start a task, as Hypercorn calls it."""
        self._group.start_soon(func, *args)

    async def spawn_app(
        self,
        app: Any,  # noqa: ANN401 - Hypercorn's AppWrapper; ours is the plain ASGI application
        config: object,  # noqa: ARG002 - as Hypercorn calls it
        scope: Any,  # noqa: ANN401
        send: Callable[[Any], Awaitable[None]],
    ) -> Callable[[Any], Awaitable[None]]:
        """Start the application for one scope; returns how to hand it messages."""
        queue = AppQueue()
        scope.setdefault("extensions", {}).update({WATCH: queue.watch, TAKE: queue.take})
        self._group.start_soon(self._run, app, scope, queue, send, name="asgi")
        return queue.put

    async def _run(
        self,
        app: ASGIApp,
        scope: Any,  # noqa: ANN401 - Hypercorn's own type
        queue: AppQueue,
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """The application from start to end; its errors are logged and go no further."""
        ended = False
        try:
            await contained(
                app(scope, queue.get, send),
                "gateway.app_failed",
                path=redact_path(scope["raw_path"]),
            )
            queue.close()
            await send(None)
            ended = True
        finally:
            queue.close()
            if not ended:
                self._lost()


async def contained(work: Awaitable[None], event: str, **fields: object) -> None:
    """Await work; its errors end here as one event in the log, cancellation and the interrupt pass.

    On trio a group may hold errors beside a cancellation; the errors are logged and the rest goes on.
    """
    try:
        await work
    except Exception as error:
        log.exception(event, error=f"{type(error).__name__}: {error}", **fields)
    except BaseExceptionGroup as group:
        errors, rest = group.split(Exception)
        if errors is not None:
            log.exception(event, error=f"{type(errors).__name__}: {errors}", **fields)
        if rest is not None:
            raise rest from None
