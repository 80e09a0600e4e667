"""Streamlit's files from the real daemon: what the sidecar would send, and also while there is none."""

import http.client
import os
import signal
from pathlib import Path

import brotli
import pytest

from fluxlit.gateway import library
from tests.system.conftest import Start
from tests.system.daemon import Daemon

pytestmark = pytest.mark.system

BROWSER = {"Accept-Encoding": "gzip, deflate, br, zstd"}


def sidecar_port(daemon: Daemon) -> int:
    """The loopback port on which the sidecar listens."""
    place = Path("/proc", str(daemon.sidecar))
    links = {str(link.readlink()) for link in place.joinpath("fd").iterdir()}
    rows = [line.split() for line in place.joinpath("net/tcp").read_text().splitlines()[1:]]
    ours = [row for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in links]
    return int(ours[0][1].split(":")[1], 16)


def test_every_file_is_the_sidecar_s(start: Start) -> None:
    """The whole tree and the page, from a running Streamlit and from the daemon: type, caching, bytes."""
    daemon = start().wait_ready()
    theirs = http.client.HTTPConnection("127.0.0.1", sidecar_port(daemon), timeout=10)
    ours = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=10)
    folder = library.find()
    assert folder is not None
    for path in ["/", *(raw.decode() for raw in library.read(folder).files)]:
        answers = []
        for connection in (theirs, ours):
            connection.request("GET", path, headers={"Accept-Encoding": "identity"})
            answer = connection.getresponse()
            fields = [answer.headers[name] for name in ("content-type", "cache-control")]
            answers.append((answer.status, fields, answer.read()))
        assert answers[0] == answers[1], path
    theirs.close()
    ours.close()


def test_a_first_page_is_packed_and_never_asks_the_sidecar(start: Start, backend: str) -> None:
    """Small before the thorough pass, smaller after it; every line of the log says who answered."""
    daemon = start("--backend", backend).wait_ready()
    folder = library.find()
    assert folder is not None
    first = ["/", *(raw.decode() for raw in library.read(folder).first)]
    at_once = sum(len(daemon.ask(path, headers=BROWSER).body) for path in first)
    daemon.wait_event("assets.packed")
    packed = [daemon.ask(path, headers=BROWSER) for path in first]
    assert sum(len(answer.body) for answer in packed) < at_once
    assert b"<title>Streamlit</title>" in brotli.decompress(packed[0].body)
    daemon.ask("/api/healthz")
    with daemon.log.arrived:
        lines = [event for event in daemon.log.events if event.get("event") == "request.done"]
    assert {line["route"] for line in lines if line["path"] in first} == {"asset"}


def test_scripts_are_served_while_the_sidecar_is_stopped(start: Start, backend: str) -> None:
    """Killed again and again: every script is answered at once, from files and memory."""
    environment = {"FLUXLIT_SIDECAR_BACKOFF_FIRST": "30"}
    daemon = start("--backend", backend, environment=environment).wait_ready()
    script = next(
        raw.decode() for raw in library.read(library.find() or Path()).first if raw.endswith(b".js")
    )
    os.kill(daemon.sidecar, signal.SIGKILL)
    daemon.wait_event("service.exited")
    assert daemon.ask(script, headers=BROWSER).status == 200
    missing = daemon.ask("/static/js/gone.js")
    assert (missing.status, missing.headers["cache-control"]) == (404, "no-store")


def test_assets_can_be_left_to_streamlit(start: Start) -> None:
    """With assets.enabled = false everything is relayed, as it is."""
    daemon = start(environment={"FLUXLIT_ASSETS_ENABLED": "false"}).wait_ready()
    page = daemon.ask("/", headers=BROWSER)
    assert page.status == 200
    assert "content-encoding" not in page.headers
    assert page.headers["x-request-id"]
