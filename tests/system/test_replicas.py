"""Several replicas behind one port: everything of a session reaches its own, for real."""

import os
import re
import signal
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from tests.doubles.streamlit_session import StreamlitSession
from tests.system import apps
from tests.system.conftest import Start
from tests.system.daemon import Daemon

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

THREE = {"FLUXLIT_SIDECAR_REPLICAS": "3"}
SESSIONS = 100


def three(start: Start, *arguments: str) -> Daemon:
    """A daemon with three replicas that tell who they are."""
    return start(*arguments, files={"app.py": apps.PLACES}, environment=THREE).wait_ready()


def told(session: StreamlitSession) -> dict[str, str]:
    """What the last run said of itself."""
    line = next(text for text in reversed(session.texts) if text.startswith("pid="))
    return dict(re.findall(r"(\w+)=(\S+)", line))


def opened(stack: ExitStack, daemon: Daemon, count: int) -> list[StreamlitSession]:
    """Sessions that are open at once, each after its first run."""
    sessions = [stack.enter_context(StreamlitSession(daemon.port)) for _ in range(count)]
    for session in sessions:
        session.run()
    return sessions


@pytest.mark.parametrize(
    ("backend", "cookies"),
    [("asyncio", False), ("trio", True)],
    ids=["asyncio-cookies blocked", "trio-cookies"],
)
def test_n2_everything_of_a_session_reaches_its_own_replica(
    start: Start, backend: str, *, cookies: bool
) -> None:
    """100 of 100 sessions on three replicas: rerun, upload, picture and reconnect, also in a third-party iframe."""
    daemon = three(start, "--backend", backend)
    with ExitStack() as stack:
        sessions = opened(stack, daemon, SESSIONS)
        places = [told(session)["pid"] for session in sessions]
        spread = Counter(places)
        assert sorted(spread.values()) == [33, 33, 34]
        for number, session in enumerate(sessions):
            jar = session.cookies if cookies else None
            assert session.upload("file", b"body%d" % number, jar) == 204
            status, body = session.picture(jar)
            assert (status, body[:4]) == (200, b"\x89PNG")
            session.run()
            said = told(session)
            assert said == {"pid": places[number], "runs": "2", "file": f"body{number}"}
    for number, session in enumerate(sessions):
        again = {"Cookie": _jar(session)} if cookies else None
        with StreamlitSession(
            daemon.port, headers=again, last_session=session.session_id
        ) as resumed:
            resumed.run()
            said = told(resumed)
            assert (said["pid"], said["runs"]) == (places[number], "3")
            assert resumed.session_id == session.session_id
    assert daemon.stop() == 0


def _jar(session: StreamlitSession) -> str:
    return "; ".join(f"{name}={value}" for name, value in session.cookies.items())


def test_n2_a_replica_that_dies_ends_only_its_own_sessions(start: Start, backend: str) -> None:
    """Its users get 1012 and come back elsewhere at once; nobody else notices; then there are three again."""
    daemon = three(start, "--backend", backend)
    with ExitStack() as stack:
        sessions = opened(stack, daemon, 9)
        victim = told(sessions[0])["pid"]
        mine = [session for session in sessions if told(session)["pid"] == victim]
        assert len(mine) == 3
        here = daemon.events_so_far
        os.kill(int(victim), signal.SIGKILL)
        for session in mine:
            assert _ended(session) == 1012
        daemon.wait_event("daemon.phase", start=here, to="degraded")
        assert daemon.ask("/api/readyz").status == 200
        back = {"Cookie": _jar(mine[0])}
        again = stack.enter_context(
            StreamlitSession(daemon.port, headers=back, last_session=mine[0].session_id)
        )
        again.run()
        assert told(again)["pid"] != victim
        assert again.cookies
        assert again.cookies != mine[0].cookies
        for session in sessions:
            if session not in mine:
                session.run()
                assert told(session)["runs"] == "2"
        daemon.wait_event("daemon.phase", start=here, to="ready")
    assert daemon.stop() == 0


def _ended(session: StreamlitSession) -> int | None:
    """The close code; what was under way before it does not matter."""
    try:
        while True:
            session.socket.recv(10)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


def test_n2_cookies_of_logins_are_signed_alike_everywhere(start: Start) -> None:
    """All replicas, and what follows a killed one, get one secret; nobody sees it in the log."""
    daemon = three(start)

    def secrets() -> set[str]:
        spawned = [e for e in daemon.log.events if e.get("event") == "service.spawned"]
        alive = [e["pid"] for e in spawned if Path(f"/proc/{e['pid']}/environ").exists()]
        return {_secret(pid) for pid in alive}

    (secret,) = secrets()
    assert len(secret) == 64
    here = daemon.events_so_far
    os.kill(daemon.sidecar, signal.SIGKILL)
    daemon.wait_event("daemon.phase", start=here, to="ready")
    assert secrets() == {secret}
    assert daemon.stop() == 0
    assert secret not in daemon.story()


def _secret(pid: int) -> str:
    pairs = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    wanted = b"STREAMLIT_SERVER_COOKIE_SECRET="
    return next(pair for pair in pairs if pair.startswith(wanted)).removeprefix(wanted).decode()


def test_one_replica_sets_no_cookie(start: Start) -> None:
    """Where there is nothing to choose there is nothing to remember."""
    daemon = start(files={"app.py": apps.PLACES}).wait_ready()
    with StreamlitSession(daemon.port) as session:
        session.run()
        assert session.cookies == {}
