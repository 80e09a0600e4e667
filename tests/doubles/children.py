"""Made processes on made clocks: a Launcher whose children follow scripts, for the driver's tests."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from signal import SIGKILL, SIGTERM

import anyio

from fluxlit.config.service import ServiceSpec
from fluxlit.errors import SpawnFailed
from fluxlit.status import Endpoint
from fluxlit.supervisor.launcher import Child
from fluxlit.supervisor.machine.probing import Activity, Finding, Outcome
from fluxlit.supervisor.output import LastWords


@dataclass(frozen=True, slots=True)
class Script:
    """What one child does; seconds after its start unless said.

    ``ready_after`` None: it never answers. ``stop_delay`` is from TERM to its exit, None: it is deaf
    to TERM. ``leftovers`` are members that outlive the leader until TERM, or until KILL when
    ``leftovers_deaf``. ``unkillable`` ignores even KILL. ``refused`` is the error of its spawn.
    ``pipe_held``: some foreign process keeps its output open for ever.
    """

    ready_after: float | None = 0.0
    exits_after: float | None = None
    status: int = 1
    stop_delay: float | None = 0.0
    leftovers: bool = False
    leftovers_deaf: bool = False
    unkillable: bool = False
    refused: SpawnFailed | None = None
    words: tuple[str, ...] = ()
    pipe_held: bool = False


@dataclass(slots=True)
class FakeChild:
    """One made process, and the record of what was done to it; ``states`` may be changed by tests."""

    pid: int
    instance: str
    script: Script
    started: float
    states: str = "S"
    cpu_per_second: float = 0.0
    stdout: int = -1
    stderr: int = -2
    signals: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    returncode: int | None = None
    exited_at: float | None = None
    reaped: bool = False
    abandoned: bool = False
    _leftovers: bool = False
    _ends_at: float = math.inf
    _ends_with: int = 0
    _news: anyio.Event = field(default_factory=anyio.Event)

    def __post_init__(self) -> None:
        self._leftovers = self.script.leftovers
        if self.script.exits_after is not None:
            self._ends_at = self.started + self.script.exits_after
            self._ends_with = self.script.status

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens: a port of its own."""
        return Endpoint("127.0.0.1", 10_000 + self.pid)

    @property
    def hangs(self) -> bool:
        """It is stopped or busy, and answers nobody."""
        return self.states != "S"

    def members(self) -> list[int]:
        """The leader while it lives, then its leftovers."""
        return [self.pid] if self.returncode is None or self._leftovers else []

    def signal(self, number: int) -> None:
        """Take a signal as the script says."""
        now = anyio.current_time()
        self.signals.append((now, number))
        if self.script.unkillable:
            return
        if number == SIGKILL:
            self._leftovers = False
            self.end(-SIGKILL)
        elif number == SIGTERM:
            self._terminate(now)
        self._wake()

    def _terminate(self, now: float) -> None:
        if self.script.stop_delay is None:
            return
        self._leftovers = self._leftovers and self.script.leftovers_deaf
        if now + self.script.stop_delay < self._ends_at:
            self._ends_at, self._ends_with = now + self.script.stop_delay, 0

    def end(self, returncode: int) -> None:
        """The leader exits now."""
        if self.returncode is None:
            self.returncode, self.exited_at = returncode, anyio.current_time()
        self._wake()

    async def exited(self) -> int:
        """Wait for the leader."""
        while self.returncode is None:
            await self._wait(self._ends_at)
            if self.returncode is None and anyio.current_time() >= self._ends_at:
                self.end(self._ends_with)
        return self.returncode

    async def gone(self) -> None:
        """Wait until nothing of it lives."""
        await self.exited()
        while self.members():
            await self._wait(math.inf)

    def reap(self) -> int:
        """Let go of it; only when nothing of it lives, and only once."""
        assert not self.members(), "reaped alive"
        assert not self.reaped, "reaped twice"
        assert self.returncode is not None
        self.reaped = True
        return self.returncode

    def abandon(self) -> None:
        """Let go of it alive."""
        self.abandoned = True

    async def _wait(self, until: float) -> None:
        with anyio.CancelScope(deadline=until):
            await self._news.wait()

    def _wake(self) -> None:
        news, self._news = self._news, anyio.Event()
        news.set()


class FakeLauncher:
    """Starts one child for each script, the last script again and again."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = scripts
        self.children: list[FakeChild] = []
        self.attempts: list[float] = []
        self.probing: set[str] = set()
        self.on_spawn: Callable[[], None] = lambda: None

    @property
    def child(self) -> FakeChild:
        """The child of now."""
        return self.children[-1]

    @property
    def starts(self) -> list[float]:
        """The moments of all starts."""
        return [child.started for child in self.children]

    @property
    def abroad(self) -> list[FakeChild]:
        """Children that were neither reaped nor abandoned."""
        return [child for child in self.children if not (child.reaped or child.abandoned)]

    def spawn(self, spec: ServiceSpec, instance: str) -> FakeChild:
        """Start the next script; raises what it refuses with."""
        script = self.scripts[min(len(self.attempts), len(self.scripts) - 1)]
        self.attempts.append(anyio.current_time())
        self.on_spawn()
        if script.refused:
            raise script.refused
        child = FakeChild(len(self.children) + 1, instance, script, anyio.current_time())
        self.children.append(child)
        return child

    def listeners(self, child: Child) -> Sequence[Endpoint]:
        """A socket that is not the service's, and the service's once it is up."""
        fake = self.of(child)
        ready = fake.script.ready_after
        stranger = Endpoint("127.0.0.1", 9)
        if ready is None or anyio.current_time() < fake.started + ready:
            return [stranger]
        return [stranger, fake.endpoint]

    def activity(self, child: Child) -> Activity:
        """As the child is now."""
        fake = self.of(child)
        age = anyio.current_time() - fake.started
        return Activity(fake.states, int(age * 100 * fake.cpu_per_second))

    async def probe(self, endpoint: Endpoint, spec: ServiceSpec, seconds: float) -> Finding:
        """Passes at once on a service that is well; a hung one costs all the time there is."""
        fake = next((c for c in self.children if c.endpoint == endpoint), None)
        if fake is None:
            return Finding(Outcome.FAILED, "status 404")
        if fake.returncode is not None:
            return Finding(Outcome.FAILED, "connection refused")
        if fake.hangs:
            await anyio.sleep(seconds)
            return Finding(Outcome.FAILED, f"no answer within {seconds:g} s")
        return Finding(Outcome.PASSED)

    async def relay_output(
        self, fd: int, stream: str, fields: Mapping[str, object], last_words: LastWords
    ) -> None:
        """What the script says comes at the end of its standard error."""
        fake = next(c for c in self.children if c.instance == fields["instance"])
        await fake.gone()
        if fake.script.pipe_held:
            await anyio.sleep_forever()
        if stream == "stderr":
            self._speak(fake.script.words, last_words)

    def _speak(self, words: Iterable[str], last_words: LastWords) -> None:
        for line in words:
            last_words.add(line)

    def of(self, child: Child) -> FakeChild:
        """The made process behind the protocol."""
        assert isinstance(child, FakeChild)
        return child
