"""Our own answers: what went wrong decides the status, who asks decides the form. One total table."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from fluxlit.errors import (
    ConnectFailed,
    FluxlitError,
    UpstreamClosed,
    UpstreamProtocolError,
    UpstreamTimeout,
)
from fluxlit.gateway.asgi import Send
from fluxlit.gateway.parking import NotReady
from fluxlit.gateway.waiting import POLICY, page
from fluxlit.protocol.headers import Header, Headers, first
from fluxlit.protocol.refusal import Refusal


class Audience(Enum):
    """Who reads an answer of ours."""

    PERSON = "a page in the browser's window"
    DIALOG = "Streamlit's client, which shows the body as one sentence"
    PROGRAM = "anything else"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one kind of error means: the status, a title, whether asking again can help."""

    status: int
    title: str
    again: bool = False


VERDICTS: Mapping[type[FluxlitError], Verdict] = {
    NotReady: Verdict(503, "The application is starting", again=True),
    ConnectFailed: Verdict(502, "The application cannot be reached", again=True),
    UpstreamClosed: Verdict(502, "The application ended the connection", again=True),
    UpstreamProtocolError: Verdict(502, "The application gave no readable answer"),
    UpstreamTimeout: Verdict(504, "The application did not answer in time", again=True),
}
"""Every error that may end an exchange before its answer began; Refusal carries its own status."""

UNEXPECTED = Verdict(500, "Something went wrong here")
TITLES = {400: "Bad request", 403: "Forbidden", 404: "Not found", 405: "Method not allowed"}


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Headers
    body: bytes


def audience(method: str, raw: bytes, headers: Headers, *, spoken: frozenset[bytes]) -> Audience:
    """Who asks: a browser that navigates, Streamlit's dialog (paths in ``spoken``), or a program."""
    if raw in spoken:
        return Audience.DIALOG
    accepts = b"text/html" in (first(headers, b"accept") or b"").lower()
    navigates = first(headers, b"sec-fetch-mode") in {None, b"navigate"}
    return Audience.PERSON if method == "GET" and accepts and navigates else Audience.PROGRAM


def answer(error: Exception, asker: Audience = Audience.PROGRAM, retry_after: int = 1) -> Answer:
    """The answer to a request that ended in ``error``; anything unknown is a 500 without details."""
    if isinstance(error, Refusal):
        return _refused(error, asker)
    verdict = (
        VERDICTS.get(type(error), UNEXPECTED) if isinstance(error, FluxlitError) else UNEXPECTED
    )
    detail = _detail(error, verdict)
    headers: list[Header] = []
    if verdict.again:
        retry_after = error.retry_after if isinstance(error, NotReady) else retry_after
        headers = [(b"retry-after", b"%d" % retry_after)]
    return _formed(verdict, detail, asker, headers, refresh=retry_after if verdict.again else 0)


def redirect(location: bytes) -> Answer:
    """307, never permanent: a browser must not remember a mount that may move."""
    return Answer(307, [(b"location", location), (b"content-length", b"0"), NO_STORE], b"")


NO_STORE: Header = (b"cache-control", b"no-store")


def _refused(refusal: Refusal, asker: Audience) -> Answer:
    if not refusal.reason:
        return Answer(refusal.status, [*refusal.headers, NO_STORE], b"")
    verdict = Verdict(refusal.status, TITLES.get(refusal.status, "Not served"))
    asker = Audience.PROGRAM if asker is Audience.PERSON else asker
    return _formed(verdict, refusal.reason, asker, list(refusal.headers))


def _detail(error: Exception, verdict: Verdict) -> str:
    if isinstance(error, NotReady):
        return error.reason
    if isinstance(error, UpstreamTimeout):
        return f"It was given time for its {error.waiting_for} and did not use it."
    return "Please try again in a moment." if verdict.again else "The details are in the log."


def _formed(
    verdict: Verdict, detail: str, asker: Audience, headers: list[Header], *, refresh: int = 0
) -> Answer:
    if asker is Audience.PERSON and refresh:
        body, kind = page(verdict.title, detail, refresh), b"text/html; charset=utf-8"
        headers.append((b"content-security-policy", POLICY))
    elif asker is Audience.DIALOG:
        body, kind = f"{detail}\n".encode(), b"text/plain; charset=utf-8"
    else:
        problem = {"title": verdict.title, "status": verdict.status, "detail": detail}
        body, kind = json.dumps(problem).encode(), b"application/problem+json"
    own = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), NO_STORE]
    return Answer(verdict.status, [*headers, *own, (b"x-content-type-options", b"nosniff")], body)


def severing(answer: Answer) -> Answer:
    """The answer with the word that ends an HTTP/1 connection; illegal on HTTP/2."""
    return replace(answer, headers=[*answer.headers, (b"connection", b"close")])


async def send_http(
    answer: Answer,
    send: Send,
    *,
    head_only: bool = False,
    before_end: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Send a whole answer to an HTTP request; ``before_end`` runs when all but its end is sent."""
    headers, body = list(answer.headers), b"" if head_only else answer.body
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if before_end is not None:
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await before_end()
        body = b""
    await send({"type": "http.response.body", "body": body})


async def deny(answer: Answer, send: Send, *, extended: bool) -> None:
    """Answer a WebSocket handshake with a status; a server without the extension says 403."""
    if not extended:
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    headers = list(answer.headers)
    start = {"type": "websocket.http.response.start", "status": answer.status, "headers": headers}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": answer.body})
