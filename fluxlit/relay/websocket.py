"""The upstream side of one relayed WebSocket: carries out what the table in protocol decides.

One task reads, so that pings are answered while the browser is slow; one task keeps the clock.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from math import inf
from secrets import token_bytes

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from fluxlit.config.settings import Relay as Settings
from fluxlit.errors import UpstreamClosed
from fluxlit.protocol.closing import GOING_AWAY, INTERNAL_ERROR, Closed, Message, sendable
from fluxlit.protocol.framing import PIECE, Frames, frame
from fluxlit.protocol.handshake import Accepted
from fluxlit.protocol.websocket import (
    ClientClosed,
    CloseTimedOut,
    Command,
    Deliver,
    Event,
    HangUp,
    Phase,
    PingDue,
    SendClose,
    SendPing,
    SendPong,
    SilenceLasted,
    UpstreamEnded,
    step,
)
from fluxlit.relay.inbox import Inbox
from fluxlit.relay.stream import Stream, StreamBroken
from fluxlit.relay.unwrap import sole

# What may wait for a slow browser besides one message of any size.
ROOM = 65536

# Characters or bytes of a message that may be sent without waiting; as UTF-8 it is one piece still.
OFFERED = PIECE // 4
# Bytes of unanswered pings' answers that are kept.
MOST_CONTROL = 4096

# Seconds that a cancelled or failed relay spends on its Close frame; the peer learns it from the
# end of the connection otherwise.
FAREWELL = 0.2


class UpstreamSocket:
    """An open WebSocket to an upstream; one task may receive while another sends.

    ``headers`` are those of the 101, ``subprotocol`` is the upstream's choice.
    """

    def __init__(
        self, stream: Stream, accepted: Accepted, settings: Settings, max_message: int
    ) -> None:
        self.headers = accepted.headers
        self.subprotocol = accepted.subprotocol
        self._leftover = accepted.leftover
        self._stream = stream
        self._settings = settings
        self._frames = Frames(max_message)
        self._phase = Phase.OPEN
        self._inbox = Inbox(ROOM)
        self._over = anyio.Event()
        self._writing = anyio.Lock(fast_acquire=True)
        # What the upstream has not yet taken of an offered message.
        self._unsent = b""
        # Offered each message before it is held; whoever says True has passed it on.
        self.taker: Callable[[str | bytes], bool] = _nobody
        self._control = bytearray()
        self._heard = anyio.current_time()
        self._listening = False
        self._tasks: TaskGroup

    async def receive(self) -> Message | Closed:
        """The next message, or how it ended; once ended, the same again."""
        return await self._inbox.take()

    async def send(self, data: str | bytes) -> None:
        """Send a message as one frame; waits while the upstream does not read.

        Raises UpstreamClosed once either side has closed. A cancelled send ends the connection: a
        frame of which a part is sent cannot be followed by anything.
        """
        async with self._writing:
            if self._phase is not Phase.OPEN:
                raise UpstreamClosed("the WebSocket is closed", received_head=True)
            try:
                await self._send_control_frames()  # an answer to a ping is not overtaken
                await self._send_frame(data)
            except StreamBroken as exc:
                raise UpstreamClosed(str(exc), received_head=True) from exc
            except BaseException:
                self._stream.close()
                raise

    def offer(self, data: str | bytes) -> bool:
        """Send a message at once if the upstream takes it; False if nothing of it is sent."""
        busy = self._writing.locked() or self._unsent or self._control
        if busy or self._phase is not Phase.OPEN or len(data) > OFFERED:
            return False
        (piece,) = frame(data, token_bytes(4))
        try:
            taken = self._stream.try_send(piece)
        except StreamBroken:
            return True  # the reader learns the same and tells it
        if 0 < taken < len(piece):
            self._unsent = piece[taken:]
            self._tasks.start_soon(self._send_rest)
        return taken > 0

    async def close(self, code: int | None = None, reason: str = "") -> None:
        """Close, unless it is closed, and wait until it is over: at most the closing timeout.

        A ``code`` that may not be sent becomes an empty Close frame. Messages that were not
        received yet are lost.
        """
        await self._apply(_farewell(code, reason))
        await self._over.wait()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """The reader and the clock run while the block does; afterwards the connection is closed."""
        try:
            async with anyio.create_task_group() as self._tasks:
                self._tasks.start_soon(self._read)
                self._tasks.start_soon(self._keep_time)
                try:
                    yield
                    await self.close(GOING_AWAY)
                except BaseException as exc:
                    await self._say_farewell(exc)
                    raise
                finally:
                    self._tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise sole(group)  # noqa: B904 - the group stays as the context
        finally:
            self._stream.close()

    async def _say_farewell(self, exc: BaseException) -> None:
        code = INTERNAL_ERROR if isinstance(exc, Exception) else GOING_AWAY
        with anyio.move_on_after(FAREWELL, shield=True):
            await self._apply(_farewell(code, ""))

    async def _send_frame(self, data: str | bytes) -> None:
        await self._flush()
        many = len(data) > PIECE
        for piece in frame(data, token_bytes(4)):
            await self._stream.send(piece)
            if many:
                await checkpoint()  # masking 200 MB takes a quarter of a second in all

    async def _send_rest(self) -> None:
        async with self._writing:
            await self._send_quietly(b"")

    async def _flush(self) -> None:
        rest, self._unsent = self._unsent, b""
        if rest:
            await self._stream.send(rest)

    async def _read(self) -> None:
        await self._feed(self._leftover)
        while not self._over.is_set():
            data = await self._listen()
            if data:
                await self._feed(data)
            elif not self._over.is_set():
                await self._apply(UpstreamEnded())

    async def _listen(self) -> bytes:
        self._heard = anyio.current_time()
        self._listening = True
        try:
            return await self._stream.receive()
        except StreamBroken:
            return b""
        finally:
            self._listening = False

    async def _feed(self, data: bytes) -> None:
        for event in self._frames.receive(data):
            if self._phase is Phase.CLOSED:
                return
            await self._apply(event)

    async def _keep_time(self) -> None:
        interval = self._settings.websocket_ping_interval
        ping = anyio.current_time() + interval
        while self._phase is not Phase.CLOSED:
            with anyio.CancelScope(deadline=min(ping, self._silent_at())):
                await self._over.wait()
            if anyio.current_time() >= self._silent_at():
                await self._apply(SilenceLasted())
            elif anyio.current_time() >= ping:
                await self._apply(PingDue())
                ping = anyio.current_time() + interval

    def _silent_at(self) -> float:
        # Who does not listen, because the browser is slow, cannot call the upstream silent.
        timeout = self._settings.websocket_ping_timeout
        return self._heard + timeout if self._listening else inf

    async def _limit_closing(self) -> None:
        with anyio.move_on_after(self._settings.websocket_close_timeout):
            await self._over.wait()
            return
        await self._apply(CloseTimedOut())

    async def _apply(self, event: Event) -> None:
        before = self._phase
        self._phase, commands = step(before, event)
        if self._phase is not before:
            self._leave(before)
        for command in commands:
            await self._carry_out(command)

    def _leave(self, before: Phase) -> None:
        if self._phase is Phase.CLIENT_CLOSED:
            self._inbox.drop()
        if before is Phase.OPEN and self._phase is not Phase.CLOSED:
            self._tasks.start_soon(self._limit_closing)

    async def _carry_out(self, command: Command) -> None:
        match command:
            case Deliver(what):
                await self._deliver(what)
            case SendPong(payload):
                self._queue(self._frames.pong(payload))
            case SendPing():
                self._queue(self._frames.ping())
            case SendClose(code, reason):
                await self._send_close(self._frames.close(code, reason))
            case HangUp():
                self._stream.close()
                self._over.set()

    async def _deliver(self, what: Message | Closed) -> None:
        if isinstance(what, Message):
            if not (self._inbox.empty and self.taker(what.data)):
                await self._inbox.put(what)
        else:
            self._inbox.close(what)

    def _queue(self, data: bytes) -> None:
        # In a task of its own: while the upstream does not read, a reader that waits to answer a
        # ping would stop reading, and both sides would wait for each other.
        idle = not self._control
        if len(self._control) > MOST_CONTROL:
            self._control.clear()  # of many unanswered pings the last is enough (RFC 6455 5.5.3)
        self._control += data
        if idle:
            self._tasks.start_soon(self._send_control)

    async def _send_control(self) -> None:
        async with self._writing:
            if self._phase is Phase.OPEN:
                with suppress(StreamBroken):  # the reader learns the same and tells it
                    await self._send_control_frames()

    async def _send_control_frames(self) -> None:
        await self._flush()  # a frame that is sent in part goes first, whole
        if self._control:
            data, self._control = bytes(self._control), bytearray()
            await self._stream.send(data)

    async def _send_close(self, data: bytes) -> None:
        with anyio.move_on_after(self._settings.websocket_close_timeout):
            async with self._writing:
                await self._send_quietly(data)

    async def _send_quietly(self, data: bytes) -> None:
        try:
            await self._flush()
            if data:
                await self._stream.send(data)
        except StreamBroken:
            return  # the reader learns the same and tells it


def _nobody(_data: str | bytes) -> bool:
    return False


def _farewell(code: int | None, reason: str) -> ClientClosed:
    if code is None or not sendable(code):
        return ClientClosed(None, "")
    return ClientClosed(code, reason)
