"""Relayed HTTP exchanges: bodies, failures, retries, clients that leave."""

from collections.abc import Callable

import anyio
import pytest

from fluxlit.errors import (
    ConnectFailed,
    UpstreamClosed,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeout,
)
from fluxlit.gateway.asgi import WATCH
from fluxlit.gateway.http import RETRIES
from fluxlit.gateway.inbox import SETTLE_BYTES
from fluxlit.protocol.exchange import RequestHead
from fluxlit.status import DaemonPhase, Endpoint, Snapshot
from tests.doubles.asgi import ask, scope_of, talking
from tests.doubles.upstream import FakeAnswer, FakeRelay
from tests.gateway.support import board_of, gateway_of, instance, ready, settings_of

pytestmark = pytest.mark.autojump

HTML = [("Accept", "text/html,*/*"), ("Sec-Fetch-Mode", "navigate")]


async def test_an_answer_passes_piece_by_piece() -> None:
    """F52: the first piece is sent while the service still holds the second."""
    answer = FakeAnswer(200, [("content-type", "text/event-stream")], [b"one", b"two"])
    answer.hold = anyio.Event()
    gateway = gateway_of(FakeRelay(answer))
    async with talking(gateway, scope_of("http", "/events")) as talk:
        talk.say({"type": "http.request", "body": b"", "more_body": False})
        await talk.until(2)
        assert talk.body == b"one"
        answer.hold.set()
        await talk.ended.wait()
    assert talk.body == b"onetwo"
    assert talk.complete


async def test_f54_a_get_may_have_a_body() -> None:
    """It is passed on whole, with its length."""
    fake = FakeRelay()
    talk = await ask(gateway_of(fake), "/x", body=b"abc", headers=[("Content-Length", "3")])
    assert talk.status == 200
    assert fake.bodies == [b"abc"]
    assert fake.headers()["content-length"] == "3"


async def test_a_body_that_no_head_declares_is_relayed() -> None:
    """HTTP/2 needs no Content-Length."""
    fake = FakeRelay()
    await ask(gateway_of(fake), "/x", body=b"abc", method="GET", version="2")
    assert fake.bodies == [b"abc"]


async def test_a_request_without_a_body_has_none() -> None:
    """Not an empty one, which would be sent chunked."""
    fake = FakeRelay()
    await ask(gateway_of(fake), "/x")
    assert fake.bodies == [None]


async def test_f55_head_keeps_the_length_of_what_it_stands_for() -> None:
    """No body, the upstream's own Content-Length."""
    fake = FakeRelay(FakeAnswer(200, [("content-length", "479929")]))
    talk = await ask(gateway_of(fake), "/", method="HEAD")
    assert talk.headers["content-length"] == "479929"
    assert talk.body == b""
    assert talk.complete


async def test_the_end_comes_with_the_last_piece_of_a_known_length() -> None:
    """One message less to write."""
    half = bytes(40_000)
    fake = FakeRelay(FakeAnswer(200, [("content-length", "80000")], [half, half]))
    talk = await ask(gateway_of(fake), "/")
    assert [message.get("more_body") for message in talk.sent[1:]] == [True, False]


async def test_a_small_answer_is_sent_when_it_is_whole() -> None:
    """In one piece: a sidecar that dies in it has cost nothing, the next one answers."""
    broken = UpstreamClosed("killed", received_head=True)
    length = [("content-length", "6")]
    outcomes = [
        FakeAnswer(200, length, [b"old"], breaks=broken),
        FakeAnswer(200, length, [b"new", b"new"]),
    ]
    fake = FakeRelay(lambda _endpoint, _head: outcomes.pop(0))
    talk = await ask(gateway_of(fake), "/")
    assert talk.body == b"newnew"
    assert [message.get("more_body") for message in talk.sent[1:]] == [False]


async def test_a_large_answer_that_breaks_before_its_first_piece_is_asked_again() -> None:
    """Its head was not sent yet; after the first piece it is cut."""
    broken = UpstreamClosed("killed", received_head=True)
    length = [("content-length", "99999")]
    outcomes = [FakeAnswer(200, length, breaks=broken), FakeAnswer(200, length, [b"x"])]
    fake = FakeRelay(lambda _endpoint, _head: outcomes.pop(0))
    talk = await ask(gateway_of(fake), "/")
    assert talk.body == b"x"


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (UpstreamTimeout("connect"), 504, "connect"),
        (UpstreamTimeout("head"), 504, "head"),
        (UpstreamProtocolError("x"), 502, ""),
        (UpstreamClosed("x", received_head=False), 502, ""),
        (ValueError("x"), 400, ""),
    ],
)
async def test_f50_f51_failures_before_the_head_have_their_status(
    error: Exception, status: int, detail: str
) -> None:
    """504 names the phase; a broken or gone service is 502; never a bare 500."""
    talk = await ask(gateway_of(FakeRelay(error)), "/x", method="POST")
    assert talk.status == status
    assert talk.headers["content-type"] == "application/problem+json"
    assert detail in talk.body.decode()
    assert talk.complete


async def test_f51_a_break_after_the_head_is_never_a_clean_end() -> None:
    """The answer is left without its last message, so that the server cuts the connection."""
    broken = UpstreamClosed("reset", received_head=True)
    talk = await ask(gateway_of(FakeRelay(FakeAnswer(200, [], [b"half"], breaks=broken))), "/x")
    assert talk.body == b"half"
    assert not talk.complete


async def test_a_status_that_is_none_is_a_bad_gateway() -> None:
    """A server library may refuse 999 only after we have said it."""
    talk = await ask(gateway_of(FakeRelay(FakeAnswer(999))), "/x")
    assert talk.status == 502


async def test_f49_a_declared_body_that_is_too_long_is_refused_at_once() -> None:
    """413 before anything goes up; the client that goes on sending is read for 5 s at most."""
    fake = FakeRelay()
    gateway = gateway_of(fake, settings=settings_of(max_body=10))
    headers = [("Content-Length", "999999999"), ("Origin", "http://example.test")]
    async with talking(gateway, scope_of("http", "/x", method="PUT", headers=headers)) as talk:
        talk.say({"type": "http.request", "body": b"abc", "more_body": True})
        await talk.until(2)
        assert talk.status == 413
        assert talk.headers["connection"] == "close"
        assert not talk.ended.is_set()
        began = anyio.current_time()
        await talk.ended.wait()
        assert anyio.current_time() - began == pytest.approx(5)
    assert talk.complete
    assert not fake.asked


async def test_f49_an_undeclared_body_is_counted() -> None:
    """Chunked bodies are cut off at the limit with the same 413, and the exchange is given up."""
    fake = FakeRelay()
    gateway = gateway_of(fake, settings=settings_of(max_body=10))
    headers = [("Transfer-Encoding", "chunked")]
    talk = await ask(gateway, "/x", method="PUT", headers=headers, body=b"a" * 11)
    assert talk.status == 413
    assert fake.cancelled == 1


async def test_an_early_answer_waits_for_the_rest_of_the_request() -> None:
    """The end is sent when the request has been read, lest a reset destroys the answer."""
    fake = FakeRelay(FakeAnswer(403, [("content-length", "2")], [b"no"]))
    fake.reads_body = False
    scope = scope_of("http", "/x", method="PUT", headers=[("Content-Length", "1000000")])
    async with talking(gateway_of(fake), scope) as talk:
        talk.say({"type": "http.request", "body": b"a", "more_body": True})
        await talk.until(2)
        assert talk.body == b"no"
        assert not talk.complete
        talk.say({"type": "http.request", "body": b"b", "more_body": False})
        await talk.ended.wait()
    assert talk.complete


async def test_a_client_that_never_ends_is_not_read_for_ever() -> None:
    """10 MiB of what nobody wants are enough."""
    fake = FakeRelay(FakeAnswer(403))
    fake.reads_body = False
    scope = scope_of("http", "/x", method="PUT", headers=[("Transfer-Encoding", "chunked")])
    async with talking(gateway_of(fake), scope) as talk:
        for _ in range(SETTLE_BYTES // 1_048_576 + 3):
            talk.say({"type": "http.request", "body": bytes(1_048_576), "more_body": True})
        began = anyio.current_time()
        await talk.ended.wait()
        assert anyio.current_time() == began
    assert talk.complete


async def test_f68_a_client_that_leaves_cancels_the_exchange() -> None:
    """At once, whatever the service is doing."""
    fake = FakeRelay()
    fake.stuck = anyio.Event()
    async with talking(gateway_of(fake), scope_of("http", "/x")) as talk:
        talk.say({"type": "http.request", "body": b"", "more_body": False})
        await anyio.wait_all_tasks_blocked()
        talk.leave()
        await talk.ended.wait()
    assert fake.cancelled == 1
    assert not talk.sent


async def test_f68_a_server_that_tells_of_leaving_needs_no_reader() -> None:
    """The exchange is cancelled at once, and receive() was asked only for the request itself."""
    fake, watchers = FakeRelay(), list[Callable[[], None]]()
    fake.stuck = anyio.Event()
    scope = scope_of("http", "/x")
    scope["extensions"][WATCH] = watchers.append
    async with talking(gateway_of(fake), scope) as talk:
        talk.say({"type": "http.request", "body": b"", "more_body": False})
        await anyio.wait_all_tasks_blocked()
        talk.leave()
        await anyio.wait_all_tasks_blocked()
        assert fake.cancelled == 0
        watchers[0]()
        await talk.ended.wait()
    assert fake.cancelled == 1
    assert not talk.sent


async def test_a_client_that_leaves_behind_the_end_cancels_nothing() -> None:
    """Servers report the normal end as a disconnect, too; the upstream connection lives on."""
    answer = FakeAnswer(200, [("content-length", "70000")], [bytes(70_000)])
    answer.hold = anyio.Event()
    fake = FakeRelay(answer)
    async with talking(gateway_of(fake), scope_of("http", "/x")) as talk:
        talk.say({"type": "http.request", "body": b"", "more_body": False})
        await talk.until(2)
        assert talk.complete
        talk.leave()
        await anyio.wait_all_tasks_blocked()
        answer.hold.set()
        await talk.ended.wait()
    assert fake.cancelled == 0


async def test_a_killed_sidecar_loses_no_get() -> None:
    """A refused connection goes back to waiting; the next instance answers."""
    board = board_of()

    def script(endpoint: Endpoint, _head: RequestHead) -> FakeAnswer | Exception:
        return ConnectFailed("refused") if endpoint.port == 40001 else FakeAnswer(200, [], [b"2"])

    fake = FakeRelay(script)
    async with talking(gateway_of(fake, board=board), scope_of("http", "/x")) as talk:
        talk.say({"type": "http.request", "body": b"", "more_body": False})
        await anyio.wait_all_tasks_blocked()
        board.publish(Snapshot(DaemonPhase.UNAVAILABLE))
        await anyio.sleep(3)
        board.publish(ready(instance("ui-2", port=40002)))
        await talk.ended.wait()
    assert talk.status == 200
    assert talk.body == b"2"


@pytest.mark.parametrize(
    ("method", "error", "tries"),
    [
        ("GET", UpstreamClosed("x", received_head=False), 1 + RETRIES),
        ("HEAD", UpstreamClosed("x", received_head=False), 1 + RETRIES),
        ("DELETE", UpstreamClosed("x", received_head=False), 1),
        ("GET", UpstreamClosed("x", received_head=True), 1 + RETRIES),
        ("DELETE", ConnectFailed("x"), 1 + RETRIES),
        ("GET", UpstreamTimeout("head"), 1),
        ("GET", UpstreamProtocolError("x"), 1),
    ],
)
async def test_only_what_cannot_hurt_is_asked_again(
    method: str, error: UpstreamError, tries: int
) -> None:
    """Nothing sent, or a safe method without a body; and not for ever."""
    fake = FakeRelay(error)
    talk = await ask(gateway_of(fake), "/x", method=method)
    assert len(fake.asked) == tries
    assert talk.status in {502, 504}


async def test_when_several_die_at_once_the_one_that_lives_answers() -> None:
    """Measured under chaos: after one retry, a GET that met two dying instances was told 502."""
    error = UpstreamClosed("killed", received_head=False)
    outcomes: list[FakeAnswer | Exception] = [error, ConnectFailed("refused"), error]
    outcomes.append(FakeAnswer(200, [], [b"4"]))
    fake = FakeRelay(lambda _endpoint, _head: outcomes.pop(0))
    talk = await ask(gateway_of(fake), "/x")
    assert (talk.status, talk.body) == (200, b"4")


async def test_a_body_that_nobody_touched_may_go_to_the_next_instance() -> None:
    """Connecting failed, so the body is still here."""
    outcomes: list[FakeAnswer | Exception] = [ConnectFailed("x"), FakeAnswer(200)]
    fake = FakeRelay(lambda _endpoint, _head: outcomes.pop(0))
    headers = [("Content-Length", "3")]
    talk = await ask(gateway_of(fake), "/x", method="PUT", headers=headers, body=b"abc")
    assert talk.status == 200
    assert fake.bodies == [b"abc"]


@pytest.mark.parametrize("path", ["/static/js/main.abc.js", "/static/nope"])
async def test_a_missing_asset_is_not_the_page(path: str) -> None:
    """404 that nobody keeps, instead of Streamlit's page with 200."""
    page = FakeAnswer(200, [("content-type", "text/html; charset=utf-8")], [b"<html>"])
    talk = await ask(gateway_of(FakeRelay(page)), path)
    assert talk.status == 404
    assert talk.headers["cache-control"] == "no-store"


async def test_f60_location_of_the_sidecar_is_made_public() -> None:
    """Below the mount, without the internal address."""
    fake = FakeRelay(FakeAnswer(301, [("location", "http://127.0.0.1:40001/foo")]))
    gateway = gateway_of(fake, settings=settings_of(root_path="/content/123"))
    talk = await ask(gateway, "/content/123/foo/")
    assert talk.headers["location"] == "/content/123/foo"


async def test_f59_date_is_there_once_and_server_is_not_ours() -> None:
    """The upstream's Date stays, a missing one is added."""
    given = FakeAnswer(200, [("date", "Tue, 01 Jan 2030 00:00:00 GMT"), ("server", "uvicorn")])
    talk = await ask(gateway_of(FakeRelay(given)), "/")
    names = [name for name, _ in talk.sent[0]["headers"]]
    assert names.count(b"date") == 1
    assert talk.headers["date"].startswith("Tue, 01 Jan 2030")
    talk = await ask(gateway_of(FakeRelay(FakeAnswer(200))), "/")
    assert talk.headers["date"].endswith("GMT")
    assert "server" not in talk.headers
