"""One HTTP request relayed to the sidecar and its answer back, streamed both ways."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import anyio

from fluxlit.config.settings import Settings
from fluxlit.errors import ConnectFailed, FluxlitError, UpstreamClosed, UpstreamProtocolError
from fluxlit.gateway import answers
from fluxlit.gateway.access import Exchange
from fluxlit.gateway.admission import Request
from fluxlit.gateway.asgi import Message, Receive, Take, Watch
from fluxlit.gateway.inbox import Bare, Body, Inbox, is_bare
from fluxlit.gateway.parking import Parking
from fluxlit.gateway.placement import Placement
from fluxlit.log import get_logger
from fluxlit.protocol import headers as fields
from fluxlit.protocol.exchange import RequestHead, ResponseHead
from fluxlit.protocol.headers import Header, first
from fluxlit.protocol.origin import SAFE_METHODS
from fluxlit.protocol.refusal import Refusal, malformed
from fluxlit.protocol.rewriting import Site, fit
from fluxlit.protocol.routes import SPOKEN
from fluxlit.relay.client import Answer, Relay
from fluxlit.status import InstanceStatus, StatusBoard

DIALOG_PATIENCE = 2.0
"""Seconds that Streamlit's own connection checks wait: it asks again and again by itself, and shows
what it is told only after the sixth failure."""

WHOLE = 65_536
"""Bytes up to which an answer is held until it is whole: as much as one read brings anyway."""

RETRIES = 3
"""Further instances that a request is tried on. When all die at once one retry finds the next dead
one; a request that itself kills who serves it must not go through all there are."""

log = get_logger("fluxlit.gateway")


@dataclass(frozen=True, slots=True)
class Ask:
    """A request ready to go up: as the client sent it, as the sidecar sees it, and our place.

    ``watch`` and ``take`` are what the server itself offers, if it does (WATCH and TAKE).
    """

    request: Request
    head: RequestHead
    site: Site
    watch: Watch | None = None
    take: Take | None = None

    @property
    def raw(self) -> bytes:
        """The path below the mount."""
        return self.head.target.partition(b"?")[0]


class HttpRelay:
    """Relays requests to whichever instance is ready."""

    def __init__(
        self,
        settings: Settings,
        board: StatusBoard,
        relay: Relay,
        parking: Parking,
        placement: Placement,
    ) -> None:
        self._limit = settings.gateway.max_body
        self._board = board
        self._relay = relay
        self._parking = parking
        self.placement = placement

    async def serve(self, ask: Ask, receive: Receive, exchange: Exchange) -> None:
        """Answer the request; returns early, without an end, when an answer that had begun broke.

        Whatever is under way for a client is cancelled when it leaves. Our own listener tells that;
        of another server, or beside a body, a task reads all that the client sends.
        """
        first = None if fields.declares_body(ask.request.headers) else await receive()
        if ask.watch is not None and first is not None and is_bare(first):
            inbox = Bare(ask.watch)
            await _Relaying(self, ask, inbox, exchange).run()
            if inbox.left:
                exchange.left()
        else:
            await self._read_along(ask, first, receive, exchange)

    async def _read_along(
        self, ask: Ask, first: Message | None, receive: Receive, exchange: Exchange
    ) -> None:
        """One task reads all that the client sends, this one does the rest."""
        async with anyio.create_task_group() as tasks:
            inbox = Inbox(receive, self._limit, everything=tasks.cancel_scope)
            try:
                if first is not None:
                    inbox.peeked(first)
                tasks.start_soon(inbox.run)
                await _Relaying(self, ask, inbox, exchange).run()
                tasks.cancel_scope.cancel()
            finally:
                inbox.close()
                if inbox.left:
                    exchange.left()

    async def attempt(
        self, relaying: "_Relaying", instance: InstanceStatus, *, without: int = 0
    ) -> bool:
        """One exchange with one instance, counted on the board; answers with status ``without`` are kept back.

        Returns whether the client got the answer.
        """
        assert instance.endpoint is not None  # noqa: S101 - what parking finds has one
        relaying.exchange.instance = instance.id
        with self._board.request(instance.id):
            async with self._relay.exchange(
                instance.endpoint, relaying.ask.head, relaying.inbox.body()
            ) as answer:
                if answer.head.status == without:
                    return False
                await relaying.pass_on(answer, str(instance.endpoint))
                return True

    def too_long(self, request: Request) -> bool:
        """Whether the request says that its body is longer than allowed."""
        length = first(request.headers, b"content-length") or b"0"
        return length.isdigit() and int(length) > self._limit

    @property
    def parking(self) -> Parking:
        """Where requests wait for an instance."""
        return self._parking


class _Relaying:
    """One request on its way: a few attempts, one answer."""

    def __init__(self, relay: HttpRelay, ask: Ask, inbox: Inbox | Bare, exchange: Exchange) -> None:
        self._relay = relay
        self.ask = ask
        self.inbox = inbox
        self.exchange = exchange
        self._patience = DIALOG_PATIENCE if ask.raw in SPOKEN else None

    async def run(self) -> None:
        """Relay, or answer in the sidecar's place."""
        try:
            if self._relay.too_long(self.ask.request):
                raise _too_large()
            with self.inbox.exchange:
                await self._attempts()
            if self.inbox.too_large:
                raise _too_large()
        except FluxlitError as error:
            await self._failed(_too_large() if self.inbox.too_large else error)
        except ValueError as error:
            # The relay refuses to write a head that is no HTTP, or a body of another length.
            log.warning("relay.unsendable", reason=str(error))
            await self._failed(malformed("The request cannot be passed on."))

    async def pass_on(self, answer: Answer, upstream: str) -> None:
        """Send the sidecar's answer to the client, piece by piece.

        A small answer of known length is sent when it is whole, and the head of a larger one with
        the first piece of its body: until then a sidecar that dies costs the client nothing.
        """
        headers = self._cleaned(answer.head, upstream)
        length = _length(headers)
        pieces, held = answer.body, b""
        if length and self.ask.request.method != "HEAD":
            held = await _hold(pieces, WHOLE if length <= WHOLE else 1)
        start = {"status": answer.head.status, "headers": headers}
        await self.exchange.send({"type": "http.response.start", **start})
        left = await self._piece(held, length) if held else length
        async for piece in pieces:
            left = await self._piece(piece, left)
        if not self.inbox.over:
            await self._end(b"")

    async def _piece(self, piece: bytes, left: int | None) -> int | None:
        """Send a piece; what is left of a known length is returned, and its last piece is the end.

        An end of its own costs a write; but there is no end before the request has been read.
        """
        left = None if left is None else left - len(piece)
        self.inbox.over = left == 0 and self.inbox.complete
        more = not self.inbox.over
        await self.exchange.send({"type": "http.response.body", "body": piece, "more_body": more})
        return left

    async def _attempts(self) -> None:
        request, placement = self.ask.request, self._relay.placement
        wish = placement.for_http(self.ask.raw, request.headers)
        instance = await self._relay.parking.instance(self._patience, wish)
        if self.inbox.phase is Body.NONE:
            for other in placement.others(request.method, self.ask.raw, instance):
                if await self._found(instance):
                    return
                instance = other
        await self._until_answered(instance)

    async def _until_answered(self, instance: InstanceStatus) -> None:
        """Ask one instance after the other while each is lost before the client has seen anything."""
        for _ in range(RETRIES):
            try:
                await self._relay.attempt(self, instance)
            except (ConnectFailed, UpstreamClosed) as error:
                if not self._again(error):
                    raise
                log.info("relay.retry", instance=instance.id, reason=str(error))
                instance = await self._relay.parking.replacement(instance, self._patience)
            else:
                return
        await self._relay.attempt(self, instance)

    async def _found(self, instance: InstanceStatus) -> bool:
        """Ask one of several who may have it; one that fails has it not."""
        try:
            return await self._relay.attempt(self, instance, without=404)
        except (ConnectFailed, UpstreamClosed) as error:
            if self.exchange.started:
                raise
            log.info("relay.retry", instance=instance.id, reason=str(error))
            return False

    def _again(self, error: ConnectFailed | UpstreamClosed) -> bool:
        """Whether asking another instance is safe (RFC 9110 9.2.2) and the client has seen nothing."""
        if self.exchange.started:
            return False
        if isinstance(error, ConnectFailed):
            return self.inbox.phase in {Body.NONE, Body.UNTOUCHED}
        return self.ask.request.method in SAFE_METHODS and self.inbox.phase is Body.NONE

    def _cleaned(self, head: ResponseHead, upstream: str) -> list[Header]:
        if not 200 <= head.status <= 599:
            raise UpstreamProtocolError("the service answered with an impossible status")
        if _page_for_asset(self.ask.raw, head):
            raise Refusal(404, "There is no such file.")
        try:
            kept = fields.from_upstream(head.headers, status=head.status)
        except ValueError as error:
            raise UpstreamProtocolError(str(error)) from error
        return fit(kept, site=self.ask.site, upstream=upstream)

    async def _failed(self, error: FluxlitError) -> None:
        """Answer for the error; an answer that has begun is left without an end instead."""
        if self.exchange.started:
            log.warning("relay.broken", instance=self.exchange.instance, reason=str(error))
            return
        request = self.ask.request
        asker = answers.audience(request.method, self.ask.raw, request.headers, spoken=SPOKEN)
        answer = answers.answer(error, asker, self._relay.parking.retry_after())
        if answer.status in {500, 502, 504}:
            log.warning("relay.failed", status=answer.status, reason=str(error))
        severs = not self.inbox.complete and request.version.startswith("1")
        headers = [*answer.headers, (b"connection", b"close")] if severs else answer.headers
        send = self.exchange.send
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await self._end(b"" if request.method == "HEAD" else answer.body)

    async def _end(self, body: bytes) -> None:
        if not self.inbox.complete:
            # The client may not read before it has sent all: first let the answer arrive.
            await self.exchange.send(
                {"type": "http.response.body", "body": body, "more_body": True}
            )
            await self.inbox.settle()
            body = b""
        self.inbox.over = True
        await self.exchange.send({"type": "http.response.body", "body": body, "more_body": False})


async def _hold(pieces: AsyncIterator[bytes], least: int) -> bytes:
    """The first ``least`` bytes of a body, more if they come together, less if it ends before."""
    held = bytearray()
    while len(held) < least:
        try:
            held += await anext(pieces)
        except StopAsyncIteration:
            break
    return bytes(held)


def _length(headers: list[Header]) -> int | None:
    length = first(headers, b"content-length")
    return int(length) if length is not None and length.isdigit() else None


def _page_for_asset(raw: bytes, head: ResponseHead) -> bool:
    """Whether the sidecar answered for a missing asset with its page and 200.

    A tab that is older than the server would take the page for a script
    (https://github.com/streamlit/streamlit/issues/10510).
    """
    kind = first(head.headers, b"content-type") or b""
    return raw.startswith(b"/static/") and head.status == 200 and kind.startswith(b"text/html")


def _too_large() -> Refusal:
    return Refusal(413, "The body is longer than gateway.max_body allows.", severs=True)
