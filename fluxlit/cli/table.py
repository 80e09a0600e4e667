"""The status document as people read it: a coloured table on a terminal, plain columns elsewhere."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

Status: TypeAlias = Mapping[str, Any]

COLUMNS = ("process", "state", "for", "pid", "uptime", "sessions", "requests", "cpu", "memory")
_RIGHT = frozenset(COLUMNS[2:])
_GOOD = frozenset({"ready"})
_BAD = frozenset({"unavailable", "failed", "killing", "exited", "unready"})


class CpuLoad:
    """CPU per cent of each process tree between the last two looks."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[float, float]] = {}
        self._percent: dict[int, float] = {}

    def sample(self, status: Status, now: float) -> None:
        """Take what a status document says at ``now``, a monotonic second."""
        processes = [{**status["daemon"], "pid": status["pid"]}, *status["instances"]]
        seen = {each["pid"]: (now, each["cpu_seconds"]) for each in processes if each["pid"]}
        self._percent = {
            pid: max(0.0, 100 * (cpu - self._last[pid][1]) / (at - self._last[pid][0]))
            for pid, (at, cpu) in seen.items()
            if pid in self._last and at > self._last[pid][0]
        }
        self._last = seen

    def text(self, pid: int | None) -> str:
        """The load of a process, a dash when it was seen once only."""
        percent = self._percent.get(pid or 0)
        return "-" if percent is None else f"{percent:.0f} %"


def rows(status: Status, load: CpuLoad) -> Iterator[tuple[str, ...]]:
    """One row for the daemon and one for each instance, in the order of COLUMNS."""
    own = status["daemon"]
    yield (
        "daemon",
        status["phase"],
        duration(status["for_seconds"]),
        str(status["pid"]),
        duration(own["uptime"]),
        str(status["sessions"]),
        str(status["requests"]),
        load.text(status["pid"]),
        memory(own),
    )
    for each in status["instances"]:
        yield (
            f"{each['service']} {each['slot']} (gen {each['generation']})",
            each["phase"],
            duration(each["for_seconds"]),
            str(each["pid"] or "-"),
            duration(each["uptime"]) if each["pid"] else "-",
            str(each["sessions"]),
            str(each["requests"]),
            load.text(each["pid"]),
            memory(each) if each["pid"] else "-",
        )


def summary(status: Status) -> str:
    """What stands below the table: the whole tree's memory, restarts, what is due."""
    parts = [f"memory {size(status['memory']['pss'])} in all"]
    parts.append(f"restarts {status['restarts']}")
    parts.append(f"generation {status['generation']}")
    if status["retry_after"] is not None:
        parts.append(f"next start in {duration(status['retry_after'])}")
    return " · ".join(parts)


def plain(status: Status, load: CpuLoad) -> str:
    """Columns of text, for pipes and logs."""
    found = [COLUMNS, *rows(status, load)]
    widths = [max(len(row[place]) for row in found) for place in range(len(COLUMNS))]
    lines = [
        "  ".join(
            text.rjust(width) if name in _RIGHT else text.ljust(width)
            for name, text, width in zip(COLUMNS, row, widths, strict=True)
        ).rstrip()
        for row in found
    ]
    head = f"{status['target']} on {', '.join(status['listening'])}"
    failure = [f"last failure: {status['last_failure']}"] if status["last_failure"] else []
    return "\n".join([head, *lines, summary(status), *failure])


def rich(status: Status, load: CpuLoad, *, watching: bool = False) -> RenderableType:
    """The same with colours."""
    head = Text.assemble(
        ("● ", _colour(status["phase"])),
        (status["phase"].replace("_", " "), f"bold {_colour(status['phase'])}"),
        "  ",
        (status["target"], "bold"),
        "  ",
        (", ".join(status["listening"]), "cyan"),
        (f"  FluxLit {status['version']}, {status['backend']}", "dim"),
    )
    foot = [Text(summary(status), "dim")]
    if status["last_failure"]:
        foot.append(Text.assemble(("last failure  ", "red"), status["last_failure"]))
    if watching:
        foot.append(Text("Ctrl-C ends the watching, not the daemon", "dim"))
    return Padding(Group(head, Text(), _table(status, load), Text(), *foot), (1, 2))


def absent(sentence: str) -> RenderableType:
    """What is shown while there is no daemon."""
    return Padding(Text.assemble(("○ ", "red"), sentence), (1, 2))


def _table(status: Status, load: CpuLoad) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in COLUMNS:
        table.add_column(name, justify="right" if name in _RIGHT else "left", no_wrap=True)
    for name, state, *others in rows(status, load):
        table.add_row(Text(name), Text(state.replace("_", " "), _colour(state)), *others)
    return table


def _colour(state: str) -> str:
    return "green" if state in _GOOD else "red" if state in _BAD else "yellow"


def memory(used: Mapping[str, Any]) -> str:
    """The memory of a process tree: its share of shared pages included, or all it has mapped."""
    return size(used["rss"] if used["pss"] is None else used["pss"])


def size(count: int) -> str:
    """Bytes as people say them: 45.3 MB."""
    if count < 1_000_000:
        return f"{count / 1000:.0f} kB"
    return f"{count / 1e6:.1f} MB" if count < 1_000_000_000 else f"{count / 1e9:.2f} GB"


def duration(seconds: float) -> str:
    """Seconds as people say them: 5 s, 3 min 20 s, 2 h 5 min, 4 d 2 h."""
    whole = int(seconds)
    for unit, length, smaller, part in (
        ("d", 86_400, "h", 3600),
        ("h", 3600, "min", 60),
        ("min", 60, "s", 1),
    ):
        if whole >= length:
            left = whole % length // part
            return f"{whole // length} {unit}" + (f" {left} {smaller}" if left else "")
    return f"{whole} s"
