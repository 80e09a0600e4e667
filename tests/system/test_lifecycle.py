"""The sidecar dies, hangs or never starts, and what users see meanwhile."""

import http.client
import os
import signal
import threading
from typing import Self

import pytest
from websockets.exceptions import ConnectionClosed

from tests.doubles.streamlit_session import StreamlitSession
from tests.system.conftest import Start
from tests.system.daemon import Daemon

pytestmark = pytest.mark.system

HASTY = {
    "FLUXLIT_SIDECAR_READINESS_INTERVAL": "0.1",
    "FLUXLIT_SIDECAR_READINESS_TIMEOUT": "0.5",
    "FLUXLIT_SIDECAR_LIVENESS_INTERVAL": "0.2",
    "FLUXLIT_SIDECAR_LIVENESS_TIMEOUT": "0.5",
    "FLUXLIT_SIDECAR_LIVENESS_FAILURES": "2",
    "FLUXLIT_SIDECAR_STOP_TIMEOUT": "1",
}


class Asking:
    """Asks one path over and over in a thread of its own and keeps every status."""

    def __init__(self, daemon: Daemon, path: str) -> None:
        self.statuses: list[int | str] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._ask, args=(daemon, path))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _ask(self, daemon: Daemon, path: str) -> None:
        while not self._done.is_set():
            try:
                self.statuses.append(daemon.ask(path).status)
            except (OSError, http.client.HTTPException) as error:
                self.statuses.append(repr(error))


def test_f01_f03_a_killed_sidecar_is_restarted_and_no_request_is_lost(
    start: Start, backend: str
) -> None:
    """Kill -9: noticed at once, API and UI requests are all answered 200, the WebSocket is told 1012 (F2)."""
    daemon = start("--backend", backend).wait_ready()
    first = daemon.sidecar
    with (
        StreamlitSession(daemon.port) as session,
        Asking(daemon, "/api/ping") as api,
        Asking(daemon, "/") as ui,
    ):
        session.run()
        here = daemon.events_so_far
        os.kill(first, signal.SIGKILL)
        exited = daemon.wait_event("service.exited", start=here, timeout=5)
        with pytest.raises(ConnectionClosed) as closed:
            session.until_finished()
        daemon.wait_event("daemon.phase", start=here, to="ready")
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    assert exited["returncode"] == -signal.SIGKILL
    assert daemon.sidecar != first
    assert set(api.statuses) == {200}
    assert set(ui.statuses) == {200}
    with StreamlitSession(daemon.port) as again:
        again.run()
        assert "Small home" in " ".join(again.texts)
    assert daemon.ask("/api/readyz").json()["restarts"] == 1


def test_f04_a_stopped_sidecar_turns_readyz_and_is_replaced(start: Start, backend: str) -> None:
    """SIGSTOP: readyz 503 while healthz stays 200; liveness ends it and the next one serves."""
    daemon = start("--backend", backend, environment=HASTY).wait_ready()
    here = daemon.events_so_far
    os.kill(daemon.sidecar, signal.SIGSTOP)
    daemon.wait_event("service.unready", start=here)
    ready, health = daemon.ask("/api/readyz"), daemon.ask("/api/healthz")
    assert (ready.status, health.status) == (503, 200)
    daemon.wait_event("service.exited", start=here)
    daemon.wait_event("daemon.phase", start=here, to="ready")
    assert daemon.ask("/").status == 200


def test_f13_a_sidecar_that_cannot_start_ends_the_daemon_with_69(
    start: Start, backend: str
) -> None:
    """A bad Streamlit flag: every start fails at once; at the limit the daemon gives up with the last words."""
    daemon = start(
        "--backend",
        backend,
        environment={
            "FLUXLIT_SIDECAR_RUN_ARGS": '["--no.such.flag", "1"]',
            "FLUXLIT_SIDECAR_BACKOFF_FIRST": "0.05",
            "FLUXLIT_SIDECAR_START_LIMIT": "3",
        },
    )
    assert daemon.wait(60) == 69
    gave_up = daemon.wait_event("service.gave_up")
    assert len([e for e in daemon.log.events if e["event"] == "service.spawned"]) == 3
    exited = daemon.wait_event("service.exited")
    assert "no.such.flag" in str(exited["last_words"])
    assert gave_up["level"] == "error"


def test_f12_the_port_is_open_while_the_sidecar_starts(start: Start) -> None:
    """From the first moment healthz is 200, readyz 503, the API serves and `/` waits for the UI."""
    daemon = start()
    assert daemon.ask("/api/healthz").status == 200
    assert daemon.ask("/api/readyz").status == 503
    assert daemon.ask("/api/ping").status == 200
    assert daemon.ask("/").status == 200


def test_a_browser_that_waits_too_long_sees_a_page_that_refreshes_itself(start: Start) -> None:
    """Where parking ends without an instance: a page for people, a sentence for Streamlit, a problem for programs."""
    environment = {"FLUXLIT_RELAY_PARK_TIMEOUT": "0.05", "FLUXLIT_SIDECAR_BACKOFF_FIRST": "20"}
    daemon = start(environment=environment).wait_ready()
    here = daemon.events_so_far
    os.kill(daemon.sidecar, signal.SIGKILL)
    daemon.wait_event("service.exited", start=here)
    page = daemon.ask("/", headers={"Accept": "text/html,*/*", "Sec-Fetch-Mode": "navigate"})
    assert page.status == 503
    assert page.headers["retry-after"]
    assert page.headers["content-type"].startswith("text/html")
    assert b"refresh" in page.body
    sentence = daemon.ask("/_stcore/health")
    assert sentence.status == 503
    assert sentence.headers["content-type"].startswith("text/plain")
    assert b"\n" not in sentence.body.strip()
    problem = daemon.ask("/media/x.png", headers={"Accept": "image/*"})
    assert problem.status == 503
    assert problem.headers["content-type"] == "application/problem+json"
