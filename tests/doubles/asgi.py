"""An ASGI server without sockets: plays the client's part and keeps what the application sends."""

import math
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio

from fluxlit.gateway.asgi import ASGIApp, Message, Scope

Fields = Iterable[tuple[str, str]]


def scope_of(
    kind: str,
    target: str,
    *,
    method: str = "GET",
    headers: Fields = (),
    client: tuple[str, int] | None = ("192.0.2.9", 40000),
    version: str = "1.1",
) -> Scope:
    """A scope as Hypercorn makes it for ``target``; Host is example.test unless given."""
    raw, _, query = target.partition("?")
    fields = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    if b"host" not in dict(fields):
        fields.insert(0, (b"host", b"example.test"))
    scope: dict[str, Any] = {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": version,
        "scheme": "http" if kind == "http" else "ws",
        "path": raw,
        "raw_path": raw.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": fields,
        "client": client,
        "server": ("127.0.0.1", 8000),
        "state": {},
        "extensions": {} if kind == "http" else {"websocket.http.response": {}},
    }
    return {**scope, "method": method} if kind == "http" else {**scope, "subprotocols": []}


@dataclass
class Talk:
    """One exchange with an application: what it sent so far, and a way to say more."""

    sent: list[Message] = field(default_factory=list[Message])
    ended: anyio.Event = field(default_factory=anyio.Event)

    def __post_init__(self) -> None:
        self._to_app, self._from_us = anyio.create_memory_object_stream[Message](math.inf)
        self._changed = anyio.Event()

    def say(self, message: Message) -> None:
        """Put a message where the application receives it."""
        self._to_app.send_nowait(message)

    def leave(self, **more: object) -> None:
        """The client is gone."""
        self.say({"type": "http.disconnect", **more})

    async def until(self, count: int) -> list[Message]:
        """Wait until the application has sent ``count`` messages, at most 60 s."""
        with anyio.fail_after(60):
            while len(self.sent) < count:
                await self._changed.wait()
        return self.sent

    async def receive(self) -> Message:
        """What the application receives with."""
        return await self._from_us.receive()

    async def send(self, message: Message) -> None:
        """What the application sends with."""
        self.sent.append(message)
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    def close(self) -> None:
        """Give the stream back."""
        self._to_app.close()
        self._from_us.close()

    @property
    def status(self) -> int:
        """The status of the answer; 0 as long as there is none."""
        starts = [m for m in self.sent if m["type"].endswith("response.start")]
        return int(starts[0]["status"]) if starts else 0

    @property
    def headers(self) -> dict[str, str]:
        """The answer's fields, the last one of each name."""
        starts = [m for m in self.sent if m["type"].endswith("response.start")]
        return {name.decode(): value.decode("latin-1") for name, value in starts[0]["headers"]}

    @property
    def body(self) -> bytes:
        """The answer's body so far."""
        return b"".join(
            m.get("body", b"") for m in self.sent if m["type"].endswith("response.body")
        )

    @property
    def complete(self) -> bool:
        """Whether the answer has its end."""
        last = self.sent[-1] if self.sent else {"type": ""}
        return last["type"].endswith("response.body") and not last.get("more_body", False)


@asynccontextmanager
async def talking(app: ASGIApp, scope: Scope) -> AsyncGenerator[Talk]:
    """Run the application on ``scope`` while the block runs; the block must see it end or leave."""
    talk = Talk()

    async def run() -> None:
        try:
            await app(scope, talk.receive, talk.send)
        finally:
            talk.ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        try:
            yield talk
        finally:
            tasks.cancel_scope.cancel()
            talk.close()


async def ask(app: ASGIApp, target: str, *, body: bytes = b"", **more: Any) -> Talk:
    """One whole HTTP exchange; the client stays until the application is done."""
    async with talking(app, scope_of("http", target, **more)) as talk:
        if body:
            talk.say({"type": "http.request", "body": body, "more_body": True})
        talk.say({"type": "http.request", "body": b"", "more_body": False})
        with anyio.fail_after(300):
            await talk.ended.wait()
    return talk


async def knock(app: ASGIApp, target: str, **more: Any) -> Talk:
    """One WebSocket handshake that is expected to be denied."""
    async with talking(app, scope_of("websocket", target, **more)) as talk:
        talk.say({"type": "websocket.connect"})
        with anyio.fail_after(300):
            await talk.ended.wait()
    return talk
