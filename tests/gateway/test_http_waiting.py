"""What a request is told, and what it keeps, while no instance can have it."""

from dataclasses import replace

import anyio
import pytest

from fluxlit.config.settings import Settings
from fluxlit.status import DaemonPhase, InstancePhase, Snapshot
from tests.doubles.asgi import ask, scope_of, talking
from tests.doubles.upstream import FakeRelay
from tests.gateway.support import board_of, gateway_of, instance, ready
from tests.gateway.test_http import HTML

pytestmark = pytest.mark.autojump


async def test_while_nothing_is_ready_a_person_gets_a_page_that_asks_again() -> None:
    """After park_timeout: 503, Retry-After, no-store, and nothing from elsewhere."""
    began = anyio.current_time()
    board = board_of(Snapshot(DaemonPhase.STARTING))
    talk = await ask(gateway_of(board=board), "/", headers=HTML)
    assert anyio.current_time() - began == pytest.approx(Settings().relay.park_timeout)
    assert talk.status == 503
    assert int(talk.headers["retry-after"]) >= 1
    assert talk.headers["cache-control"] == "no-store"
    assert talk.headers["content-type"].startswith("text/html")
    assert b'http-equiv="refresh"' in talk.body


@pytest.mark.parametrize("path", ["/_stcore/health", "/_stcore/host-config"])
async def test_f11_streamlit_s_dialog_gets_one_sentence_soon(path: str) -> None:
    """Plain text after 2 s: its client shows the body as it is."""
    began = anyio.current_time()
    board = board_of(Snapshot(DaemonPhase.STARTING))
    talk = await ask(gateway_of(board=board), path, headers=[("Accept", "text/html")])
    assert anyio.current_time() - began == pytest.approx(2)
    assert talk.status == 503
    assert talk.headers["content-type"].startswith("text/plain")
    assert talk.body.decode().count(".") == 1
    assert b"<" not in talk.body


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Accept", "application/json")],
        [("Accept", "text/html"), ("Sec-Fetch-Mode", "cors")],
    ],
)
async def test_programs_get_a_problem_document(headers: list[tuple[str, str]]) -> None:
    """RFC 9457, with Retry-After."""
    board = board_of(Snapshot(DaemonPhase.STARTING))
    talk = await ask(gateway_of(board=board), "/media/x.png", headers=headers)
    assert talk.status == 503
    assert talk.headers["content-type"] == "application/problem+json"
    assert "retry-after" in talk.headers


async def test_f65_the_places_are_limited() -> None:
    """Whoever finds none is answered at once."""
    settings = replace(Settings(), relay=replace(Settings().relay, park_limit=1))
    gateway = gateway_of(board=board_of(Snapshot(DaemonPhase.STARTING)), settings=settings)
    async with talking(gateway, scope_of("http", "/x")) as first:
        first.say({"type": "http.request", "body": b"", "more_body": False})
        await anyio.wait_all_tasks_blocked()
        began = anyio.current_time()
        second = await ask(gateway, "/x")
        assert anyio.current_time() == began
        assert second.status == 503
        assert not first.sent


@pytest.mark.parametrize("phase", [DaemonPhase.FAILED, DaemonPhase.DRAINING])
async def test_waiting_ends_when_there_is_nothing_to_wait_for(phase: DaemonPhase) -> None:
    """At once, not after the timeout; and nobody new is let in."""
    board = board_of(Snapshot(DaemonPhase.STARTING))
    gateway = gateway_of(board=board)
    async with talking(gateway, scope_of("http", "/x")) as talk:
        talk.say({"type": "http.request", "body": b"", "more_body": False})
        await anyio.wait_all_tasks_blocked()
        began = anyio.current_time()
        board.publish(Snapshot(phase, instances=(instance(),)))
        await talk.ended.wait()
        assert anyio.current_time() == began
    assert talk.status == 503
    assert (await ask(gateway, "/x")).status == 503


async def test_a_lame_duck_serves_on() -> None:
    """Only readyz says that it is one."""
    board = board_of(Snapshot(DaemonPhase.LAME_DUCK, instances=(instance(),)))
    assert (await ask(gateway_of(board=board), "/x")).status == 200


async def test_a_client_that_leaves_gives_its_place_back() -> None:
    """A parked request ends with its client, and the load returns to nothing."""
    board = board_of(ready(instance(phase=InstancePhase.UNREADY)))
    async with talking(gateway_of(board=board), scope_of("http", "/x")) as talk:
        talk.say({"type": "http.request", "body": b"", "more_body": False})
        await anyio.wait_all_tasks_blocked()
        talk.leave()
        await talk.ended.wait()
    assert not talk.sent
    assert board.total.requests == 0


async def test_what_is_in_flight_is_counted_on_its_instance() -> None:
    """While the exchange runs, and no longer."""
    board, fake = board_of(), FakeRelay()
    fake.stuck = anyio.Event()
    async with talking(gateway_of(fake, board=board), scope_of("http", "/x")) as talk:
        talk.say({"type": "http.request", "body": b"", "more_body": False})
        await anyio.wait_all_tasks_blocked()
        assert board.load("ui-1").requests == 1
        fake.stuck.set()
        await talk.ended.wait()
    assert board.load("ui-1").requests == 0


async def test_a_client_that_leaves_in_its_body_never_completes_it() -> None:
    """The end of what was sent must not reach the service as the end of the body."""
    fake = FakeRelay()
    scope = scope_of("http", "/x", method="PUT", headers=[("Transfer-Encoding", "chunked")])
    async with talking(gateway_of(fake), scope) as talk:
        talk.say({"type": "http.request", "body": b"half", "more_body": True})
        await anyio.wait_all_tasks_blocked()
        talk.leave()
        await talk.ended.wait()
    assert fake.bodies == []
    assert not talk.sent
