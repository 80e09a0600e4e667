"""The gateway as a whole over doubles: who answers, what others see, what is logged."""

from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from fluxlit.gateway.asgi import Message, Receive, Scope, Send
from fluxlit.status import DaemonPhase, Snapshot
from tests.doubles.asgi import ask, knock, scope_of, talking
from tests.doubles.upstream import FakeAnswer, FakeRelay
from tests.gateway.support import board_of, gateway_of, instance, settings_of

pytestmark = pytest.mark.autojump

FORGED = [
    ("X-Forwarded-For", "6.6.6.6"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Prefix", "/evil"),
    ("Forwarded", "for=6.6.6.6"),
    ("X-Real-IP", "6.6.6.6"),
    ("X-Original-URL", "/admin"),
    ("X_Forwarded_For", "6.6.6.6"),
]


class Api:
    """An application that keeps the scopes it is given."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 200 to HTTP, accept and close WebSockets."""
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": 1000})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"api"})

    @property
    def headers(self) -> dict[str, str]:
        """The fields of the last request; fails when a name is there twice."""
        pairs = self.scopes[-1]["headers"]
        assert len(dict(pairs)) == len(pairs)
        return {name.decode(): value.decode() for name, value in pairs}


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    """Everything logged while the test runs."""
    with capture_logs() as entries:
        yield entries


async def test_f81_forged_claims_reach_neither_api_nor_ui() -> None:
    """Trust is off by default: both see the peer, and one clean field of each kind."""
    api, fake = Api(), FakeRelay()
    gateway = gateway_of(fake, api=api)
    await ask(gateway, "/api/x", headers=FORGED)
    await ask(gateway, "/x", headers=FORGED)
    for seen in (api.headers, fake.headers()):
        assert "6.6.6.6" not in seen.values()
        assert not {"forwarded", "x-real-ip", "x-original-url", "x_forwarded_for"} & set(seen)
        assert seen["x-forwarded-for"] == "192.0.2.9"
        assert seen["x-forwarded-proto"] == "http"
        assert seen["x-forwarded-host"] == "example.test"
    assert api.scopes[0]["client"] == ("192.0.2.9", 40000)
    assert api.scopes[0]["scheme"] == "http"
    assert api.scopes[0]["root_path"] == "/api"


async def test_f83_a_trusted_proxy_changes_what_the_api_and_the_ui_see() -> None:
    """Claim 13: For, Proto, Host, Port and Prefix each count."""
    api, fake = Api(), FakeRelay()
    settings = settings_of(trust_proxy=True, forwarded_allow_ips=("192.0.2.0/24",))
    gateway = gateway_of(fake, api=api, settings=settings)
    said = [
        ("X-Forwarded-For", "6.6.6.6, 203.0.113.7:5555, 192.0.2.1"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "app.example.com"),
        ("X-Forwarded-Port", "8443"),
        ("X-Forwarded-Prefix", "/sub"),
    ]
    await ask(gateway, "/api/x", headers=said)
    await ask(gateway, "/x", headers=said)
    scope = api.scopes[0]
    assert scope["client"] == ("203.0.113.7", 5555)
    assert scope["scheme"] == "https"
    assert scope["root_path"] == "/sub/api"
    assert scope["path"] == "/sub/api/x"
    assert api.headers["host"] == "app.example.com:8443"
    up = fake.headers()
    assert up["x-forwarded-for"] == "203.0.113.7"
    assert up["x-forwarded-proto"] == "https"
    assert up["host"] == "app.example.com:8443"
    assert fake.asked[0][1].target == b"/x"


async def test_f76_websockets_say_http_or_https_upstream() -> None:
    """Never ws, and the API's scope is wss behind TLS."""
    api = Api()
    settings = settings_of(trust_proxy=True, forwarded_allow_ips=("*",))
    async with talking(
        gateway_of(api=api, settings=settings),
        scope_of("websocket", "/api/ws", headers=[("X-Forwarded-Proto", "wss")]),
    ) as talk:
        await talk.ended.wait()
    assert api.scopes[0]["scheme"] == "wss"
    assert api.headers["x-forwarded-proto"] == "https"


async def test_the_public_base_url_says_the_scheme() -> None:
    """TLS ends in front of a proxy that is not trusted: cookies get Secure all the same."""
    fake = FakeRelay(FakeAnswer(200, [("set-cookie", "_streamlit_xsrf=1; Path=/")]))
    gateway = gateway_of(fake, settings=settings_of(public_base_url="https://app.example.com"))
    talk = await ask(gateway, "/_stcore/health", headers=[("Host", "app.example.com")])
    assert talk.headers["set-cookie"] == "_streamlit_xsrf=1; Path=/; Secure"
    assert fake.headers()["x-forwarded-proto"] == "https"


@pytest.mark.parametrize(
    ("target", "path", "raw"),
    [
        ("/api/item/%E2%82%AC", "/api/item/€", b"/api/item/%E2%82%AC"),
        ("/api/a%2Fb%25", "/api/a/b%", b"/api/a%2Fb%25"),
    ],
)
async def test_f61_f64_the_api_gets_path_and_raw_path(target: str, path: str, raw: bytes) -> None:
    """Decoded once in path, untouched in raw_path."""
    api = Api()
    assert (await ask(gateway_of(api=api), target)).status == 200
    assert api.scopes[0]["path"] == path
    assert api.scopes[0]["raw_path"] == raw


async def test_f61_the_ui_gets_the_bytes_that_came() -> None:
    """Query included."""
    fake = FakeRelay()
    await ask(gateway_of(fake), "/media/a%3Fb%23c%2Fd%25?q=%20x&&y")
    assert fake.asked[0][1].target == b"/media/a%3Fb%23c%2Fd%25?q=%20x&&y"


@pytest.mark.parametrize("target", ["/%00", "/a%0d%0ax", "/a/../b", "/api/%2e%2e/x", "/a\\b"])
async def test_f63_bad_paths_are_400_and_end_the_connection(target: str) -> None:
    """Never 500, nothing goes up."""
    fake = FakeRelay()
    talk = await ask(gateway_of(fake, api=Api()), target)
    assert talk.status == 400
    assert talk.headers["connection"] == "close"
    assert not fake.asked


async def test_no_connection_field_on_http2() -> None:
    """It is illegal there (RFC 9113 8.2.2)."""
    talk = await ask(gateway_of(), "/%00", version="2")
    assert "connection" not in talk.headers


@pytest.mark.parametrize(("method", "status"), [("TRACE", 405), ("CONNECT", 501), ("BREW", 501)])
async def test_methods_that_are_not_served(method: str, status: int) -> None:
    """TRACE would echo cookies."""
    assert (await ask(gateway_of(), "/", method=method)).status == status


async def test_options_of_the_server_itself() -> None:
    """RFC 9110 9.3.7."""
    talk = await ask(gateway_of(), "*", method="OPTIONS")
    assert talk.status == 204
    assert "GET" in talk.headers["allow"]


@pytest.mark.parametrize(
    "hosts", [[("Host", "a"), ("Host", "b")], [("Host", "a@b/c")], [("Host", "")]]
)
async def test_there_is_one_host(hosts: list[tuple[str, str]]) -> None:
    """Two, or one that names no host, is 400."""
    assert (await ask(gateway_of(), "/", headers=hosts)).status == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_f80_another_site_uploads_nothing(method: str, lines: list[dict[str, Any]]) -> None:
    """403 before any upstream I/O, and a log line that names the settings."""
    fake = FakeRelay()
    headers = [("Origin", "https://evil.example")]
    talk = await ask(gateway_of(fake), "/_stcore/upload_file/s/f", method=method, headers=headers)
    assert talk.status == 403
    assert not fake.asked
    refused = [line for line in lines if line["event"] == "request.refused"]
    assert "gateway.allowed_origins" in refused[0]["reason"]


async def test_reading_from_another_site_is_the_sidecar_s_matter() -> None:
    """CORS decides what a page may read; Host stays ours."""
    fake = FakeRelay()
    headers = [("Origin", "https://other.example")]
    assert (await ask(gateway_of(fake), "/x", headers=headers)).status == 200
    assert fake.headers()["host"] == "example.test"


@pytest.mark.parametrize(
    ("said", "kept"),
    [("abc-1.2_3", True), ("a" * 128, True), ("a" * 129, False), ("a b", False), ("", False)],
)
async def test_f99_request_ids_are_bounded_returned_and_passed_on(said: str, kept: bool) -> None:
    """The same id on the answer, in the API and upstream; a bad one is replaced."""
    api, fake = Api(), FakeRelay(FakeAnswer(200, [("x-request-id", "upstream's own")]))
    gateway = gateway_of(fake, api=api)
    for target in ("/api/x", "/x"):
        talk = await ask(gateway, target, headers=[("X-Request-ID", said)])
        used = talk.headers["x-request-id"]
        assert (used == said) is kept
        seen = api.headers if target == "/api/x" else fake.headers()
        assert seen["x-request-id"] == used
    names = [name for name, _ in talk.sent[0]["headers"]]
    assert names.count(b"x-request-id") == 1


async def test_f99_each_exchange_writes_one_line(lines: list[dict[str, Any]]) -> None:
    """With status, bytes, client, route and instance; queries and session ids redacted."""
    await ask(gateway_of(), "/_stcore/upload_file/secret-session/f1?token=secret&a=1")
    (line,) = [line for line in lines if line["event"] == "request.done"]
    assert line["status"] == 200
    assert line["bytes"] == 5
    assert line["client"] == "192.0.2.9"
    assert line["route"] == "ui"
    assert line["instance"] == "ui-1"
    assert line["method"] == "GET"
    assert "secret" not in str(line)
    assert "a=1" in line["query"]


async def test_probes_and_a_switched_off_access_log_write_nothing(
    lines: list[dict[str, Any]],
) -> None:
    """Health checks come every second."""
    await ask(gateway_of(), "/api/healthz")
    assert not lines


async def test_a_client_that_leaves_is_logged_as_499(lines: list[dict[str, Any]]) -> None:
    """At info: it is never an error."""
    gateway = gateway_of(board=board_of(Snapshot(DaemonPhase.STARTING)))
    async with talking(gateway, scope_of("http", "/x")) as talk:
        talk.say({"type": "http.request", "body": b"", "more_body": False})
        await anyio.wait_all_tasks_blocked()
        talk.leave()
        await talk.ended.wait()
    assert [(line["event"], line["status"]) for line in lines] == [("request.done", 499)]
    assert lines[0]["log_level"] == "info"


async def test_an_api_that_raises_is_500_once(lines: list[dict[str, Any]]) -> None:
    """No details to the client, the traceback to the log, the connection lives."""

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("inner detail")

    talk = await ask(gateway_of(api=broken), "/api/x")
    assert talk.status == 500
    assert b"inner detail" not in talk.body
    assert [line["event"] for line in lines] == ["gateway.failed", "request.done"]


async def test_an_api_that_raises_behind_its_head_is_cut() -> None:
    """A second answer cannot be given."""

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    talk = await ask(gateway_of(api=broken), "/api/x")
    assert [message["type"] for message in talk.sent] == ["http.response.start"]


@pytest.mark.parametrize(
    ("phase", "status"),
    [
        (DaemonPhase.STARTING, 200),
        (DaemonPhase.UNAVAILABLE, 200),
        (DaemonPhase.FAILED, 200),
        (DaemonPhase.DRAINING, 200),
        (DaemonPhase.STOPPING, 503),
    ],
)
async def test_f26_the_api_goes_on_without_a_sidecar(phase: DaemonPhase, status: int) -> None:
    """Until the very end; and it is counted as in flight."""
    board = board_of(Snapshot(phase))
    api = Api()
    assert (await ask(gateway_of(api=api, board=board), "/api/x")).status == status
    assert board.total.requests == 0


async def test_without_an_api_the_prefix_is_404() -> None:
    """It never falls through to the sidecar, which would answer 200 with its page."""
    fake = FakeRelay()
    assert (await ask(gateway_of(fake), "/api/x")).status == 404
    assert (await knock(gateway_of(fake), "/api/ws")).status == 404
    assert not fake.asked


async def test_a_loop_ends() -> None:
    """A request that comes back carries our name in Via: 508."""
    fake = FakeRelay()
    gateway = gateway_of(fake)
    await ask(gateway, "/x")
    talk = await ask(gateway, "/x", headers=[("Via", fake.headers()["via"])])
    assert talk.status == 508
    assert len(fake.asked) == 1


async def test_lifespan_is_answered_at_once() -> None:
    """Startup and shutdown; the API's own lifespan is the supervisor's matter."""
    async with talking(gateway_of(), {"type": "lifespan"}) as talk:
        talk.say({"type": "lifespan.startup"})
        talk.say({"type": "lifespan.shutdown"})
        await talk.ended.wait()
    assert [message["type"] for message in talk.sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


async def test_the_api_reads_its_own_body() -> None:
    """The gateway does not read in front of it."""
    seen: list[Message] = []

    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(await receive())
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    board = board_of(Snapshot(DaemonPhase.READY, instances=(instance(),)))
    await ask(gateway_of(api=echo, board=board), "/api/x", method="POST", body=b"abc")
    assert seen[0]["body"] == b"abc"


async def test_a_refused_upload_is_read_before_the_end_of_the_answer() -> None:
    """Else a reset may destroy it; and the client is told not to use the connection again."""
    headers = [("Origin", "https://evil.example"), ("Content-Length", "1000")]
    scope = scope_of("http", "/x", method="PUT", headers=headers)
    async with talking(gateway_of(), scope) as talk:
        talk.say({"type": "http.request", "body": b"a" * 10, "more_body": True})
        await talk.until(2)
        assert talk.status == 403
        assert talk.headers["connection"] == "close"
        assert not talk.complete
        talk.say({"type": "http.request", "body": b"", "more_body": False})
        await talk.ended.wait()
    assert talk.complete
