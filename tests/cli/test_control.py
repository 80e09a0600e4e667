"""stop, drain, restart, reload and logs against a control socket."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import pytest

from fluxlit import log as logs
from fluxlit.cli.app import main
from fluxlit.config.settings import Settings
from fluxlit.log.tail import Tail
from fluxlit.supervisor import state
from fluxlit.supervisor.control import Abilities, Control


@contextmanager
def served(folder: Path, **abilities: Callable[[], None]) -> Generator[None]:
    """A control socket in a thread of its own; ``stop`` ends it."""
    held = state.claim(Settings(state_dir=str(folder)), {}, folder)
    assert held is not None
    ready = threading.Event()
    scope: list[anyio.CancelScope] = []

    async def status() -> dict[str, object]:
        return {"phase": "ready"}

    def end() -> None:
        scope[0].cancel()

    async def serve() -> None:
        control = Control(held.listen(), Abilities(status, end, **abilities))
        async with anyio.create_task_group() as tasks:
            scope.append(tasks.cancel_scope)
            await tasks.start(control.serve)
            ready.set()

    thread = threading.Thread(target=lambda: anyio.run(serve))
    thread.start()
    ready.wait(10)
    try:
        yield
    finally:
        # It may be ending at this moment, and then there is nobody to tell.
        if thread.is_alive():
            with suppress(OSError), state.connect(held.path) as client:
                client.sendall(b'{"command":"stop"}\n')
        thread.join(10)
        held.release()


def run(folder: Path, *argv: str) -> int:
    """Run one command against the folder."""
    try:
        return main([*argv, "--state-dir", str(folder)])
    except SystemExit as exc:
        return int(exc.code or 0)


def test_orders_are_passed_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each does its own, says what comes of it, and is 0."""
    asked: list[str] = []
    folder = tmp_path / "s"
    names = ("drain", "restart", "reload")
    abilities = {name: lambda name=name: asked.append(name) for name in names}
    with served(folder, **abilities):
        for name in names:
            assert run(folder, name) == 0
    assert asked == list(names)
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_what_is_not_available_is_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the daemon's own sentence."""
    with served(tmp_path / "s"):
        assert run(tmp_path / "s", "restart") == 1
    assert capsys.readouterr().err == "fluxlit: restart is not available yet\n"


def test_stop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The order is given, the pid is told."""
    with served(tmp_path / "s"):
        assert run(tmp_path / "s", "stop") == 0
    assert "is stopping" in capsys.readouterr().out


def test_logs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines as they are."""
    tail = Tail()
    for number in range(3):
        tail.put(b"line %d" % number)
    monkeypatch.setattr(logs, "tail", lambda: tail)
    with served(tmp_path / "s"):
        assert run(tmp_path / "s", "logs", "-n", "2") == 0
    assert capsys.readouterr().out == "line 1\nline 2\n"


@pytest.mark.parametrize("lines", ["-1", "1001", "many"])
def test_a_wrong_number_of_lines_is_a_usage_error(tmp_path: Path, lines: str) -> None:
    """Before anybody is asked."""
    assert run(tmp_path / "s", "logs", "--lines", lines) == 2


@pytest.mark.parametrize("name", ["stop", "drain", "restart", "reload", "logs"])
def test_no_daemon_is_1(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """One sentence."""
    assert run(tmp_path / "s", name) == 1
    assert capsys.readouterr().err.startswith("fluxlit: no daemon runs for ")
