"""Everything of a session reaches its own instance; the rest goes where there is room."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import pytest

from fluxlit.config.settings import Settings, Sidecar
from fluxlit.errors import ConnectFailed
from fluxlit.gateway.asgi import ASGIApp
from fluxlit.protocol.exchange import RequestHead
from fluxlit.status import Endpoint, InstancePhase, InstanceStatus, StatusBoard
from tests.doubles.asgi import Talk, ask, scope_of, talking
from tests.doubles.upstream import FakeAnswer, FakeRelay, FakeSocket
from tests.gateway.support import board_of, gateway_of, instance, ready

pytestmark = pytest.mark.autojump

SESSION = "0b6d6ba4-5f8a-4c0c-9d0e-3f1a2b3c4d5e"
UPLOAD = f"/_stcore/upload_file/{SESSION}/file"
ANNOUNCED = b"\x22\x28\x0a\x26\x32\x24" + SESSION.encode()
"""ForwardMsg.new_session.initialize.session_id, as Streamlit 1.67 writes it."""
THREE = Settings(sidecar=Sidecar(replicas=3, cookie_secret="secret"))
SOCKET = Settings(sidecar=Sidecar(replicas=1))


def replicas(*phases: InstancePhase) -> list[InstanceStatus]:
    """Instances ui-0, ui-1, … with ports 40000, 40001, …; three ready ones unless said."""
    phases = phases or (InstancePhase.READY,) * 3
    return [
        replace(instance(f"ui-{slot}", phase, 40000 + slot), slot=slot)
        for slot, phase in enumerate(phases)
    ]


def which(fake: FakeRelay, index: int = -1) -> int:
    """The slot that was asked."""
    return fake.asked[index][0].port - 40000


@asynccontextmanager
async def connected(
    fake: FakeRelay,
    gateway: ASGIApp,
    *,
    last_session: str = "",
    headers: tuple[tuple[str, str], ...] = (),
) -> AsyncGenerator[tuple[Talk, FakeSocket]]:
    """An open WebSocket, of a browser that was here before if it has a last session."""
    socket = FakeSocket(b"streamlit")
    fake.sockets.append(socket)
    offer = f"streamlit, token, {last_session}" if last_session else "streamlit, token"
    fields = [("Sec-WebSocket-Protocol", offer), *headers]
    scope = scope_of("websocket", "/_stcore/stream", headers=fields)
    async with talking(gateway, scope) as talk:
        talk.say({"type": "websocket.connect"})
        await talk.until(1)
        yield talk, socket
        talk.say({"type": "websocket.disconnect", "code": 1001})
        await talk.ended.wait()


def given_cookie(talk: Talk) -> str | None:
    """The Set-Cookie of the answer to a WebSocket."""
    fields = dict(talk.sent[0]["headers"])
    return fields[b"set-cookie"].decode() if b"set-cookie" in fields else None


async def learnt(board: StatusBoard, fake: FakeRelay, slot: int = 1) -> tuple[ASGIApp, str]:
    """A gateway that has overheard that SESSION lives on ``slot``, and the cookie it gave."""
    gateway = gateway_of(fake, board=board, settings=THREE)
    everybody = board.snapshot
    board.publish(ready(replicas()[slot]))
    async with connected(fake, gateway) as (talk, socket):
        socket.say(ANNOUNCED)
        await talk.until(2)
        cookie = given_cookie(talk)
    board.publish(everybody)
    assert cookie
    return gateway, cookie.partition(";")[0]


async def test_sessions_that_come_at_once_are_spread() -> None:
    """They are counted before their handshake is answered, or all would find the same one idle."""
    fake = FakeRelay()
    gateway = gateway_of(fake, board=board_of(ready(*replicas())), settings=THREE)
    sockets = [FakeSocket() for _ in range(9)]
    fake.sockets += sockets
    async with anyio.create_task_group() as tasks:

        async def open_one() -> None:
            async with talking(gateway, scope_of("websocket", "/_stcore/stream")) as talk:
                talk.say({"type": "websocket.connect"})
                await talk.until(1)
                await anyio.sleep(10)

        for _ in sockets:
            tasks.start_soon(open_one)
    assert sorted(which(fake, index) for index in range(9)) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


async def test_without_cookies_uploads_and_reconnects_find_their_session() -> None:
    """The id is overheard in the first messages; nothing is asked of the browser."""
    fake, board = FakeRelay(), board_of(ready(*replicas()))
    gateway, _ = await learnt(board, fake)
    await ask(gateway, UPLOAD, method="PUT", body=b"x")
    assert which(fake) == 1
    async with connected(fake, gateway, last_session=SESSION):
        assert which(fake) == 1
    async with connected(fake, gateway):
        assert which(fake) == 0


async def test_a_file_is_asked_for_everywhere_before_it_is_missing() -> None:
    """The path of a picture says nothing of its session; the last answer is the client's."""
    has = {40002}

    def media(endpoint: Endpoint, _: RequestHead) -> FakeAnswer:
        return FakeAnswer(200 if endpoint.port in has else 404, [], [b"it"])

    fake, board = FakeRelay(media), board_of(ready(*replicas()))
    gateway = gateway_of(fake, board=board, settings=THREE)
    talk = await ask(gateway, "/media/abc.png")
    assert (talk.status, [which(fake, n) for n in range(len(fake.asked))]) == (200, [0, 1, 2])
    has.clear()
    fake.asked.clear()
    assert (await ask(gateway, "/media/abc.png")).status == 404
    assert len(fake.asked) == 3
    fake.asked.clear()
    assert (await ask(gateway, "/elsewhere.png")).status == 404
    assert (await ask(gateway, "/media/abc.png", method="DELETE")).status == 404
    assert len(fake.asked) == 2


async def test_one_that_fails_has_it_not() -> None:
    """A file is found behind a replica that dies just now."""

    def media(endpoint: Endpoint, _: RequestHead) -> FakeAnswer | Exception:
        return FakeAnswer() if endpoint.port == 40002 else ConnectFailed("refused")

    fake = FakeRelay(media)
    gateway = gateway_of(fake, board=board_of(ready(*replicas())), settings=THREE)
    assert (await ask(gateway, "/media/abc.png")).status == 200


async def test_the_cookie_says_who_is_asked_first() -> None:
    """For files, and for a session whose id has been forgotten."""
    fake, board = FakeRelay(), board_of(ready(*replicas()))
    _, cookie = await learnt(board, fake)
    # Another gateway with the same secret remembers nothing.
    gateway = gateway_of(fake, board=board, settings=THREE)
    for target in ("/media/abc.png", UPLOAD, "/component/a/index.html"):
        await ask(gateway, target, headers=[("Cookie", cookie)])
        assert which(fake) == 1
    fields = (("Cookie", cookie),)
    async with connected(fake, gateway, last_session=SESSION, headers=fields) as (talk, _socket):
        assert which(fake) == 1
        assert given_cookie(talk) is None


async def test_a_new_session_goes_where_there_is_room_whatever_the_cookie() -> None:
    """Two tabs of one browser use two cores."""
    fake, board = FakeRelay(), board_of(ready(*replicas()))
    gateway, cookie = await learnt(board, fake)
    async with connected(fake, gateway, headers=(("Cookie", cookie),)) as (talk, _):
        assert which(fake) == 0
        assert given_cookie(talk)


@pytest.mark.parametrize("value", ["forged", "", "a" * 43, "é"])
async def test_a_forged_cookie_is_ignored(value: str) -> None:
    """And replaced."""
    fake = FakeRelay()
    gateway = gateway_of(fake, board=board_of(ready(*replicas())), settings=THREE)
    forged = ("Cookie", f"_fluxlit_affinity={value}")
    await ask(gateway, "/media/abc.png", headers=[forged])
    assert which(fake) == 0
    async with connected(fake, gateway, last_session=SESSION, headers=(forged,)) as (talk, _):
        assert given_cookie(talk)


async def test_what_was_known_of_a_dead_instance_is_stale() -> None:
    """Its session's next connection goes anywhere, with a new cookie, and is learnt anew."""
    fake, board = FakeRelay(), board_of(ready(*replicas()))
    gateway, cookie = await learnt(board, fake)
    board.publish(ready(*(i for i in replicas() if i.slot != 1)))
    fields = (("Cookie", cookie),)
    async with connected(fake, gateway, last_session=SESSION, headers=fields) as (talk, socket):
        assert which(fake) == 0
        assert given_cookie(talk) not in {None, cookie}
        socket.say(ANNOUNCED)
        await talk.until(2)
    board.publish(ready(*replicas()))
    await ask(gateway, UPLOAD, method="PUT", body=b"x")
    assert which(fake) == 0


async def test_a_session_waits_for_its_unready_instance() -> None:
    """Elsewhere it would be refused, or lose its state."""
    fake, board = FakeRelay(), board_of(ready(*replicas()))
    gateway, _ = await learnt(board, fake)
    unready = replicas(InstancePhase.READY, InstancePhase.UNREADY, InstancePhase.READY)
    board.publish(ready(*unready))
    before = len(fake.asked)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, gateway, UPLOAD)
        await anyio.wait_all_tasks_blocked()
        assert len(fake.asked) == before
        board.publish(ready(*replicas()))
    assert which(fake) == 1


async def test_a_session_whose_instance_dies_while_it_waits_goes_elsewhere() -> None:
    """Waiting on would be for nothing."""
    fake, board = FakeRelay(), board_of(ready(*replicas()))
    gateway, _ = await learnt(board, fake)
    board.publish(ready(*replicas(InstancePhase.READY, InstancePhase.UNREADY)))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, gateway, UPLOAD)
        await anyio.wait_all_tasks_blocked()
        board.publish(ready(*replicas(InstancePhase.READY, InstancePhase.REAPING)))
    assert which(fake) == 0


async def test_a_draining_instance_keeps_uploads_but_gets_nobody_back() -> None:
    """Its sessions end there and go on elsewhere."""
    fake, board = FakeRelay(), board_of(ready(*replicas()))
    gateway, cookie = await learnt(board, fake)
    board.publish(ready(*replicas(InstancePhase.READY, InstancePhase.DRAINING)))
    await ask(gateway, UPLOAD, method="PUT", body=b"x")
    assert which(fake) == 1
    await ask(gateway, "/media/abc.png", headers=[("Cookie", cookie)])
    assert which(fake) == 1
    async with connected(fake, gateway, last_session=SESSION):
        assert which(fake) == 0


async def test_the_cookie_is_scoped_to_the_mount_and_secure_on_https() -> None:
    """As the browser sees the application."""
    settings = replace(
        THREE,
        gateway=replace(
            THREE.gateway, root_path="/a", public_base_url="https://app.example/a", port=1
        ),
    )
    fake = FakeRelay()
    gateway = gateway_of(fake, board=board_of(ready(*replicas())), settings=settings)
    fake.sockets.append(FakeSocket())
    headers = [("Host", "app.example")]
    scope = scope_of("websocket", "/a/_stcore/stream", headers=headers)
    async with talking(gateway, scope) as talk:
        talk.say({"type": "websocket.connect"})
        await talk.until(1)
        cookie = given_cookie(talk)
    assert cookie
    assert cookie.partition("; ")[2] == "Path=/a; HttpOnly; SameSite=Lax; Secure"


async def test_one_replica_gives_no_cookie() -> None:
    """There is nothing to choose."""
    fake = FakeRelay()
    async with connected(fake, gateway_of(fake, settings=SOCKET)) as (talk, _):
        assert given_cookie(talk) is None
