"""One WebSocket relayed to the sidecar: its handshake, its messages both ways, its end."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import anyio

from fluxlit.config.settings import Settings
from fluxlit.errors import ConnectFailed, FluxlitError, UpstreamClosed, UpstreamProtocolError
from fluxlit.gateway import answers
from fluxlit.gateway.access import Exchange
from fluxlit.gateway.asgi import Message as Event
from fluxlit.gateway.asgi import Receive
from fluxlit.gateway.http import Ask
from fluxlit.gateway.parking import CLOSED, Parking, alive
from fluxlit.gateway.placement import LISTENED, Placement
from fluxlit.log import get_logger
from fluxlit.protocol import closing
from fluxlit.protocol import headers as fields
from fluxlit.protocol.closing import Closed
from fluxlit.protocol.exchange import RequestHead
from fluxlit.protocol.headers import Header
from fluxlit.protocol.rewriting import fit
from fluxlit.relay.client import HandshakeRefused, Relay, UpstreamSocket
from fluxlit.status import InstancePhase, InstanceStatus, Snapshot, StatusBoard

GOODBYE = 2.0
"""Seconds that one side may take to end after the other has ended."""
NOTICE = 0.5
"""Seconds until the supervisor has noticed the death that cut a connection; milliseconds, mostly."""
SPREAD = 1.0
"""Seconds over which open WebSockets are told to come again, so that they do not all come at once."""

SLOW = 20.0
SLOW_RATE = 65_536
"""Seconds that a client may take for a message, and bytes a second that it must take of a large one.
What is not taken at all is the listener's to notice."""

log = get_logger("fluxlit.gateway")


@dataclass(frozen=True, slots=True)
class End:
    """Why a session ends: what the client is told, and what the sidecar; None tells nothing."""

    to_client: tuple[int, str] | None = None
    to_upstream: tuple[int | None, str] | None = None


class WebsocketRelay:
    """Relays WebSockets to whichever instance is ready."""

    def __init__(
        self,
        settings: Settings,
        board: StatusBoard,
        relay: Relay,
        parking: Parking,
        placement: Placement,
        random: Callable[[], float],
    ) -> None:
        self.board = board
        self.placement = placement
        self.relay = relay
        self.parking = parking
        total = settings.shutdown.total
        self._spread = min(SPREAD, SPREAD if total is None else total / 3)
        self._drain = settings.sidecar.drain
        self._random = random

    async def serve(
        self, ask: Ask, receive: Receive, exchange: Exchange, *, extended: bool
    ) -> None:
        """Open, relay and end one WebSocket; ``extended`` servers can answer with a status."""
        async with anyio.create_task_group() as tasks:
            session = _Session(self, receive, exchange, tasks.cancel_scope)
            if ask.take is not None:
                ask.take(session.pass_up)
            tasks.start_soon(session.read_client)
            try:
                await self._open(ask, session, extended=extended)
            finally:
                tasks.cancel_scope.cancel()
                if session.client_end is not None:
                    exchange.left()

    def jitter(self) -> float:
        """Seconds by which one session's end is put off."""
        return self._spread * self._random()

    def patience(self) -> float:
        """Seconds that one session may stay on an instance that is replaced."""
        return self._drain * self._random()

    async def _open(self, ask: Ask, session: "_Session", *, extended: bool) -> None:
        async with AsyncExitStack() as stack:
            try:
                instance, upstream = await self._handshake(ask, session, stack)
                _check_choice(ask.head, upstream)
            except HandshakeRefused as refused:
                await answers.deny(_refusal(refused, ask), session.exchange.send, extended=extended)
                return
            except FluxlitError as error:
                log.warning("websocket.failed", reason=str(error))
                answer = answers.answer(error, retry_after=self.parking.retry_after())
                await answers.deny(answer, session.exchange.send, extended=extended)
                return
            cookies = _cookies(upstream, ask, instance)
            own = self.placement.cookie(instance, ask.request.headers, ask.site)
            await session.accept(upstream, [*cookies, *own])
            await session.relay(upstream, instance)

    async def _handshake(
        self, ask: Ask, session: "_Session", stack: AsyncExitStack
    ) -> tuple[InstanceStatus, UpstreamSocket]:
        wish = self.placement.for_websocket(ask.request.headers)
        instance = await self.parking.instance(wish=wish)
        try:
            return instance, await self._connect(ask, session, stack, instance)
        except (ConnectFailed, UpstreamClosed) as error:
            log.info("websocket.retry", instance=instance.id, reason=str(error))
        instance = await self.parking.replacement(instance, None)
        return instance, await self._connect(ask, session, stack, instance)

    async def _connect(
        self, ask: Ask, session: "_Session", stack: AsyncExitStack, instance: InstanceStatus
    ) -> UpstreamSocket:
        assert instance.endpoint is not None  # noqa: S101 - what parking finds has one
        session.exchange.instance = instance.id
        async with AsyncExitStack() as attempt:
            # Counted before it is open: many that come at once would all find the same one idle.
            attempt.enter_context(self.board.session(instance.id))
            upstream = await attempt.enter_async_context(
                self.relay.websocket(instance.endpoint, ask.head)
            )
            stack.push_async_exit(attempt.pop_all())
        return upstream


class _Session:
    """The two pumps of one WebSocket, one message in hand each, and who ended it."""

    def __init__(
        self,
        relay: WebsocketRelay,
        receive: Receive,
        exchange: Exchange,
        everything: anyio.CancelScope,
    ) -> None:
        self._relay = relay
        self._receive = receive
        self._everything = everything
        self._upstream: UpstreamSocket | None = None
        self._pumping = anyio.CancelScope()
        self._sending = False
        self._going_up = False
        self._end: End | None = None
        self._client_gone = anyio.Event()
        self.client_end: Event | None = None
        self.exchange = exchange

    async def read_client(self) -> None:
        """Read all that the client sends, hand it up, and note how it ends."""
        while True:
            event = await self._receive()
            if event["type"] == "websocket.disconnect":
                break
            if event["type"] == "websocket.receive":
                self._going_up = True
                await self._send_up(event)
                self._going_up = False
        self._client_gone.set()
        if self._end is None:
            self.client_end = event
            self.exchange.close_code = self.exchange.close_code or event.get("code")
            code = closing.to_upstream(event.get("code"), event.get("reason") or "")
            self._stop(End(to_upstream=code))
            if self._upstream is None:
                self._everything.cancel()

    async def accept(self, upstream: UpstreamSocket, headers: list[Header]) -> None:
        """Tell the client what the sidecar has chosen."""
        chosen = upstream.subprotocol
        self._upstream = upstream
        await self.exchange.send(
            {
                "type": "websocket.accept",
                "subprotocol": chosen.decode("latin-1") if chosen is not None else None,
                "headers": headers,
            }
        )

    async def relay(self, upstream: UpstreamSocket, instance: InstanceStatus) -> None:
        """Relay until either side ends or the instance is taken away; then tell the other side."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch, instance)
            with self._pumping:
                closed = await self._read_upstream(upstream, instance)
                if closed is not None:
                    await self._upstream_ended(closed, instance)
            tasks.cancel_scope.cancel()
        await self._finish(upstream)

    def pass_up(self, event: Event) -> bool:
        """Send a message of the client up at once, if the sidecar takes it; else False.

        Spares a task and a queue a message, each way: measured, 11 of 70 microseconds for an echo.
        """
        upstream = self._upstream
        if event["type"] != "websocket.receive" or upstream is None or self._end is not None:
            return False
        if self._going_up:
            return False
        text = event.get("text")
        return upstream.offer(text if text is not None else bytes(event["bytes"]))

    def _pass_down(self, data: str | bytes) -> bool:
        """Send a message of the sidecar down at once, if the client takes it; else False."""
        if self._end is not None or self._sending:
            return False
        return self.exchange.offer(data)

    async def _send_up(self, event: Event) -> None:
        text, upstream = event.get("text"), self._upstream
        if upstream is None or self._end is not None:
            return
        try:
            await upstream.send(text if text is not None else bytes(event["bytes"]))
        except UpstreamClosed:
            # The other pump learns why; from here on the client is read for its end only.
            return

    async def _read_upstream(
        self, upstream: UpstreamSocket, instance: InstanceStatus
    ) -> Closed | None:
        placement, listening = self._relay.placement, LISTENED
        while self._end is None:
            message = await upstream.receive()
            if isinstance(message, Closed):
                return message
            if listening and isinstance(message.data, bytes):
                listening = 0 if placement.hear(message.data, instance) else listening - 1
            if not listening:
                # Not earlier: what is passed down at once is not seen here.
                upstream.taker = self._pass_down
            kind = "text" if isinstance(message.data, str) else "bytes"
            self._sending = True
            with anyio.move_on_after(SLOW + len(message.data) / SLOW_RATE) as patience:
                await self.exchange.send({"type": "websocket.send", kind: message.data})
            self._sending = False
            if patience.cancelled_caught:
                self._give_up(instance)
        return None

    def _give_up(self, instance: InstanceStatus) -> None:
        """The client does not read: what waits for it must not grow, nor keep the sidecar busy."""
        log.warning("websocket.slow", instance=instance.id)
        told = (closing.TRY_AGAIN_LATER, "the client reads too slowly")
        self._end = self._end or End(to_client=told, to_upstream=(closing.GOING_AWAY, ""))

    async def _upstream_ended(self, closed: Closed, instance: InstanceStatus) -> None:
        restarting = False
        if not closed.clean:
            with anyio.move_on_after(NOTICE):
                await self._relay.board.wait_for(lambda s: not alive(s, instance.id))
                restarting = True
            log.info("websocket.cut", instance=instance.id, code=closed.code, restarting=restarting)
        if self._end is None:
            self._end = End(to_client=closing.to_client(closed, restarting=restarting))

    async def _watch(self, instance: InstanceStatus) -> None:
        """End the session when the daemon or its instance drains (spread in time), or that is no more."""

        def over(snapshot: Snapshot) -> bool:
            return snapshot.daemon in CLOSED or not alive(snapshot, instance.id)

        board = self._relay.board
        snapshot = await board.wait_for(lambda s: over(s) or _leaves(s, instance.id))
        if not over(snapshot):
            with anyio.move_on_after(self._relay.patience()):
                snapshot = await board.wait_for(over)
        if alive(snapshot, instance.id) and snapshot.daemon in CLOSED:
            await anyio.sleep(self._relay.jitter())
        told = (closing.RESTARTING, "the application restarts")
        self._stop(End(to_client=told, to_upstream=(closing.GOING_AWAY, "")))

    def _stop(self, end: End) -> None:
        # A message that is being written is not cut: what follows it would be read as its rest.
        self._end = self._end or end
        if self._sending and end.to_client is not None:
            self._pumping.deadline = anyio.current_time() + GOODBYE
        else:
            self._pumping.cancel()

    async def _finish(self, upstream: UpstreamSocket) -> None:
        end = self._end or End()
        with anyio.move_on_after(2 * GOODBYE, shield=True):
            if end.to_upstream is not None:
                with anyio.move_on_after(GOODBYE):
                    await upstream.close(*end.to_upstream)
            if end.to_client is not None:
                code, reason = end.to_client
                event = {"type": "websocket.close", "code": code, "reason": reason}
                await self.exchange.send(event)
                # Closing at once would turn unread bytes into a reset that destroys the Close frame.
                with anyio.move_on_after(GOODBYE):
                    await self._client_gone.wait()


def _leaves(snapshot: Snapshot, instance_id: str) -> bool:
    """Whether the instance drains, because another one has taken its place."""
    instance = snapshot.find(instance_id)
    return instance is not None and instance.phase is InstancePhase.DRAINING


def _check_choice(head: RequestHead, upstream: UpstreamSocket) -> None:
    """A subprotocol that was not offered would make every browser fail (RFC 6455 4.1)."""
    offered = fields.listed(head.headers, b"sec-websocket-protocol")
    if upstream.subprotocol is not None and upstream.subprotocol not in offered:
        raise UpstreamProtocolError("the service chose a subprotocol that was not offered")


def _cookies(upstream: UpstreamSocket, ask: Ask, instance: InstanceStatus) -> list[Header]:
    kept = [field for field in upstream.headers if field[0] == b"set-cookie"]
    return fit(kept, site=ask.site, upstream=str(instance.endpoint))


def _refusal(refused: HandshakeRefused, ask: Ask) -> answers.Answer:
    """The sidecar's own answer to the handshake; its body was read, so its length is known."""
    status = refused.head.status if 200 <= refused.head.status <= 599 else 502
    gone = {b"content-length"}
    headers = fields.from_upstream(refused.head.headers, status=status)
    kept = fit([h for h in headers if h[0] not in gone], site=ask.site, upstream="")
    length = (b"content-length", b"%d" % len(refused.body))
    return answers.Answer(status, [*kept, length], refused.body)
