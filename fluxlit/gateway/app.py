"""The gateway: one ASGI application on the public port that decides who answers, and logs it."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from uuid import uuid4

from structlog.contextvars import bound_contextvars

from fluxlit.config.settings import Settings
from fluxlit.gateway import answers, ops
from fluxlit.gateway.access import ASSET, Exchange
from fluxlit.gateway.admission import Request, Rules
from fluxlit.gateway.asgi import TAKE, WATCH, ASGIApp, Receive, Scope, Send, extensions, raw_path
from fluxlit.gateway.assets import Assets, Question
from fluxlit.gateway.contained import contained
from fluxlit.gateway.http import Ask, HttpRelay
from fluxlit.gateway.inbox import discard
from fluxlit.gateway.parking import CLOSED, NotReady, Parking
from fluxlit.gateway.placement import Placement
from fluxlit.gateway.websocket import WebsocketRelay
from fluxlit.log import get_logger
from fluxlit.protocol import headers as fields
from fluxlit.protocol import origin
from fluxlit.protocol.refusal import Refusal
from fluxlit.protocol.routes import SPOKEN, Redirect, Route, Routes, ToApi, ToOps, ToUi
from fluxlit.relay.client import Relay
from fluxlit.status import DaemonPhase, StatusBoard

API = "api"
"""The board's key for what is in flight in the API."""
API_CLOSED = frozenset({DaemonPhase.STOPPING, DaemonPhase.EXITED})
DENIAL = "websocket.http.response"

log = get_logger("fluxlit.gateway")


def build_gateway(
    settings: Settings,
    board: StatusBoard,
    api: ASGIApp | None,
    relay: Relay,
    *,
    assets: Assets | None = None,
    random: Callable[[], float] = random.random,  # jitter only
) -> ASGIApp:
    """The gateway as an ASGI application; its own lifespan is answered at once.

    ``api`` is served below ``gateway.api_prefix`` with a root_path that tells it so; None answers
    404 there, except to probes. ``assets`` answers in the sidecar's place where it can. Raises
    ValueError for settings that no configuration lets through.
    """
    return Gateway(settings, board, api, relay, assets, random)


class Gateway:
    """Dispatches every exchange: probes first, then the rules, then whoever answers."""

    def __init__(
        self,
        settings: Settings,
        board: StatusBoard,
        api: ASGIApp | None,
        relay: Relay,
        assets: Assets | None,
        random: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._assets = assets
        self._board = board
        self._api = api
        # One name a process: a request that meets it again runs in a circle (RFC 9110 7.6.3).
        self._rules = Rules(settings, pseudonym=f"fluxlit-{uuid4().hex[:8]}".encode())
        self._routes = Routes(settings.gateway.api_prefix, has_api=api is not None)
        self._probes = self._routes.probes(settings.gateway.root_path)
        parking = Parking(board, settings.relay)
        placement = Placement(settings.sidecar, board)
        self._http = HttpRelay(settings, board, relay, parking, placement)
        self._websocket = WebsocketRelay(settings, board, relay, parking, placement, random)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http" and raw_path(scope) in self._probes:
            await self._probe(scope, Exchange(scope, send))
        else:
            await self._serve(scope, receive, Exchange(scope, send))

    async def _probe(self, scope: Scope, exchange: Exchange) -> None:
        """Answer a probe before any rule: whoever asks by address, without a name, is a platform."""
        if scope["method"] in {"GET", "HEAD"}:
            answer = ops.answer(self._probes[raw_path(scope)], self._board.snapshot)
        else:
            refusal = Refusal(405, "Only GET and HEAD.", headers=((b"allow", b"GET, HEAD"),))
            answer = answers.answer(refusal)
        await answers.send_http(answer, exchange.send, head_only=scope["method"] == "HEAD")

    async def _serve(self, scope: Scope, receive: Receive, exchange: Exchange) -> None:
        with bound_contextvars(request_id=exchange.request_id.decode("ascii")):
            try:
                await self._dispatch(scope, receive, exchange)
            except (Refusal, NotReady) as error:
                await self._refuse(scope, exchange, error, receive)
            except Exception as error:
                log.exception("gateway.failed", route=exchange.route)
                await self._refuse(scope, exchange, error)
            finally:
                exchange.done(self._settings.log)

    async def _dispatch(self, scope: Scope, receive: Receive, exchange: Exchange) -> None:
        request = self._rules.admit(scope)
        exchange.client = request.hop.client[0] if request.hop.client else None
        route = self._route(scope, request)
        exchange.route = _NAMES[type(route)]
        match route:
            case ToApi():
                await self._to_api(scope, request, receive, exchange)
            case ToUi(raw):
                if scope["type"] != "http" or not await self._asset(request, raw, exchange):
                    await self._to_ui(scope, request, raw, receive, exchange)
            case ToOps(probe):
                answer = ops.answer(probe, self._board.snapshot)
                await answers.send_http(answer, exchange.send, head_only=request.method == "HEAD")
            case Redirect(location):
                await answers.send_http(answers.redirect(location), exchange.send)

    def _route(self, scope: Scope, request: Request) -> Route:
        if scope["type"] == "websocket":
            return self._routes.websocket(request.path)
        return self._routes.http(request.path, request.method, request.query)

    async def _to_api(
        self, scope: Scope, request: Request, receive: Receive, exchange: Exchange
    ) -> None:
        if self._board.snapshot.daemon in API_CLOSED:
            raise NotReady("The application is shutting down.", 1)
        assert self._api is not None  # noqa: S101 - else there is no such route
        prefix = self._settings.gateway.api_prefix
        inner = self._rules.to_api(scope, request, prefix, exchange.request_id)
        count = self._board.request if scope["type"] == "http" else self._board.session
        with count(API):
            await contained(self._api, inner, receive, exchange.send)

    async def _asset(self, request: Request, raw: bytes, exchange: Exchange) -> bool:
        """Answer for the sidecar if that is possible.

        Files are there in every phase. The page is not: without an instance it would show a
        connection error, where the waiting page says what is going on.
        """
        if self._assets is None:
            return False
        snapshot = self._board.snapshot
        page = snapshot.daemon not in CLOSED and bool(snapshot.ready("ui"))
        question = Question(request.method, raw, request.headers, page)
        answer = await self._assets.answer(question)
        if answer is None:
            return False
        exchange.route = ASSET
        await answers.send_http(answer, exchange.send, head_only=request.method == "HEAD")
        return True

    async def _to_ui(
        self, scope: Scope, request: Request, raw: bytes, receive: Receive, exchange: Exchange
    ) -> None:
        websocket = scope["type"] == "websocket"
        if websocket or request.method not in origin.SAFE_METHODS:
            origin.judge(request.headers, request.hop, self._rules.origins)
        head = self._rules.to_ui(request, raw, exchange.request_id)
        site = self._rules.site(request)
        if websocket:
            head = replace(head, headers=fields.handshake(head.headers))
            extended = DENIAL in (scope.get("extensions") or {})
            ask = Ask(request, head, site, take=extensions(scope).get(TAKE))
            await self._websocket.serve(ask, receive, exchange, extended=extended)
        else:
            watch = extensions(scope).get(WATCH)
            await self._http.serve(Ask(request, head, site, watch), receive, exchange)

    async def _refuse(
        self, scope: Scope, exchange: Exchange, error: Exception, receive: Receive | None = None
    ) -> None:
        """Answer in everybody's place; too late for that, the exchange is left without an end.

        ``receive`` is given where nobody has read of the request.
        """
        if isinstance(error, Refusal) and error.hint:
            log.warning("request.refused", status=error.status, reason=error.hint)
        if exchange.started:
            return
        if scope["type"] == "websocket":
            extended = DENIAL in (scope.get("extensions") or {})
            await answers.deny(answers.answer(error), exchange.send, extended=extended)
            return
        asker = answers.audience(scope["method"], raw_path(scope), scope["headers"], spoken=SPOKEN)
        answer = answers.answer(error, asker)
        unread = receive is not None and fields.declares_body(scope["headers"])
        severs = unread or (isinstance(error, Refusal) and error.severs)
        if severs and scope["http_version"].startswith("1"):
            answer = answers.severing(answer)
        rest = partial(discard, receive) if receive is not None and unread else None
        head_only = scope["method"] == "HEAD"
        await answers.send_http(answer, exchange.send, head_only=head_only, before_end=rest)


_NAMES: dict[type[Route], str] = {ToApi: "api", ToUi: "ui", ToOps: "ops", Redirect: "redirect"}


async def _lifespan(receive: Receive, send: Send) -> None:
    """Say yes to whatever is asked: startup and shutdown are the supervisor's."""
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return
