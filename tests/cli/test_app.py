"""The command as a user runs it: help, statuses, and what `run` hands to the daemon."""

import re
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

from fluxlit.cli import app
from fluxlit.config.arguments import flag_rows
from fluxlit.config.load import Loaded
from fluxlit.config.sources import Source
from fluxlit.errors import BindError, ExitStatus
from tests.cli.commands import fluxlit

COMMANDS = (
    (),
    ("run",),
    ("demo",),
    ("config",),
    ("config", "show"),
    ("config", "schema"),
    ("healthcheck",),
    ("status",),
    ("stop",),
    ("drain",),
    ("restart",),
    ("reload",),
    ("logs",),
)


def test_version(tmp_path: Path) -> None:
    """--version prints name and version."""
    result = fluxlit(tmp_path, "--version")
    assert (result.returncode, result.stdout) == (0, f"fluxlit {version('fluxlit')}\n")


def test_no_arguments(tmp_path: Path) -> None:
    """Without a command there is help, and the status of a usage error."""
    result = fluxlit(tmp_path)
    assert result.returncode == 2
    assert "Commands:" in result.stdout + result.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_fits_on_a_screen(tmp_path: Path, command: tuple[str, ...]) -> None:
    """--help of each command is at most 40 lines of 80 columns."""
    result = fluxlit(tmp_path, *command, "--help")
    lines = result.stdout.splitlines()
    assert result.returncode == 0
    assert len(lines) <= 40
    assert max(len(line) for line in lines) <= 80


@pytest.mark.parametrize("command", ["run", "demo"])
def test_every_flag_is_in_the_help(tmp_path: Path, command: str) -> None:
    """The flags of the table are the flags of run and demo, besides --config and --help."""
    text = fluxlit(tmp_path, command, "--help").stdout
    expected = {flag for row in flag_rows() for flag in row.flags} | {"--config", "--help"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) == expected


@pytest.mark.parametrize(
    "argv", [["nonsense"], ["run", "--prot", "1"], ["run", "a", "b"], ["demo", "a"]]
)
def test_usage_errors(tmp_path: Path, argv: list[str]) -> None:
    """Commands and flags that there are not: 2, no traceback."""
    result = fluxlit(tmp_path, *argv)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_wrong_settings(tmp_path: Path) -> None:
    """Every mistake is a line on standard error, the status is 78, nothing starts."""
    (tmp_path / "fluxlit.toml").write_text("[gateway]\nprot = 1\n")
    result = fluxlit(tmp_path, "run", "--port", "x", variables={"FLUXLIT_LOG_LEVEL": "loud"})
    assert result.returncode == 78
    assert result.stdout == ""
    assert [line.split(": found")[0] for line in result.stderr.splitlines()] == [
        "fluxlit: fluxlit.toml:2 gateway.prot",
        "fluxlit: --port",
        "fluxlit: FLUXLIT_LOG_LEVEL",
    ]


def test_completion(tmp_path: Path) -> None:
    """A shell is told the commands and the flags."""
    variables = {
        "_FLUXLIT_COMPLETE": "complete_bash",
        "COMP_CWORD": "1",
        "COMP_WORDS": "fluxlit ru",
    }
    assert fluxlit(tmp_path, variables=variables).stdout.split() == ["run"]
    variables |= {"COMP_CWORD": "2", "COMP_WORDS": "fluxlit run --po"}
    assert fluxlit(tmp_path, variables=variables).stdout.split() == ["--port"]


class Daemon(ModuleType):
    """Stands for fluxlit.supervisor.run: keeps what it was given."""

    def __init__(self, outcome: int | BindError) -> None:
        super().__init__("fluxlit.supervisor.run")
        self.outcome = outcome
        self.given: list[Loaded] = []

    def main(self, loaded: Loaded) -> int:
        """Return the status, or fail, as told."""
        self.given.append(loaded)
        if isinstance(self.outcome, BindError):
            raise self.outcome
        return self.outcome


def serve(monkeypatch: pytest.MonkeyPatch, daemon: Daemon, *argv: str) -> int:
    """Run a command in this process with ``daemon`` in the place of the real one."""
    monkeypatch.setitem(sys.modules, "fluxlit.supervisor.run", daemon)
    try:
        return app.main(argv)
    except SystemExit as exc:
        return int(exc.code or 0)


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file, and no port from the outside."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PORT", raising=False)


@pytest.mark.parametrize("status", [0, 69, 143])
def test_run_exits_with_the_status_of_the_daemon(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """What the daemon returns is what the process returns."""
    assert serve(monkeypatch, Daemon(status), "run") == status


def test_run_hands_over_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Target, switches and values reach the daemon, each as from a flag."""
    daemon = Daemon(0)
    serve(monkeypatch, daemon, "run", "a:b", "--port", "0", "--no-access-log", "--backend=trio")
    (loaded,) = daemon.given
    settings = loaded.settings
    assert (settings.target, settings.gateway.port, settings.backend) == ("a:b", 0, "trio")
    assert not settings.log.access
    flags = {key for key, origin in loaded.origins.items() if origin.source is Source.FLAG}
    assert flags == {"target", "gateway.port", "backend", "log.access"}


def test_run_reads_the_given_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """--config names the file."""
    Path("x.toml").write_text("title = 'x'")
    daemon = Daemon(0)
    serve(monkeypatch, daemon, "run", "--config", "x.toml")
    assert daemon.given[0].settings.title == "x"


def test_demo_is_run_with_a_target(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo command serves the demo application with the same flags."""
    daemon = Daemon(0)
    serve(monkeypatch, daemon, "demo", "--debug")
    settings = daemon.given[0].settings
    assert (settings.target, settings.debug) == (app.DEMO, True)


def test_errors_of_ours_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error of ours is a line and its own status."""
    daemon = Daemon(BindError("127.0.0.1:80 is in use"))
    assert serve(monkeypatch, daemon, "run") == ExitStatus.OS
    assert capsys.readouterr().err == "fluxlit: 127.0.0.1:80 is in use\n"
