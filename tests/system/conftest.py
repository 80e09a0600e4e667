"""Daemons that are started by a test and must leave nothing behind."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.system import apps
from tests.system.daemon import Daemon

Start = Callable[..., Daemon]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start daemons with `start(*arguments, files=…)` in folders of their own; none may leave anything behind."""
    daemons: list[Daemon] = []

    def begin(*arguments: str, files: Mapping[str, str] | None = None, **options: object) -> Daemon:
        folder = tmp_path / f"d{len(daemons)}"
        folder.mkdir(exist_ok=True)
        for name, text in (files or {"app.py": apps.SMALL}).items():
            (folder / name).write_text(text)
        daemons.append(Daemon(folder, *arguments, **options))  # type: ignore[arg-type]
        return daemons[-1]

    yield begin
    leaks: list[str] = []
    for daemon in daemons:
        if daemon.process.poll() is None:
            daemon.stop()
        leaks += _leaks(daemon)
        daemon.destroy()
    assert not leaks, "\n".join(leaks)


def _leaks(daemon: Daemon) -> list[str]:
    # The kernel delivers the death signal of a killed daemon to its children at once, but their
    # own exit takes it some milliseconds.
    deadline = time.monotonic() + 3
    while (left := daemon.leftovers()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return [f"{kind} left behind: {what}\n{daemon.story()}" for kind, what in left.items()]


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    """The backends the daemon is started with."""
    return str(request.param)
