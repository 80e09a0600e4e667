"""A cold page load in Chromium over an emulated link: bytes, requests and time, Streamlit alone beside FluxLit.

Both answer for the same process: Streamlit alone is the sidecar, asked on its own loopback port.
`python -m tests.bench.pageload` prints these rows only; Chromium as Debian ships it must be there.
"""

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, CDPSession, TimeoutError, sync_playwright  # noqa: A004

from tests.browser.conftest import ARGUMENTS
from tests.system.daemon import Daemon
from tests.system.test_assets import sidecar_port

ROUNDS = int(os.environ.get("FLUXLIT_BENCH_ROUNDS", "5"))
LINK = {"downloadThroughput": 20e6 / 8, "uploadThroughput": 20e6 / 8, "latency": 40.0}
"""20 Mbit/s each way in bytes a second, 40 ms from a request to the first byte of its answer."""
LAST = "Assam"
"""In the table at the end of the demo's first page: what shows last."""

Row = Callable[[str, float, float, str, str], None]


@dataclass
class Load:
    """One load: seconds until the heading and until the whole page show, bytes received, requests."""

    heading: float = 0.0
    whole: float = 0.0
    size: float = 0.0
    requests: float = 0.0


def load(chromium: Browser, url: str, attempts: int = 3) -> Load:
    """One load that arrives; one that does not is told of and repeated.

    Seen with an HTTP/2 proxy in front: a tab that waits for ever for files that the daemon's access
    log shows as sent. Why is not known.
    """
    try:
        return _load(chromium, url)
    except TimeoutError:
        if attempts == 1:
            raise
        print(f"<!-- a load of {url} did not arrive, once more -->")
        return load(chromium, url, attempts - 1)


def _load(chromium: Browser, url: str) -> Load:
    """Open the demo in a tab without any cache and wait until the network is idle."""
    context = chromium.new_context(viewport={"width": 1200, "height": 800})
    page = context.new_page()
    result = Load()
    _watch(context.new_cdp_session(page), result)
    began = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.get_by_role("heading", name="The tea shop").wait_for()
    result.heading = time.perf_counter() - began
    page.get_by_role("cell", name=LAST).wait_for()
    result.whole = time.perf_counter() - began
    page.wait_for_load_state("networkidle")
    context.close()
    return result


def _watch(session: CDPSession, result: Load) -> None:
    def finished(event: dict[str, Any]) -> None:
        result.size += event["encodedDataLength"]
        result.requests += 1

    session.on("Network.loadingFinished", finished)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    session.send("Network.emulateNetworkConditions", {"offline": False, **LINK})


def medians(loads: list[Load]) -> Load:
    """The median of each number."""
    return Load(
        *(
            statistics.median(getattr(one, name) for one in loads)
            for name in ("heading", "whole", "size", "requests")
        )
    )


def page_load(folder: Path, row: Row) -> None:
    """Both by turns, after one load that the daemon packs its files for."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        print("| cold page load | Chromium is not installed | | |")
        return
    daemon = Daemon(folder, "fluxlit.demo.app:app")
    try:
        daemon.wait_ready()
        ours = f"http://127.0.0.1:{daemon.port}/"
        alone = f"http://127.0.0.1:{sidecar_port(daemon)}/"
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
            warm_up(chromium, daemon, ours, alone)
            pairs = [(load(chromium, ours), load(chromium, alone)) for _ in range(ROUNDS)]
            chromium.close()
        mine, theirs = medians([one for one, _ in pairs]), medians([one for _, one in pairs])
        peer = f"Streamlit alone, {theirs.requests:.0f} requests"
        row(
            "cold page load, 20 Mbit/s, 40 ms: bytes",
            mine.size / 1e6,
            theirs.size / 1e6,
            "MB",
            peer,
        )
        row("until the heading shows", mine.heading, theirs.heading, "s", peer)
        row("until the whole page shows", mine.whole, theirs.whole, "s", peer)
    finally:
        daemon.stop()
        daemon.destroy()


def warm_up(chromium: Browser, daemon: Daemon, *urls: str) -> None:
    """Load each once, until the daemon has nothing left to pack."""
    for url in urls:
        load(chromium, url)
    seen = 0
    while seen != (seen := daemon.events_so_far):
        time.sleep(2)


def main() -> None:
    """Measure and print."""
    print(f"Medians of {ROUNDS} loads, {os.cpu_count()} cores.\n")
    print("| what | FluxLit | beside it | ratio |\n| --- | --- | --- | --- |")

    def row(what: str, ours: float, theirs: float, unit: str, peer: str) -> None:
        print(
            f"| {what} | {ours:.3f} {unit} | {theirs:.3f} {unit} ({peer}) | {ours / theirs:.3f} |"
        )

    with tempfile.TemporaryDirectory() as name:
        page_load(Path(name), row)


if __name__ == "__main__":
    main()
