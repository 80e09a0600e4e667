"""What `fluxlit` does before anything heavy is imported."""

import sys
from types import ModuleType
from typing import NoReturn

import pytest

from fluxlit import __main__ as entry


class Trace(list[str]):
    """The order in which the parts are called."""

    def module(self, name: str, **functions: int | None) -> ModuleType:
        """A module whose functions note their call and return a value."""
        made = ModuleType(name)
        for function, value in functions.items():
            setattr(made, function, self._call(function, value))
        return made

    def _call(self, name: str, value: int | None) -> object:
        def call(*_argv: object) -> int | None:
            self.append(name)
            return value

        return call


@pytest.fixture
def trace(monkeypatch: pytest.MonkeyPatch) -> Trace:
    """All that main may call, replaced."""
    trace = Trace()
    modules = (
        trace.module("fluxlit.supervisor.guardian", begin=None),
        trace.module("fluxlit.cli.healthcheck", main=3),
        trace.module("fluxlit.cli.app", main=4),
    )
    for module in modules:
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return trace


def run(monkeypatch: pytest.MonkeyPatch, *argv: str) -> object:
    """The status that main exits with."""
    monkeypatch.setattr(sys, "argv", ["fluxlit", *argv])
    main: object = entry.main
    with pytest.raises(SystemExit) as caught:
        _call(main)
    return caught.value.code


def _call(main: object) -> NoReturn:
    assert callable(main)
    main()
    raise AssertionError("main returned")


@pytest.mark.parametrize("command", ["run", "demo"])
def test_a_daemon_is_prepared_first(
    monkeypatch: pytest.MonkeyPatch, trace: Trace, command: str
) -> None:
    """Signals are held, and PID 1 is split or a guardian forked, before the command line is read."""
    assert run(monkeypatch, command, "a:b") == 4
    assert trace == ["begin", "main"]


@pytest.mark.parametrize(
    "argv", [["config", "show"], ["--version"], [], ["run", "--help"], ["demo", "-h"]]
)
def test_other_commands_stay_one_process(
    monkeypatch: pytest.MonkeyPatch, trace: Trace, argv: list[str]
) -> None:
    """What only prints leaves signals and processes alone."""
    assert run(monkeypatch, *argv) == 4
    assert trace == ["main"]


def test_healthcheck_goes_its_own_way(monkeypatch: pytest.MonkeyPatch, trace: Trace) -> None:
    """The health check runs without the rest; its help is the common one."""
    assert run(monkeypatch, "healthcheck", "--ready") == 3
    assert run(monkeypatch, "healthcheck", "--help") == 4
    assert trace == ["main", "main"]
