"""Handlers for provoking a server; each is one path of the test application."""

from typing import Any

import anyio

from fluxlit.gateway.asgi import Receive, Scope, Send
from tests.gateway.server.served import Application, query


async def answer(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    """A whole answer with its length."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})


async def status(_: Scope, receive: Receive, send: Send, app: Application) -> None:
    """200 with a short body."""
    await answer(send, 200, b"fine")


async def echo_body(_: Scope, receive: Receive, send: Send, app: Application) -> None:
    """200 with the request's body, or nothing when the client leaves."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        if not message["more_body"]:
            break
    await answer(send, 200, body)


async def no_read(_: Scope, receive: Receive, send: Send, app: Application) -> None:
    """413 without reading."""
    await answer(send, 413, b"")


async def until_disconnect(receive: Receive) -> None:
    """Read until the client is gone."""
    while (await receive())["type"] not in {"http.disconnect", "websocket.disconnect"}:
        pass


async def stream(scope: Scope, receive: Receive, send: Send, app: Application) -> None:
    """Chunks without end, until the client leaves."""
    chunk = bytes(int(query(scope).get("size", "1000")))
    await send({"type": "http.response.start", "status": 200, "headers": []})

    async def pump() -> None:
        while True:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pump)
        await until_disconnect(receive)
        tasks.cancel_scope.cancel()


async def wait(_: Scope, receive: Receive, send: Send, app: Application) -> None:
    """Says nothing until the client leaves."""
    await until_disconnect(receive)


async def header(scope: Scope, receive: Receive, send: Send, app: Application) -> None:
    """200 with a field as the query wants it."""
    await answer(send, 200, b"", (b"x-a", query(scope)["val"].encode()))


async def lengths(scope: Scope, receive: Receive, send: Send, app: Application) -> None:
    """Announces n bytes and sends m."""
    wanted = query(scope)
    length = (b"content-length", wanted["n"].encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": bytes(int(wanted["m"]))})


async def informational(_: Scope, receive: Receive, send: Send, app: Application) -> None:
    """103 where an answer should start, then 200."""
    await send({"type": "http.response.start", "status": 103, "headers": []})
    await answer(send, 200, b"")


async def broken(_: Scope, receive: Receive, send: Send, app: Application) -> None:
    """Fails before answering."""
    message = "broken on purpose"
    raise RuntimeError(message)


async def broken_group(_: Scope, receive: Receive, send: Send, app: Application) -> None:
    """Fails with a group of errors out of a task group."""

    async def fail() -> None:
        message = "broken on purpose"
        raise RuntimeError(message)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fail)
        tasks.start_soon(anyio.sleep_forever)


async def ws(scope: Scope, receive: Receive, send: Send, app: Application) -> None:
    """Accepts as the query wants and echoes messages."""
    wanted = query(scope)
    await receive()
    await anyio.sleep(float(wanted.get("delay", "0")))
    headers = [(b"x-a", wanted["val"].encode())] if "val" in wanted else []
    accept = {"type": "websocket.accept", "headers": headers}
    await send({**accept, "subprotocol": wanted.get("subprotocol")})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "bytes": message["bytes"], "text": message["text"]})


async def ws_deny(_: Scope, receive: Receive, send: Send, app: Application) -> None:
    """401 with two cookies and a body instead of a WebSocket."""
    await receive()
    headers = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"content-length", b"2")]
    await send({"type": "websocket.http.response.start", "status": 401, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": b"no"})


async def ws_refuse(_: Scope, receive: Receive, send: Send, app: Application) -> None:
    """Closes before accepting, then waits to be told the end."""
    await receive()
    await send({"type": "websocket.close"})
    await until_disconnect(receive)


async def ws_close(scope: Scope, receive: Receive, send: Send, app: Application) -> None:
    """Accepts, closes as the query wants, and waits for the end unless told not to."""
    wanted = query(scope)
    await receive()
    await send({"type": "websocket.accept"})
    code, reason = int(wanted["code"]), wanted.get("reason", "")
    await send({"type": "websocket.close", "code": code, "reason": reason})
    if "wait" in wanted:
        await until_disconnect(receive)


async def ws_big(scope: Scope, receive: Receive, send: Send, app: Application) -> None:
    """Sends a message of the size wanted, and the length of each it receives."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "bytes": bytes(int(query(scope)["size"]))})
    while (message := await receive())["type"] == "websocket.receive":
        length = len(message["bytes"] if message["bytes"] is not None else message["text"])
        await send({"type": "websocket.send", "text": str(length)})


ROUTES: dict[str, Any] = {
    "/status": status,
    "/body": echo_body,
    "/noread": no_read,
    "/stream": stream,
    "/wait": wait,
    "/hdr": header,
    "/cl": lengths,
    "/1xx": informational,
    "/broken": broken,
    "/broken-group": broken_group,
    "/ws": ws,
    "/ws-slow": ws,
    "/ws-deny": ws_deny,
    "/ws-refuse": ws_refuse,
    "/ws-close": ws_close,
    "/ws-big": ws_big,
}
