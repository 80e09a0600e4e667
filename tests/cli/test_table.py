"""The status as people read it."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from fluxlit.cli.table import COLUMNS, CpuLoad, absent, duration, plain, rich, size

INSTANCE: dict[str, Any] = {
    "id": "ui-1",
    "service": "ui",
    "slot": 0,
    "generation": 2,
    "phase": "starting",
    "for_seconds": 1.5,
    "pid": 77,
    "endpoint": None,
    "requests": 1,
    "sessions": 12,
    "processes": 3,
    "rss": 60_000_000,
    "pss": 45_300_000,
    "cpu_seconds": 1.0,
    "uptime": 200.0,
}
STATUS: dict[str, Any] = {
    "version": "1.0",
    "pid": 7,
    "target": "app:app",
    "backend": "trio",
    "listening": ["http://127.0.0.1:8000"],
    "phase": "lame_duck",
    "for_seconds": 3.0,
    "generation": 2,
    "restarts": 4,
    "retry_after": 8.0,
    "last_failure": "ui was killed by SIGKILL",
    "requests": 1,
    "sessions": 12,
    "memory": {"rss": 120_000_000, "pss": 93_000_000},
    "daemon": {"processes": 1, "rss": 60_000_000, "pss": None, "cpu_seconds": 2.0, "uptime": 90000},
    "instances": [INSTANCE, {**INSTANCE, "phase": "pending", "pid": None}],
}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.9, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (86_400 * 4 + 7200, "4 d 2 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """At most two units."""
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 kB"), (45_300_000, "45.3 MB"), (2_500_000_000, "2.50 GB")]
)
def test_sizes(count: int, text: str) -> None:
    """Powers of ten, as the units say."""
    assert size(count) == text


def test_plain_columns_hold_everything() -> None:
    """A row for each process, aligned, with the summary and the last failure below."""
    lines = plain(STATUS, CpuLoad()).splitlines()
    assert lines[0] == "app:app on http://127.0.0.1:8000"
    assert lines[1].split() == list(COLUMNS)
    assert lines[2].split()[:2] == ["daemon", "lame_duck"]
    assert "60.0 MB" in lines[2]  # no proportional size is known
    assert "3 min 20 s" in lines[3]
    assert "45.3 MB" in lines[3]
    assert len({line.find("MB") for line in lines[2:4]}) == 1
    assert "restarts 4" in lines[5]
    assert "next start in 8 s" in lines[5]
    assert lines[6] == "last failure: ui was killed by SIGKILL"


def test_the_load_is_what_was_used_between_two_looks() -> None:
    """Half a second of CPU in one second is 50 %; one look tells nothing."""
    load = CpuLoad()
    load.sample(STATUS, 10.0)
    assert load.text(77) == "-"
    later = {**STATUS, "instances": [{**INSTANCE, "cpu_seconds": 1.5}]}
    load.sample(later, 11.0)
    assert load.text(77) == "50 %"
    assert load.text(7) == "0 %"
    assert load.text(None) == "-"


def test_the_coloured_table_fits_in_ninety_columns() -> None:
    """Nothing is cut off or wrapped."""
    console = Console(width=90, record=True, file=StringIO())
    console.print(rich(STATUS, CpuLoad(), watching=True))
    console.print(absent("no daemon"))
    text = console.export_text()
    assert "…" not in text
    assert "lame duck" in text
    assert "ui was killed by SIGKILL" in text
    assert "Ctrl-C" in text
    assert "no daemon" in text
