"""A roll for real: requests and sessions all the time, none of them fails."""

import http.client
import os
import signal
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

import pytest
from websockets.exceptions import ConnectionClosed

from tests.doubles.streamlit_session import StreamlitSession
from tests.system import apps
from tests.system.conftest import Start
from tests.system.daemon import Daemon

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

ROLLS = int(os.environ.get("FLUXLIT_TEST_ROLLS", "3"))
TABS = int(os.environ.get("FLUXLIT_TEST_TABS", "20"))
QUICK = {"FLUXLIT_SIDECAR_MIN_READY": "0.5", "FLUXLIT_SIDECAR_DRAIN": "0.5"}
PATHS = ("/", "/_stcore/health", "/_stcore/host-config", "/api/ping", "/static/missing.js")


class Tab:
    """One browser tab: reconnects at once whenever it is told to come again, and runs the script."""

    def __init__(self, port: int, over: threading.Event) -> None:
        self.port = port
        self.over = over
        self.codes: list[int | None] = []
        self.failures: list[str] = []
        self.runs = 0

    def live(self) -> None:
        """Until the end."""
        last = ""
        while not self.over.is_set():
            try:
                with StreamlitSession(self.port, last_session=last) as session:
                    while not self.over.is_set():
                        session.run()
                        last, self.runs = session.session_id, self.runs + 1
                        self._rest(session)
            except ConnectionClosed as closed:
                self.codes.append(closed.rcvd.code if closed.rcvd else None)
            except Exception as error:  # noqa: BLE001 - whatever it is, the test shall name it
                self.failures.append(repr(error))

    def _rest(self, session: StreamlitSession) -> None:
        try:
            session.socket.recv(0.5)
        except TimeoutError:
            return


@contextmanager
def asked_all_the_time(port: int) -> Generator[list[tuple[str, int]]]:
    """Ask for every path in turn until the end; what was answered is collected."""
    over, answers = threading.Event(), list[tuple[str, int]]()

    def ask() -> None:
        while not over.is_set():
            for path in PATHS:
                answers.append((path, _status(port, path)))
            over.wait(0.02)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        over.set()
        thread.join()


def _status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return 0
    else:
        return answer.status
    finally:
        connection.close()


@contextmanager
def tabs(port: int) -> Generator[list[Tab]]:
    """Open tabs until the end."""
    over = threading.Event()
    every = [Tab(port, over) for _ in range(TABS)]
    threads = [threading.Thread(target=tab.live) for tab in every]
    for thread in threads:
        thread.start()
    try:
        yield every
    finally:
        over.set()
        for thread in threads:
            thread.join()


def roll(daemon: Daemon) -> str:
    """Ask for a roll and wait for how it ends."""
    here = daemon.events_so_far
    daemon.process.send_signal(signal.SIGUSR2)
    generation = daemon.wait_event("roll.begun", start=here)["generation"]
    while True:
        for event in ("roll.done", "roll.failed"):
            if daemon.log.find(event, here, generation=generation):
                return event
        time.sleep(0.02)
        assert daemon.process.poll() is None, daemon.story()


def settle(daemon: Daemon) -> None:
    """Wait until one generation is left."""
    while len({i["generation"] for i in daemon.ask("/api/readyz").json()["instances"]}) != 1:
        time.sleep(0.02)


@pytest.mark.parametrize(("backend", "replicas"), [("asyncio", "2"), ("trio", "1")])
def test_requests_and_sessions_during_rolls(start: Start, backend: str, replicas: str) -> None:
    """No request fails; every open session is told 1012 and is at home in the next generation at once."""
    environment = {**QUICK, "FLUXLIT_SIDECAR_REPLICAS": replicas}
    daemon = start("--backend", backend, environment=environment).wait_ready()
    with ExitStack() as stack:
        answers = stack.enter_context(asked_all_the_time(daemon.port))
        every = stack.enter_context(tabs(daemon.port))
        while not all(tab.runs for tab in every):
            time.sleep(0.05)
        for _ in range(ROLLS):
            assert roll(daemon) == "roll.done"
            settle(daemon)
        before = [tab.runs for tab in every]
        while not all(tab.runs > runs for tab, runs in zip(every, before, strict=True)):
            time.sleep(0.05)
    wrong = [each for each in answers if each[1] != (404 if "missing" in each[0] else 200)]
    assert wrong == []
    assert [failure for tab in every for failure in tab.failures] == []
    assert {code for tab in every for code in tab.codes} == {1012}
    assert {len(tab.codes) for tab in every} == {ROLLS}
    assert daemon.stop() == 0
    assert daemon.log.find("daemon.phase", to="unavailable") is None
    print(f"{len(answers)} requests, {sum(tab.runs for tab in every)} runs, {ROLLS} rolls")


def test_a_generation_that_cannot_start_leaves_the_present_one(start: Start) -> None:
    """Streamlit ends at once: the roll fails with its reason in the log, and sessions do not notice."""
    path = os.pathsep.join(["customized", *filter(None, [os.environ.get("PYTHONPATH")])])
    daemon = start(environment={**QUICK, "PYTHONPATH": path}).wait_ready()
    with StreamlitSession(daemon.port) as session:
        session.run()
        broken = daemon.folder / "customized/sitecustomize.py"
        broken.parent.mkdir()
        broken.write_text("import os, sys\nif 'streamlit' in sys.orig_argv: os._exit(3)\n")
        assert roll(daemon) == "roll.failed"
        assert "status 3" in daemon.wait_event("roll.failed")["reason"]
        settle(daemon)
        session.run()
        broken.unlink()
        assert roll(daemon) == "roll.done"
    assert daemon.stop() == 0


def test_a_stop_in_the_middle_of_a_roll(start: Start, backend: str) -> None:
    """Status 0, and nothing of either generation is left (asserted by the fixture)."""
    daemon = start("--backend", backend, files={"app.py": apps.SMALL}).wait_ready()
    here = daemon.events_so_far
    daemon.process.send_signal(signal.SIGUSR2)
    daemon.wait_event("service.spawned", start=here)
    assert daemon.stop() == 0
