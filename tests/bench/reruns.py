"""Real reruns of a script a second: protobuf clients on FluxLit with 1 and 2 replicas, and on Streamlit alone.

All servers stand at once and are measured in turns, so that what else the machine does falls on all
of them; one that is not measured is idle. Run it as `python -m tests.bench.reruns`.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.doubles.streamlit_session import StreamlitSession
from tests.system.daemon import Daemon

ROUNDS = int(os.environ.get("FLUXLIT_BENCH_ROUNDS", "5"))
SECONDS = float(os.environ.get("FLUXLIT_BENCH_RERUN_SECONDS", "4"))
CLIENTS = 8
WORK = """
def page(st):
    total = 0
    for number in range(300_000):
        total += number * number
    st.title("Work")
    st.write("A result", total)
    st.line_chart({"a": list(range(100))})
"""
PLAIN = WORK + "\nimport streamlit\npage(streamlit)\n"
OURS = (
    WORK
    + """
from fluxlit import FluxLit
app = FluxLit(title="Work")
app.page("/", title="Home")(page)
"""
)


@contextmanager
def alone(folder: Path) -> Iterator[int]:
    """Streamlit by itself on a port of its choice."""
    (folder / "plain.py").write_text(PLAIN)
    options = {
        "server.port": "0",
        "server.headless": "true",
        "server.address": "127.0.0.1",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(folder / "plain.py"), *flags],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        yield next(
            int(m[1]) for line in process.stderr if (m := re.search(r"127\.0\.0\.1:(\d+)", line))
        )
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@contextmanager
def ours(folder: Path, replicas: int) -> Iterator[int]:
    """FluxLit with so many replicas."""
    place = folder / f"replicas{replicas}"
    place.mkdir()
    (place / "app.py").write_text(OURS)
    environment = {"FLUXLIT_SIDECAR_REPLICAS": str(replicas)}
    daemon = Daemon(place, "--no-access-log", environment=environment)
    try:
        yield daemon.wait_ready().port
    finally:
        daemon.stop()
        daemon.destroy()


def reruns(port: int) -> float:
    """Reruns a second of CLIENTS sessions, each of which asks for the next when one has finished."""
    counts = [0] * CLIENTS
    with ExitStack() as stack:
        sessions = [stack.enter_context(StreamlitSession(port)) for _ in range(CLIENTS)]
        for session in sessions:
            session.run()
        until = time.perf_counter() + SECONDS

        def ask(index: int) -> None:
            while time.perf_counter() < until:
                sessions[index].run()
                counts[index] += 1

        threads = [threading.Thread(target=ask, args=(index,)) for index in range(CLIENTS)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(counts) / (time.perf_counter() - began)


def main() -> None:
    """Measure in turns and print medians and ratios."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        ports = {
            "Streamlit alone": stack.enter_context(alone(folder)),
            "1 replica": stack.enter_context(ours(folder, 1)),
            "2 replicas": stack.enter_context(ours(folder, 2)),
        }
        found: dict[str, list[float]] = {what: [] for what in ports}
        for _ in range(ROUNDS):
            for what, port in ports.items():
                found[what].append(reruns(port))
    base = statistics.median(found["Streamlit alone"])
    print(f"| reruns a second, {CLIENTS} sessions, {os.cpu_count()} cores | median | ratio |")
    print("| --- | --- | --- |")
    for what, rates in found.items():
        pairs = zip(rates, found["Streamlit alone"], strict=True)
        ratio = statistics.median(mine / theirs for mine, theirs in pairs)
        rounds = ", ".join(f"{rate:.1f}" for rate in rates)
        print(
            f"| {what} | {statistics.median(rates):.1f} /s ({rounds}) | {ratio:.2f} |", flush=True
        )
    print(f"\nBase: {base:.1f} /s.")


if __name__ == "__main__":
    main()
