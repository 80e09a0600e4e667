"""Relayed WebSockets: the handshake, both pumps, every way to end."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from fluxlit.errors import ConnectFailed, UpstreamTimeout
from fluxlit.gateway.asgi import OFFER, TAKE
from fluxlit.gateway.placement import LISTENED
from fluxlit.protocol.closing import Closed
from fluxlit.protocol.exchange import ResponseHead
from fluxlit.relay.client import HandshakeRefused
from fluxlit.status import DaemonPhase, InstancePhase, Snapshot, StatusBoard
from tests.doubles.asgi import Talk, knock, scope_of, talking
from tests.doubles.upstream import FakeRelay, FakeSocket
from tests.gateway.support import board_of, gateway_of, instance, ready, settings_of

pytestmark = pytest.mark.autojump

STREAM = "/_stcore/stream"


@asynccontextmanager
async def opened(
    socket: FakeSocket, board: StatusBoard | None = None, **more: Any
) -> AsyncGenerator[Talk]:
    """An accepted WebSocket on ``socket``."""
    fake = FakeRelay()
    fake.sockets = [socket]
    async with talking(
        gateway_of(fake, board=board), scope_of("websocket", STREAM, **more)
    ) as talk:
        talk.say({"type": "websocket.connect"})
        await talk.until(1)
        yield talk


def gone(talk: Talk, code: int = 1006, reason: str = "") -> None:
    """The client's side has ended."""
    talk.say({"type": "websocket.disconnect", "code": code, "reason": reason})


async def test_f72_messages_pass_both_ways_as_they_are() -> None:
    """Text stays text, binary binary, of any size."""
    socket = FakeSocket()
    async with opened(socket) as talk:
        big = bytes(2_000_000)
        talk.say({"type": "websocket.receive", "bytes": big, "text": None})
        talk.say({"type": "websocket.receive", "text": "up"})
        socket.say(big)
        socket.say("down")
        await talk.until(3)
        gone(talk)
        await talk.ended.wait()
    assert socket.received == [big, "up"]
    assert talk.sent[1:] == [
        {"type": "websocket.send", "bytes": big},
        {"type": "websocket.send", "text": "down"},
    ]


async def test_f75_the_offer_goes_up_verbatim_and_the_choice_comes_back() -> None:
    """One line, in order, empty items included: Streamlit counts positions."""
    socket = FakeSocket(b"streamlit", [("set-cookie", "_streamlit_xsrf=1; Path=/"), ("x", "y")])
    fake = FakeRelay()
    fake.sockets = [socket]
    offers = [
        ("Sec-WebSocket-Protocol", "streamlit, , sess"),
        ("Sec-WebSocket-Protocol", "more"),
        ("Sec-WebSocket-Key", "x"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
    ]
    scope = scope_of("websocket", STREAM + "?a=1", headers=offers)
    async with talking(gateway_of(fake), scope) as talk:
        talk.say({"type": "websocket.connect"})
        await talk.until(1)
        gone(talk)
        await talk.ended.wait()
    up = fake.headers()
    assert up["sec-websocket-protocol"] == "streamlit, , sess, more"
    assert not {"sec-websocket-key", "sec-websocket-extensions", "upgrade", "connection"} & set(up)
    assert fake.asked[0][1].target == b"/_stcore/stream?a=1"
    accept = talk.sent[0]
    assert accept["subprotocol"] == "streamlit"
    names = [name for name, _ in accept["headers"]]
    assert names == [b"set-cookie", b"x-request-id"]


@pytest.mark.parametrize(
    ("closed", "code", "reason"),
    [
        (Closed(4321, "own", clean=True), 4321, "own"),
        (Closed(1000, clean=True), 1000, ""),
        (Closed(None, clean=True), 1000, ""),
        (Closed(1014, "x", clean=True), 1011, ""),
        (Closed(1009, clean=False), 1011, ""),
        (Closed(None), 1011, ""),
    ],
)
async def test_f70_the_sidecar_s_end_reaches_the_client(
    closed: Closed, code: int, reason: str
) -> None:
    """Code and reason as they are where they may be sent; a drop is 1011."""
    socket = FakeSocket()
    async with opened(socket) as talk:
        socket.say(closed)
        await talk.until(2)
        assert talk.sent[1] == {"type": "websocket.close", "code": code, "reason": reason}
        gone(talk, code)
        await talk.ended.wait()


async def test_the_close_frame_is_given_time_to_arrive() -> None:
    """The application returns when the client has ended, or after 2 s."""
    socket = FakeSocket()
    async with opened(socket) as talk:
        socket.say(Closed(1000, clean=True))
        await talk.until(2)
        began = anyio.current_time()
        await talk.ended.wait()
        assert anyio.current_time() - began == pytest.approx(2)


@pytest.mark.parametrize(
    ("code", "reason", "told"),
    [
        (4123, "bye", (4123, "bye")),
        (1000, "", (1000, "")),
        (1005, "", (None, "")),
        (1006, "", (1001, "")),
        (1015, "", (None, "")),
    ],
)
async def test_f71_the_client_s_end_reaches_the_sidecar(
    code: int, reason: str, told: tuple[int | None, str]
) -> None:
    """Its code and reason, an empty Close for none, 1001 for a lost connection."""
    socket = FakeSocket()
    async with opened(socket) as talk:
        gone(talk, code, reason)
        await talk.ended.wait()
    assert socket.closed == told
    assert len(talk.sent) == 1


async def test_f2_a_dead_sidecar_is_1012() -> None:
    """The drop is seen before the supervisor has seen the death: it is waited for."""
    socket, board = FakeSocket(), board_of()
    async with opened(socket, board) as talk:
        socket.say(Closed(None))
        await anyio.wait_all_tasks_blocked()
        board.publish(ready(instance(phase=InstancePhase.EXITED)))
        await talk.until(2)
        assert talk.sent[1]["code"] == 1012
        gone(talk)
        await talk.ended.wait()


async def test_an_instance_that_is_no_more_ends_its_sockets() -> None:
    """Even when something still holds its end of the connection open."""
    socket, board = FakeSocket(), board_of()
    async with opened(socket, board) as talk:
        board.publish(Snapshot(DaemonPhase.UNAVAILABLE))
        await talk.until(2)
        assert talk.sent[1]["code"] == 1012
        gone(talk)
        await talk.ended.wait()
    assert socket.closed == (1001, "")


async def test_a_replaced_instance_tells_its_sessions_to_come_again_in_a_spread() -> None:
    """1012 after the jitter: half of the five seconds here; until then they go on."""
    socket, board = FakeSocket(), board_of()
    async with opened(socket, board) as talk:
        board.publish(ready(instance(phase=InstancePhase.DRAINING)))
        began = anyio.current_time()
        socket.say(b"still here")
        await talk.until(2)
        await talk.until(3)
        assert anyio.current_time() - began == pytest.approx(2.5)
        assert talk.sent[2]["code"] == 1012
        gone(talk)
        await talk.ended.wait()
    assert socket.closed == (1001, "")


async def test_the_spread_ends_when_the_replaced_instance_does() -> None:
    """Nobody waits for what is gone."""
    socket, board = FakeSocket(), board_of()
    async with opened(socket, board) as talk:
        board.publish(ready(instance(phase=InstancePhase.DRAINING)))
        began = anyio.current_time()
        await anyio.sleep(1)
        board.publish(ready(instance(phase=InstancePhase.STOPPING)))
        await talk.until(2)
        assert anyio.current_time() - began == pytest.approx(1)
        assert talk.sent[1]["code"] == 1012
        gone(talk)
        await talk.ended.wait()


async def test_an_instance_that_lives_keeps_its_sockets() -> None:
    """Not ready for new ones is ready enough for old ones."""
    socket, board = FakeSocket(), board_of()
    async with opened(socket, board) as talk:
        board.publish(ready(instance(phase=InstancePhase.UNREADY)))
        socket.say(b"still here")
        await talk.until(2)
        gone(talk)
        await talk.ended.wait()
    assert talk.sent[1]["bytes"] == b"still here"


async def test_draining_tells_clients_to_come_again_in_a_spread() -> None:
    """1012 after the jitter: half of the second here."""
    socket, board = FakeSocket(), board_of()
    async with opened(socket, board) as talk:
        board.amend(daemon=DaemonPhase.DRAINING)
        began = anyio.current_time()
        await talk.until(2)
        assert anyio.current_time() - began == pytest.approx(0.5)
        assert talk.sent[1]["code"] == 1012
        gone(talk)
        await talk.ended.wait()
    assert socket.closed == (1001, "")


async def test_a_session_is_counted_while_it_is_open() -> None:
    """On its instance."""
    socket, board = FakeSocket(), board_of()
    async with opened(socket, board) as talk:
        assert board.load("ui-1").sessions == 1
        gone(talk)
        await talk.ended.wait()
    assert board.load("ui-1").sessions == 0


async def test_f74_the_sidecar_s_refusal_is_the_client_s() -> None:
    """Same status, same body, through the denial response."""
    fake = FakeRelay()
    head = ResponseHead(403, [(b"content-type", b"text/plain"), (b"content-length", b"99")])
    fake.sockets = [HandshakeRefused(head, b"no")]
    talk = await knock(gateway_of(fake), STREAM)
    assert talk.status == 403
    assert talk.body == b"no"
    assert talk.headers["content-length"] == "2"


@pytest.mark.parametrize(
    ("error", "status"), [(UpstreamTimeout("head"), 504), (ConnectFailed("x"), 502)]
)
async def test_f74_a_failed_handshake_has_its_status(error: Exception, status: int) -> None:
    """Before accept the client learns more than a close code."""
    fake = FakeRelay()
    fake.sockets = [error, error]
    assert (await knock(gateway_of(fake), STREAM)).status == status


async def test_f74_nobody_ready_is_503_after_waiting() -> None:
    """With Retry-After; waiting first, as HTTP does."""
    board = board_of(Snapshot(DaemonPhase.STARTING))
    began = anyio.current_time()
    talk = await knock(gateway_of(board=board), STREAM)
    assert talk.status == 503
    assert "retry-after" in talk.headers
    assert anyio.current_time() - began == pytest.approx(10)


async def test_a_handshake_that_finds_nobody_listening_waits_for_the_next_instance() -> None:
    """The browser does not notice a restart."""
    board, fake = board_of(), FakeRelay()
    fake.sockets = [ConnectFailed("refused"), FakeSocket()]
    async with talking(gateway_of(fake, board=board), scope_of("websocket", STREAM)) as talk:
        talk.say({"type": "websocket.connect"})
        await anyio.wait_all_tasks_blocked()
        board.publish(ready(instance("ui-2", port=40002)))
        await talk.until(1)
        gone(talk)
        await talk.ended.wait()
    assert talk.sent[0]["type"] == "websocket.accept"
    assert fake.asked[1][0].port == 40002


async def test_a_server_without_denials_says_403() -> None:
    """A close before accept, which every server turns into one."""
    scope = scope_of("websocket", "/nope")
    scope["extensions"] = {}
    async with talking(gateway_of(), scope) as talk:
        talk.say({"type": "websocket.connect"})
        await talk.ended.wait()
    assert [message["type"] for message in talk.sent] == ["websocket.close"]


async def test_a_choice_that_was_not_offered_is_a_bad_gateway() -> None:
    """Every browser would drop the connection without a word."""
    fake = FakeRelay()
    fake.sockets = [FakeSocket(b"other")]
    headers = [("Sec-WebSocket-Protocol", "streamlit")]
    assert (await knock(gateway_of(fake), STREAM, headers=headers)).status == 502


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1234"])
async def test_f77_a_foreign_page_opens_nothing(origin: str) -> None:
    """403 before any upstream I/O."""
    fake = FakeRelay()
    talk = await knock(gateway_of(fake), STREAM, headers=[("Origin", origin)])
    assert talk.status == 403
    assert not fake.asked


async def test_f12_host_equals_origin_upstream() -> None:
    """Letter by letter, whatever the proxy made of Host."""
    fake = FakeRelay()
    fake.sockets = [FakeSocket()]
    headers = [("Origin", "https://App.example.com"), ("Host", "app.example.com:443")]
    async with talking(
        gateway_of(fake, settings=settings_of()), scope_of("websocket", STREAM, headers=headers)
    ) as talk:
        talk.say({"type": "websocket.connect"})
        await talk.until(1)
        gone(talk)
        await talk.ended.wait()
    assert fake.headers()["host"] == "App.example.com"
    assert fake.headers()["origin"] == "https://App.example.com"


async def test_a_client_that_leaves_during_the_handshake_is_forgotten() -> None:
    """Nothing waits for it."""
    board = board_of(Snapshot(DaemonPhase.STARTING))
    async with talking(gateway_of(board=board), scope_of("websocket", STREAM)) as talk:
        talk.say({"type": "websocket.connect"})
        await anyio.wait_all_tasks_blocked()
        gone(talk)
        await talk.ended.wait()
    assert not talk.sent
    assert board.total.sessions == 0


async def test_messages_to_a_sidecar_that_is_gone_are_dropped_until_its_end_is_known() -> None:
    """The reason comes from the reading side."""
    socket = FakeSocket()
    async with opened(socket) as talk:
        socket.gone = True
        talk.say({"type": "websocket.receive", "text": "lost"})
        await anyio.wait_all_tasks_blocked()
        socket.say(Closed(1001, "away", clean=True))
        await talk.until(2)
        gone(talk)
        await talk.ended.wait()
    assert talk.sent[1]["code"] == 1001


async def test_messages_pass_at_once_where_the_server_lets_them() -> None:
    """Both ways without a queue, once the first messages were heard; before and after, nothing is taken."""
    socket, takers, down = FakeSocket(), list[Any](), list[str | bytes]()

    def offer(data: str | bytes) -> bool:
        down.append(data)
        return data != "refused"

    fake = FakeRelay()
    fake.sockets = [socket]
    scope = scope_of("websocket", STREAM)
    scope["extensions"] |= {TAKE: takers.append, OFFER: offer}
    up = {"type": "websocket.receive", "text": "up", "bytes": None}
    async with talking(gateway_of(fake), scope) as talk:
        talk.say({"type": "websocket.connect"})
        await talk.until(1)
        await anyio.wait_all_tasks_blocked()
        (take,) = takers
        assert take(up)
        assert not take({"type": "websocket.connect"})
        socket.full = True
        assert not take(up)
        before = socket.taker  # none until the session's id has been heard, or is not to come
        for _ in range(LISTENED):
            socket.say(b"said")
        await anyio.wait_all_tasks_blocked()
        assert before is None
        assert socket.taker is not None
        assert socket.taker("down")
        assert not socket.taker("refused")
        gone(talk)
        await talk.ended.wait()
        socket.full = False
        assert not take(up)
        assert not socket.taker("late")
    assert (socket.offered, socket.received, down) == (["up"], [], ["down", "refused"])
