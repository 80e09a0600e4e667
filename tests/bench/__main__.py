"""`make bench`: one table of medians and ratios, every peer measured in the same run."""

import http.client
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.bench.load import echo_lanes, get_lanes, rate
from tests.bench.pageload import page_load
from tests.system.daemon import Daemon

ROUNDS = int(os.environ.get("FLUXLIT_BENCH_ROUNDS", "5"))
SECONDS = float(os.environ.get("FLUXLIT_BENCH_SECONDS", "1.5"))
LANES = 16
SIZES = {"128 B": 128, "16 KiB": 16 * 1024, "1 MB": 1_000_000}


@contextmanager
def peer(*arguments: str) -> Generator[int, None, None]:
    """One server process; yields its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.peers", *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def median(measure: Callable[[], float]) -> float:
    """The median of some rounds."""
    return statistics.median(measure() for _ in range(ROUNDS))


def row(what: str, ours: float, theirs: float, unit: str, peer_name: str) -> None:
    """One line of the table."""
    print(
        f"| {what} | {ours:,.2f} {unit} | {theirs:,.2f} {unit} ({peer_name}) | {ours / theirs:.2f} |",
        flush=True,
    )


def relay_rates(backend: str) -> None:
    """GET and WebSocket rates of listener + gateway + relay beside plain Hypercorn, same backend."""
    with (
        peer("hypercorn", backend) as plain,
        peer("echo", "uvloop") as echo,
        peer("upstream", "uvloop") as upstream,
        peer("relay", backend, str(upstream)) as get_port,
        peer("relay", backend, str(echo)) as echo_port,
    ):
        ours = median(lambda: rate(get_lanes(get_port, "/x", LANES), SECONDS))
        theirs = median(lambda: rate(get_lanes(plain, "/x", LANES), SECONDS))
        row(f"GET through the relay, {backend}", ours, theirs, "/s", "Hypercorn, constant")
        own = median(lambda: rate(get_lanes(get_port, "/api/x", LANES), SECONDS))
        row(f"GET of the API, {backend}", own, theirs, "/s", "Hypercorn, constant")
        for name, size in SIZES.items():
            lanes = 2 if size > 100_000 else LANES
            ours = median(partial(echo_rate, echo_port, lanes, size))
            theirs = median(partial(echo_rate, plain, lanes, size))
            row(f"WebSocket echo {name}, {backend}", ours, theirs, "/s", "Hypercorn echo")


def echo_rate(port: int, lanes: int, size: int) -> float:
    """Messages a second there and back."""
    return rate(echo_lanes(port, "/_stcore/stream", lanes, size), SECONDS)


def until(port: int, path: str, began: float, status: int = 200) -> float:
    """Seconds from ``began`` until ``path`` answers ``status``."""
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            connection.close()
            if answer.status == status:
                return time.perf_counter() - began
        except OSError:
            pass
        time.sleep(0.002)


def streamlit_start(folder: Path) -> tuple[float, float]:
    """Seconds until Streamlit alone is healthy, and its rate of /_stcore/health."""
    script = folder / "plain.py"
    script.write_text("import streamlit as st\nst.write('hello')\n")
    began = time.perf_counter()
    process = subprocess.Popen(
        [
            *(
                sys.executable,
                "-m",
                "streamlit",
                "run",
                str(script),
                "--server.port",
                "0",
                "--server.headless",
                "true",
            ),
            *(
                "--server.address",
                "127.0.0.1",
                "--server.fileWatcherType",
                "none",
                "--browser.gatherUsageStats",
                "false",
            ),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        port = next(
            int(m[1]) for line in process.stderr if (m := re.search(r"127\.0\.0\.1:(\d+)", line))
        )
        seconds = until(port, "/_stcore/health", began)
        return seconds, rate(get_lanes(port, "/_stcore/health", LANES), SECONDS)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def memory(pid: int) -> float:
    """Resident memory, MB."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1000 if found else float("nan")


def life(folder: Path, backend: str, alone: float) -> None:
    """Cold start, memory and recovery of the whole daemon with the demo app."""
    health: list[float] = []
    ready: list[float] = []
    recovery: list[float] = []
    resident: list[float] = []
    for index in range(ROUNDS):
        place = folder / f"{backend}{index}"
        place.mkdir()
        began = time.perf_counter()
        daemon = Daemon(place, "--backend", backend, "fluxlit.demo.app:app")
        try:
            health.append(until(daemon.port, "/api/healthz", began))
            ready.append(until(daemon.port, "/api/readyz", began))
            resident.append(memory(daemon.process.pid))
            os.kill(daemon.sidecar, signal.SIGKILL)
            recovery.append(until(daemon.port, "/_stcore/health", time.perf_counter()))
        finally:
            daemon.stop()
            daemon.destroy()
    middle = statistics.median
    row(f"start to healthz, {backend}", middle(health), alone, "s", "Streamlit alone to healthy")
    row(f"start to readyz, {backend}", middle(ready), alone, "s", "Streamlit alone to healthy")
    row(
        f"kill -9 of the sidecar to served again, {backend}",
        middle(recovery),
        alone,
        "s",
        "Streamlit alone to healthy",
    )
    print(f"| memory of the daemon with the demo, {backend} | {middle(resident):.1f} MB | | |")


def main() -> None:
    """Measure and print."""
    print(
        f"Medians of {ROUNDS} rounds of {SECONDS} s, {LANES} connections, {os.cpu_count()} cores.\n"
    )
    print("| what | FluxLit | beside it | ratio |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        alone = [streamlit_start(folder) for _ in range(ROUNDS)]
        start = statistics.median(seconds for seconds, _ in alone)
        print(
            f"| | | {statistics.median(r for _, r in alone):,.1f} /s (Streamlit alone, /_stcore/health) | |"
        )
        for backend in ("asyncio", "uvloop", "trio"):
            relay_rates(backend)
        for backend in ("asyncio", "trio"):
            life(folder, backend, start)
        place = folder / "page"
        place.mkdir()
        page_load(place, row)


if __name__ == "__main__":
    main()
