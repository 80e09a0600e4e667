"""What a person does with the demo, in Chromium: directly, and below a prefix behind a real nginx."""

import hashlib
import os
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.doubles.nginx import Nginx, find_nginx
from tests.system.daemon import Daemon

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

PREFIX = "/content/123"
FIVE_MEGABYTES = 5 * 1024 * 1024


@dataclass(frozen=True)
class Site:
    """Where the demo is served for the browser, and the daemon behind it."""

    url: str
    daemon: Daemon


@pytest.fixture(params=["direct", "nginx-strips", "nginx-keeps"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """The demo directly, or below a prefix behind nginx that strips it or keeps it."""
    if request.param != "direct" and find_nginx() is None:
        pytest.skip("nginx is not installed (Debian package: nginx-light)")
    with ExitStack() as stack:
        prefix = "" if request.param == "direct" else PREFIX
        daemon = Daemon(
            tmp_path,
            "fluxlit.demo.app:app",
            environment={"FLUXLIT_ROOT_PATH": prefix} if prefix else {},
        )
        stack.callback(daemon.destroy)
        daemon.wait_ready()
        port = daemon.port
        if prefix:
            strips = request.param == "nginx-strips"
            port = stack.enter_context(Nginx(tmp_path / "nginx", port, PREFIX, strips=strips)).port
        yield Site(f"http://127.0.0.1:{port}{prefix}", daemon)
        assert daemon.stop() == 0
        assert daemon.leftovers() == {}


def pour(tab: Page, cups: int) -> None:
    """Click the button of the first page and see the count that the server keeps."""
    tab.get_by_role("button", name=re.compile("Pour a cup")).click()
    expect(tab.get_by_text(re.compile(f"poured {cups} cups? in this session"))).to_be_visible()


def see_picture(tab: Page) -> None:
    """The picture served from /media has arrived and has pixels."""
    tab.wait_for_function(
        """() => [...document.querySelectorAll("[data-testid=stImage] img")]
            .some(image => image.src.includes("/media/") && image.naturalWidth > 100)"""
    )


def test_the_demo_as_a_person_uses_it(site: Site, tab: Page) -> None:
    """Load, click, upload 5 MB, see the picture; the sidecar is killed and all of it works again without a reload."""
    failures: list[str] = []
    tab.on(
        "response", lambda r: failures.append(f"{r.status} {r.url}") if r.status >= 400 else None
    )
    tab.goto(f"{site.url}/")
    expect(tab.get_by_role("heading", name="The tea shop")).to_be_visible()
    expect(tab.get_by_text("Sencha")).to_have_count(0)
    pour(tab, 1)
    pour(tab, 2)
    tab.get_by_role("link", name=re.compile("Files and pictures")).click()
    upload_and_look(tab)
    # Streamlit's client asks for its base below the page's own path first; that 404 is its way.
    assert [f for f in failures if "_stcore" not in f] == []

    here = site.daemon.events_so_far
    os.kill(site.daemon.sidecar, signal.SIGKILL)
    site.daemon.wait_event("daemon.phase", start=here, to="ready")
    # No reload by hand: the page reconnects by itself and the next click is served.
    tab.get_by_role("link", name=re.compile("Tea shop")).click()
    expect(tab.get_by_role("heading", name="The tea shop")).to_be_visible()
    pour(tab, 1)
    tab.get_by_role("link", name=re.compile("Files and pictures")).click()
    upload_and_look(tab)


def upload_and_look(tab: Page) -> None:
    """Upload five megabytes, see what the server makes of them, and see the picture."""
    expect(tab.get_by_role("heading", name="Files and pictures")).to_be_visible()
    chooser = tab.locator("input[type=file]")
    chooser.set_input_files(
        {
            "name": "five.bin",
            "mimeType": "application/octet-stream",
            "buffer": bytes(FIVE_MEGABYTES),
        }
    )
    expect(tab.get_by_text("5,242,880 bytes")).to_be_visible()
    # The digest is shown by a part of Streamlit that the browser loads only now.
    digest = hashlib.sha256(bytes(FIVE_MEGABYTES)).hexdigest()
    expect(tab.get_by_text(digest)).to_be_visible()
    see_picture(tab)


def test_a_page_may_be_opened_by_its_own_address(site: Site, tab: Page) -> None:
    """A deep link loads assets, connects and shows its page."""
    tab.goto(f"{site.url}/files")
    expect(tab.get_by_role("heading", name="Files and pictures")).to_be_visible()
    see_picture(tab)


def test_try_it_out_asks_the_api(site: Site, tab: Page) -> None:
    """The OpenAPI page loads without any other host, and Execute gets a 200 from below the prefix."""
    tab.goto(f"{site.url}/api/docs")
    operation = tab.locator("#operations-default-items_items_get")
    operation.locator(".opblock-summary").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table tbody .response-col_status")).to_have_text(
        re.compile("200")
    )
    expect(operation.locator(".request-url")).to_contain_text(f"{site.url}/api/items")
