"""A cold load in Chromium: everything that is a file comes from the daemon, packed, and is kept."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Response, expect

from tests.system.daemon import Daemon

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

TALKING = {"/_stcore/health", "/_stcore/host-config", "/_stcore/stream"}
"""What only Streamlit itself can answer."""


def test_every_file_of_a_page_comes_from_the_daemon(tab: Page, tmp_path: Path) -> None:
    """The log names the route of each request; packed scripts run, and a second visit fetches none anew."""
    daemon = Daemon(tmp_path, "fluxlit.demo.app:app")
    try:
        daemon.wait_ready()
        answers: list[Response] = []
        tab.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 - Playwright marks it
        _visit(tab, daemon)
        scripts = [answer for answer in answers if answer.url.endswith(".js")]
        assert len(scripts) > 50
        assert {answer.headers["content-encoding"] for answer in scripts} == {"br"}
        seen = daemon.events_so_far
        _visit(tab, daemon)
        assert {one["path"] for one in _requests(daemon, seen)} <= {*TALKING, "/"}
        assert {one["route"] for one in _requests(daemon) if one["path"] not in TALKING} == {
            "asset"
        }
        assert daemon.stop() == 0
    finally:
        daemon.destroy()


def _visit(tab: Page, daemon: Daemon) -> None:
    tab.goto(f"http://127.0.0.1:{daemon.port}/")
    expect(tab.get_by_role("heading", name="The tea shop")).to_be_visible()
    expect(tab.get_by_role("cell", name="Assam")).to_be_visible()
    tab.wait_for_load_state("networkidle")


def _requests(daemon: Daemon, start: int = 0) -> list[dict[str, Any]]:
    """The access log so far, without what the pages ask of the API."""
    with daemon.log.arrived:
        events = daemon.log.events[start:]
    done = [event for event in events if event.get("event") == "request.done"]
    return [event for event in done if not event["path"].startswith("/api/")]
