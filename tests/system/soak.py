"""A chaos soak from outside: load of every kind, faults by chance, and laws that hold all the same.

The choice of faults follows a seed, so a run can be repeated; what happens at which moment of the
daemon's life is left to chance, which is the point.
"""

import http.client
import os
import random
import signal
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from websockets.exceptions import ConnectionClosed, InvalidStatus

from fluxlit.gateway.http import DIALOG_PATIENCE
from tests.doubles.streamlit_session import StreamlitSession
from tests.system.daemon import Answer, Daemon, marked

APP = """\
import os

from fluxlit import FluxLit

app = FluxLit(title="Soak")


@app.api.get("/ping")
async def ping():
    return {"pid": os.getpid()}


@app.api.post("/echo")
async def echo(body: dict):
    return body


@app.page("/", title="Home")
def home(st, client):
    file = st.file_uploader("file")
    st.write("length", len(file.read()) if file else client.post("/echo", json={}).status_code)


@app.page("/hog", title="Hog")
def hog(st):
    st.write(sum(range(150_000_000)))  # never lets go of the interpreter lock


@app.page("/hungry", title="Hungry")
def hungry(st):
    st.write(len(bytearray(os.urandom(1)) * 200_000_000))
"""
REPLICAS = 2
SETTINGS = {
    "FLUXLIT_SIDECAR_REPLICAS": str(REPLICAS),
    "FLUXLIT_SIDECAR_READINESS_INTERVAL": "0.2",
    "FLUXLIT_SIDECAR_READINESS_TIMEOUT": "0.5",
    "FLUXLIT_SIDECAR_LIVENESS_INTERVAL": "0.3",
    "FLUXLIT_SIDECAR_LIVENESS_TIMEOUT": "0.5",
    "FLUXLIT_SIDECAR_LIVENESS_FAILURES": "3",
    "FLUXLIT_SIDECAR_BUSY_PATIENCE": "8",
    "FLUXLIT_SIDECAR_STOP_TIMEOUT": "1",
    "FLUXLIT_SIDECAR_MIN_READY": "0.5",
    "FLUXLIT_SIDECAR_DRAIN": "0.5",
    "FLUXLIT_SIDECAR_BACKOFF_FIRST": "0.1",
    "FLUXLIT_SIDECAR_BACKOFF_LONGEST": "1",
    "FLUXLIT_SIDECAR_START_LIMIT": "50",
    "FLUXLIT_SIDECAR_START_WINDOW": "60",
}
UI = ("/", "/_stcore/health", "/_stcore/host-config")
HALVES = (
    b"",
    b"GET /_stcore/health HT",
    b"POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
)
"""What a connection says before it falls silent."""
HEALTH = 2.0
"""Seconds in which healthz answers, whatever happens."""
NAP = 0.05
"""Seconds between two looks at how busy the machine is."""
ZOMBIE = 10.0
"""Seconds that a dead process may wait to be reaped."""
MEMORY = 400_000_000
"""Bytes that the daemon itself may hold; it begins with about 100 MB."""


class Soak:
    """One daemon under load and faults; ``broken`` are the laws it broke, ``seen`` what was done."""

    def __init__(self, daemon: Daemon, seed: int) -> None:
        self.daemon = daemon
        self.port = daemon.port
        self.chance = random.Random(seed)
        self.broken: list[str] = []
        self.seen: Counter[str] = Counter()
        self.over = threading.Event()
        self.most_memory = 0
        self._zombies: dict[tuple[int, str], float] = {}
        self._held: list[socket.socket] = []
        self.slowest_health = 0.0
        self._naps = deque[tuple[float, float]](maxlen=1000)

    def run(self, seconds: float) -> None:
        """Load and faults for ``seconds``, then load alone until every law of rest holds."""
        loads = [self.api, self.api, self.ui, self.ui, self.health, self.nap, self.watch]
        with self._threads([*loads, self.tab, self.tab, self.tab, self.uploads]):
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                name = self.chance.choice(sorted(FAULTS))
                self.seen[f"fault {name}"] += 1
                with suppress(ProcessLookupError):
                    FAULTS[name](self)
                self.over.wait(self.chance.uniform(0.1, 2.0))
            self._let_go()
            self._recover()

    @contextmanager
    def _threads(self, tasks: list[Callable[[], None]]) -> Generator[None]:
        threads = [threading.Thread(target=self._repeat, args=(task,)) for task in tasks]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.over.set()
            for thread in threads:
                thread.join()
            self._let_go()

    def _repeat(self, task: Callable[[], None]) -> None:
        try:
            while not self.over.is_set():
                task()
        except Exception as error:  # noqa: BLE001 - a load that ends in silence would prove nothing
            self.broken.append(f"{task.__name__} ended: {error!r}")

    def _recover(self) -> None:
        """With the faults over, all replicas of one generation serve and new tabs run, within a minute."""
        runs, end, phases = self.seen["runs"], time.monotonic() + 60, list[str]()
        while time.monotonic() < end:
            instances = self.daemon.ask("/api/readyz").json()["instances"]
            phases = [each["phase"] for each in instances]
            if phases == ["ready"] * REPLICAS and self.seen["runs"] >= runs + 6:
                return
            time.sleep(0.2)
        self.broken.append(f"no recovery: {phases}, {self.seen['runs'] - runs} runs")

    # Load

    def api(self) -> None:
        """Ask the API; it never depends on a sidecar."""
        self._asked("api", (200,), "/api/ping")
        self._asked("api", (200,), "/api/echo", "POST", b'{"a": 1}')
        self.over.wait(0.02)

    def ui(self) -> None:
        """Ask for pages and Streamlit's own paths."""
        for path in UI:
            began = time.monotonic()
            answer = self._asked("ui", (200, 503), path)
            took = time.monotonic() - began
            parked = took >= DIALOG_PATIENCE and answer and "retry-after" in answer.headers
            if answer is not None and answer.status == 503 and not parked:
                self.broken.append(f"503 after {took:.2f} s for {path}: {answer}")
        self.over.wait(0.05)

    def health(self) -> None:
        """Ask for the daemon's health, which is never late; what this process is late itself is not counted."""
        began = time.monotonic()
        self._asked("health", (200,), "/api/healthz")
        took = time.monotonic() - began
        late = sum(late for at, late in list(self._naps) if at >= began - NAP)
        self.slowest_health = max(self.slowest_health, took - late)
        if took > HEALTH + late:
            self.broken.append(f"healthz after {took:.2f} s, {late:.2f} s of it not the daemon's")
        self.over.wait(0.2)

    def nap(self) -> None:
        """Note how much longer than asked a nap takes: on a busy machine everybody waits for a processor."""
        began = time.monotonic()
        time.sleep(NAP)
        self._naps.append((began, time.monotonic() - began - NAP))

    def _asked(
        self,
        kind: str,
        right: tuple[int, ...],
        path: str,
        method: str = "GET",
        body: bytes | None = None,
        timeout: float = 40.0,
    ) -> Answer | None:
        began, answer, wrong = time.monotonic(), None, ""
        headers = {"Content-Type": "application/json"} if body else None
        try:
            answer = self.daemon.ask(path, method, headers, body, timeout)
            self.seen[f"{kind} {answer.status}"] += 1
            if answer.status not in right:
                wrong = f"{answer.status} {answer.body[:200]!r}"
        except (OSError, http.client.HTTPException) as error:
            wrong = repr(error)
        if wrong:
            took, clock = time.monotonic() - began, time.strftime("%H:%M:%S")
            self.broken.append(f"{clock} {method} {path} after {took:.2f} s: {wrong}")
        return answer

    def tab(self) -> None:
        """A tab that runs its script until it is told to come again; how it ends is only counted."""
        with self._forgiven("tab"), StreamlitSession(self.port, timeout=20) as session:
            while not self.over.is_set():
                session.run()
                self.seen["runs"] += 1
                with suppress(TimeoutError):
                    session.socket.recv(0.3)

    def uploads(self) -> None:
        """A tab that uploads; a file for a killed process is lost, but the answer must come."""
        with self._forgiven("upload"), StreamlitSession(self.port, timeout=20) as session:
            session.run()
            while not self.over.is_set():
                status = session.upload("file", b"x" * 2_000_000, session.cookies)
                self.seen[f"upload {status}"] += 1
                session.run()
                self.over.wait(0.2)

    @contextmanager
    def _forgiven(self, kind: str) -> Generator[None]:
        expected = (ConnectionClosed, InvalidStatus, OSError, http.client.HTTPException, KeyError)
        try:
            yield
        except ConnectionClosed as closed:
            self.seen[f"{kind} told {closed.rcvd.code if closed.rcvd else None}"] += 1
        except expected as error:
            self.seen[f"{kind} {type(error).__name__}"] += 1
            self.over.wait(0.1)

    # What is watched from outside

    def watch(self) -> None:
        """Count processes, zombies and memory as the kernel tells them."""
        ours = {self.daemon.process.pid, *marked(self.daemon.mark)}
        leaders = self._leaders()
        if len(leaders) > 2 * REPLICAS:
            stats = [_read(pid, "stat").decode() for pid in leaders]
            self.broken.append(f"{len(leaders)} sidecars at once: {stats}")
        self.seen["most sidecars"] = max(self.seen["most sidecars"], len(leaders))
        self._look_for_zombies(ours)
        pages = _read(self.daemon.process.pid, "statm").split()
        memory = int(pages[1]) * os.sysconf("SC_PAGE_SIZE") if pages else 0
        self.most_memory = max(self.most_memory, memory)
        if memory > MEMORY:
            self.broken.append(f"the daemon holds {memory} bytes")
            self.over.wait(5)
        self.over.wait(0.25)

    def _look_for_zombies(self, parents: set[int]) -> None:
        now, present = time.monotonic(), set[tuple[int, str]]()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                fields = _read(int(entry.name), "stat").decode().rpartition(")")[2].split()
                if fields and fields[0] == "Z" and int(fields[1]) in parents:
                    present.add((int(entry.name), fields[19]))
        self._zombies = {each: self._zombies.get(each, now) for each in present}
        for each, since in self._zombies.items():
            if now - since > ZOMBIE:
                self.broken.append(f"zombie {each[0]} for {now - since:.0f} s")

    # Faults

    def _leaders(self) -> list[int]:
        """The sidecars: leaders of their groups, so that none of their forks is taken for one."""
        found = marked(self.daemon.mark)
        return [
            pid
            for pid in sorted(found)
            if b"streamlit\0run" in _read(pid, "cmdline")
            and _read(pid, "stat").decode().rpartition(")")[2].split()[2:3] == [str(pid)]
        ]

    def sidecar(self) -> int:
        """One of the sidecars there are."""
        leaders = self._leaders()
        if not leaders:
            raise ProcessLookupError
        return self.chance.choice(leaders)

    def kill(self) -> None:
        """Kill -9 of a sidecar."""
        os.kill(self.sidecar(), signal.SIGKILL)

    def massacre(self) -> None:
        """Kill -9 of several sidecars at once, whatever they are doing."""
        for _ in range(2 * REPLICAS):
            self.kill()

    def freeze(self) -> None:
        """SIGSTOP of a sidecar, sometimes ended before the daemon does something."""
        pid = self.sidecar()
        os.kill(pid, signal.SIGSTOP)
        if self.chance.random() < 0.5:
            self.over.wait(self.chance.uniform(0.1, 1.5))
            os.kill(pid, signal.SIGCONT)

    def page(self, name: str) -> None:
        """Run a bad page in a tab that nobody waits for."""
        with self._forgiven(name), StreamlitSession(self.port, timeout=5) as session:
            session.run(name)

    def storm(self) -> None:
        """Several USR2 in a row."""
        for _ in range(self.chance.randint(1, 12)):
            self.daemon.process.send_signal(signal.SIGUSR2)
            self.over.wait(self.chance.choice((0, 0, 0.05)))

    def idle(self) -> None:
        """Many connections that say nothing, or half a request; the earlier ones are let go."""
        self._let_go()
        said = self.chance.choice(HALVES)
        for _ in range(self.chance.randint(50, 250)):
            connection = socket.create_connection(("127.0.0.1", self.port), 10)
            self._held.append(connection)
            with suppress(OSError):
                connection.sendall(said)

    def abandon(self) -> None:
        """Requests whose clients are gone before the answer."""
        for _ in range(30):
            path = self.chance.choice((*UI, "/api/ping")).encode()
            with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
                connection.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")

    def _let_go(self) -> None:
        for connection in self._held:
            connection.close()
        self._held.clear()


FAULTS: dict[str, Callable[[Soak], None]] = {
    "kill": Soak.kill,
    "massacre": Soak.massacre,
    "freeze": Soak.freeze,
    "hog": lambda soak: soak.page("hog"),
    "hungry": lambda soak: soak.page("hungry"),
    "storm": Soak.storm,
    "idle": Soak.idle,
    "abandon": Soak.abandon,
}


def complaints(daemon: Daemon) -> list[str]:
    """What a daemon never says, found in what it has said."""
    never = {"gateway.failed", "daemon.crashed", "daemon.broken_invariant"}
    said = [str(e) for e in daemon.log.events if e.get("event") in never or "exception" in e]
    return said + daemon.errors.lines


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
