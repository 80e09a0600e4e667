"""Nothing crosses users: many at once, interleaved, through a pool of one connection."""

import hashlib
import random

import anyio
import pytest

from fluxlit.gateway import websocket
from tests.conformance import judge
from tests.conformance.stack import STREAM, Stack, request, stack
from tests.conformance.upstream import Talk
from tests.gateway.server.served import frame

USERS = 12
ROUNDS = 6
POOLS = pytest.mark.parametrize("pool", [1, 3])


def name(user: int) -> str:
    """What only this user knows."""
    return hashlib.sha256(b"%d" % user).hexdigest()


async def mirror(talk: Talk) -> None:
    """Answer with the credentials and the body that were heard, and a cookie of the user's own."""
    while (heard := await talk.request()) is not None:
        user = heard.value("authorization") or b"nobody"
        said = b"|".join([user, heard.value("cookie") or b"", heard.target, heard.body])
        fields = [b"Content-Length: %d" % len(said)]
        if user != b"nobody":
            fields.append(b"Set-Cookie: session=" + user)
        await talk.send(b"HTTP/1.1 200 OK\r\n" + b"\r\n".join([*fields, b"", b""]) + said)


async def visit(served: Stack, user: int, lots: random.Random) -> None:
    """One user's requests: pipelined or one by one, with bodies or without, some broken off."""
    me = name(user)
    fields = (f"Authorization: {me}", f"Cookie: id={me}")
    for turn in range(ROUNDS):
        path, kind = f"/{me}/{turn}", lots.randrange(4)
        if kind == 0:
            async with await served.connect() as client:
                await client.send(
                    request(f"POST {path}", *fields, "Content-Length: 900", body=me.encode())
                )
                continue
        body = b"" if kind == 1 else me.encode() * lots.randrange(1, 40)
        sent = request(
            f"PUT {path}", *fields, f"Content-Length: {len(body)}", body=body, close=False
        )
        anonymous = request(f"GET {path}")
        answers = judge.answers(await served.ask(sent + anonymous))
        expected = b"|".join([me.encode(), f"id={me}".encode(), path.encode(), body])
        assert [answer for _, _, answer in answers] == [expected, f"nobody||{path}|".encode()]
        assert f"set-cookie: session={me}".encode() in answers[0][1].lower()
        assert b"set-cookie" not in answers[1][1].lower()


@POOLS
async def test_interleaved_users(pool: int) -> None:
    """Each is answered with its own words, and who has none with nobody's."""
    relay = {"keep_alive": 2.0, "max_connections": pool}
    async with stack(mirror, relay=relay) as served:
        async with anyio.create_task_group() as tasks:
            for user in range(USERS):
                tasks.start_soon(visit, served, user, random.Random(user))
        assert served.upstream.violations == []
        # Connections are really shared, or the test would show nothing.
        assert any(len(talk.requests) > USERS // 2 for talk in served.upstream.talks)


async def test_interleaved_websockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each session hears its own messages only, under its own cookie."""

    async def script(talk: Talk) -> None:
        heard = await talk.upgrade()
        while True:
            first, payload = await talk.frame()
            if first == 0x88:
                return
            cookie = heard.value("cookie") or b""
            whole = frame(first, cookie + b"|" + payload)
            await talk.send(whole[:1] + bytes((whole[1] & 0x7F,)) + whole[6:])

    async def talk_to(served: Stack, user: int) -> None:
        me = name(user)[:16].encode()
        async with await served.connect() as client:
            await client.websocket(STREAM, f"Cookie: id={me.decode()}")
            for turn in range(ROUNDS):
                await client.send(frame(0x82, me + b"%d" % turn))
                assert await client.frame() == (0x82, b"id=" + me + b"|" + me + b"%d" % turn)

    monkeypatch.setattr(websocket, "GOODBYE", 0.2)
    async with stack(script) as served, anyio.create_task_group() as tasks:
        for user in range(USERS):
            tasks.start_soon(talk_to, served, user)


async def test_what_the_answer_to_one_says_late_is_not_heard_by_another() -> None:
    """A pooled connection on which bytes come while nobody asks is closed, not used."""

    async def script(talk: Talk) -> None:
        heard = await talk.request()
        assert heard is not None
        await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        if heard.target == b"/one":
            await anyio.sleep(0.02)
            await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
            late.set()
        await talk.until_end()

    late = anyio.Event()
    async with stack(script, relay={"keep_alive": 2.0, "max_connections": 1}) as served:
        assert (await served.ask(request("GET /one"))).endswith(b"ok")
        with anyio.fail_after(5):
            await late.wait()
        assert (await served.ask(request("GET /two"))).endswith(b"ok")
        assert len(served.upstream.talks) == 2


async def test_hosts_that_are_not_ours() -> None:
    """421 before the upstream hears anything, in any form of the target; probes answer always."""
    async with stack(allowed_hosts=("a",)) as served:
        evil = request("GET /").replace(b"Host: a", b"Host: evil.example")
        assert (await served.ask(evil)).startswith(b"HTTP/1.1 421 ")
        assert (await served.ask(evil.replace(b"GET /", b"GET http://evil.example/"))).startswith(
            b"HTTP/1.1 421 "
        )
        assert served.upstream.raw == b""
        probe = evil.replace(b"GET /", b"GET /api/healthz")
        assert (await served.ask(probe)).startswith(b"HTTP/1.1 200 ")
        assert (await served.ask(request("GET /"))).startswith(b"HTTP/1.1 200 ")
