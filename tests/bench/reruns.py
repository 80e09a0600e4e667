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
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Peer:
    """A server: its port, the processes that run scripts, and the daemon if it has one."""

    port: int
    scripts: tuple[int, ...]
    daemon: int | None = None

    def cpu(self) -> tuple[float, float]:
        """Seconds of CPU used so far: by the scripts' processes, by the daemon."""
        return sum(map(_cpu, self.scripts)), _cpu(self.daemon) if self.daemon else 0.0


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def alone(folder: Path) -> Generator[Peer]:
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
        port = next(
            int(m[1]) for line in process.stderr if (m := re.search(r"127\.0\.0\.1:(\d+)", line))
        )
        yield Peer(port, (process.pid,))
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@contextmanager
def ours(folder: Path, replicas: int) -> Generator[Peer]:
    """FluxLit with so many replicas."""
    place = folder / f"replicas{replicas}"
    place.mkdir()
    (place / "app.py").write_text(OURS)
    environment = {"FLUXLIT_SIDECAR_REPLICAS": str(replicas)}
    daemon = Daemon(place, "--no-access-log", environment=environment)
    try:
        daemon.wait_ready()
        spawned = [e["pid"] for e in daemon.log.events if e.get("event") == "service.spawned"]
        yield Peer(daemon.port, tuple(spawned), daemon.process.pid)
    finally:
        daemon.stop()
        daemon.destroy()


@dataclass(frozen=True)
class Round:
    """One measurement: reruns a second, and CPU milliseconds a rerun in the scripts and the daemon."""

    rate: float
    scripts: float
    daemon: float


def reruns(peer: Peer) -> Round:
    """CLIENTS sessions, each of which asks for the next run when one has finished."""
    counts = [0] * CLIENTS
    with ExitStack() as stack:
        sessions = [stack.enter_context(StreamlitSession(peer.port)) for _ in range(CLIENTS)]
        for session in sessions:
            session.run()
        began, before = time.perf_counter(), peer.cpu()

        def ask(index: int) -> None:
            while time.perf_counter() < began + SECONDS:
                sessions[index].run()
                counts[index] += 1

        threads = [threading.Thread(target=ask, args=(index,)) for index in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds, total = time.perf_counter() - began, sum(counts)
        scripts, daemon = (
            1000 * (now - then) / total for now, then in zip(peer.cpu(), before, strict=True)
        )
        return Round(total / seconds, scripts, daemon)


def row(what: str, rounds: list[Round], base: list[Round]) -> str:
    """One line of the table."""
    middle = statistics.median
    ratio = middle(mine.rate / theirs.rate for mine, theirs in zip(rounds, base, strict=True))
    cost = middle(each.scripts for each in rounds)
    return (
        f"| {what} | {middle(each.rate for each in rounds):.1f} /s | {ratio:.2f} "
        f"| {cost:.1f} ms, {cost / middle(each.scripts for each in base):.2f} of alone "
        f"| {middle(each.daemon for each in rounds):.1f} ms |"
    )


def main() -> None:
    """Measure in turns and print medians and ratios."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        peers = {
            "Streamlit alone": stack.enter_context(alone(folder)),
            "1 replica": stack.enter_context(ours(folder, 1)),
            "2 replicas": stack.enter_context(ours(folder, 2)),
        }
        found: dict[str, list[Round]] = {what: [] for what in peers}
        for _ in range(ROUNDS):
            for what, peer in peers.items():
                found[what].append(reruns(peer))
    print(f"| {CLIENTS} sessions, {os.cpu_count()} cores | reruns | ratio | CPU a rerun | daemon |")
    print("| --- | --- | --- | --- | --- |")
    for what, rounds in found.items():
        print(row(what, rounds, found["Streamlit alone"]), flush=True)


if __name__ == "__main__":
    main()
