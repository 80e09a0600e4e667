"""Two tabs of one browser on two replicas: uploads and pictures are right in both."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.test_demo import upload_and_look
from tests.system.daemon import Daemon

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """The demo with two replicas."""
    daemon = Daemon(tmp_path, "fluxlit.demo.app:app", environment={"FLUXLIT_SIDECAR_REPLICAS": "2"})
    yield daemon.wait_ready()
    daemon.destroy()
    assert daemon.leftovers() == {}


def test_two_tabs_use_two_replicas(daemon: Daemon, tab: Page) -> None:
    """They share one cookie, which is right for the one that came last; the other works all the same."""
    other = tab.context.new_page()
    for page in (tab, other):
        page.goto(f"http://127.0.0.1:{daemon.port}/files")
        upload_and_look(page)
    (cookie,) = [c for c in tab.context.cookies() if c.get("name") == "_fluxlit_affinity"]
    assert cookie.get("httpOnly")
    assert cookie.get("sameSite") == "Lax"
    # The first tab once more, now that the cookie names the other's replica.
    tab.reload()
    upload_and_look(tab)
    assert daemon.stop() == 0
    done = [e for e in daemon.log.events if e.get("event") == "websocket.done"]
    assert len({event["instance"] for event in done}) == 2
    uploads = [
        e
        for e in daemon.log.events
        if e.get("event") == "request.done" and "upload_file" in e["path"] and e["method"] == "PUT"
    ]
    assert [event["status"] for event in uploads] == [204] * 3
