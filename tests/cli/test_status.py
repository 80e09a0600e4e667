"""status: once, as JSON, and watched without a terminal."""

import json
from pathlib import Path
from typing import Any

import pytest

from fluxlit.cli import status as module
from fluxlit.cli.app import main
from fluxlit.cli.dialogue import NoDaemon
from tests.cli.test_table import STATUS


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that is asked without a socket, and no waiting between two looks."""

    def ask(_folder: Path) -> dict[str, Any]:
        return STATUS

    def find(_given: object) -> Path:
        return Path("/nowhere")

    monkeypatch.setattr(module, "find", find)
    monkeypatch.setattr(module, "ask", ask)
    monkeypatch.setattr(module, "SAMPLE", 0.0)
    monkeypatch.setattr(module, "INTERVAL", 0.0)


def run(*argv: str) -> int:
    """Run the command."""
    try:
        return main(["status", *argv])
    except SystemExit as exc:
        return int(exc.code or 0)


def test_json_is_the_document(daemon: None, capsys: pytest.CaptureFixture[str]) -> None:
    """Unchanged."""
    assert run("--json") == 0
    assert json.loads(capsys.readouterr().out) == STATUS


def test_without_a_terminal_it_is_plain(daemon: None, capsys: pytest.CaptureFixture[str]) -> None:
    """No escape sequences."""
    assert run() == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "app:app on http://127.0.0.1:8000" in shown


def test_watching_ends_with_the_daemon(
    daemon: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal it prints again and again until there is nobody to ask: 1."""
    left = iter([STATUS, STATUS])

    def ask(_folder: Path) -> dict[str, Any]:
        try:
            return next(left)
        except StopIteration:
            raise NoDaemon("the daemon has ended") from None

    monkeypatch.setattr(module, "ask", ask)
    assert run("--watch") == 1
    shown = capsys.readouterr()
    assert shown.out.count("app:app on") == 2
    assert shown.err == "fluxlit: the daemon has ended\n"
