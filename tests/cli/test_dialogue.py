"""Talking to a daemon: found or not, answered or declined."""

import json
import os
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fluxlit.cli.dialogue import Declined, Dialogue, NoDaemon, find
from fluxlit.config.settings import Settings
from fluxlit.supervisor import state


@contextmanager
def daemon(folder: Path, *answers: bytes) -> Generator[list[bytes]]:
    """A control socket that answers one request with prepared bytes; gives what it was asked."""
    asked: list[bytes] = []
    held = state.claim(Settings(state_dir=str(folder)), {}, folder)
    assert held is not None
    listener = held.listen()
    listener.setblocking(True)

    def serve() -> None:
        client, _ = listener.accept()
        with client:
            asked.append(client.recv(65_536))
            client.sendall(b"".join(answers))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield asked
    finally:
        thread.join(10)
        listener.close()
        held.release()


def test_an_answer(tmp_path: Path) -> None:
    """The request is one line of JSON, the pid is the peer's."""
    with (
        daemon(tmp_path / "s", b'{"ok":true,"status":1}\n') as asked,
        Dialogue(tmp_path / "s") as dialogue,
    ):
        assert dialogue.pid == os.getpid()
        assert dialogue.ask("logs", lines=3) == {"ok": True, "status": 1}
    assert [json.loads(line) for line in asked] == [{"command": "logs", "lines": 3}]


def test_a_stream_ends_with_ok(tmp_path: Path) -> None:
    """Line by line."""
    with (
        daemon(tmp_path / "s", b'{"line":"a"}\n{"line":"b"}\n{"ok":true}\n'),
        Dialogue(tmp_path / "s") as dialogue,
    ):
        found = [answer.get("line") for answer in dialogue.stream("logs")]
    assert found == ["a", "b", None]


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (b'{"ok":false,"error":"not now"}\n', Declined, "not now"),
        (b"", NoDaemon, "has ended"),
        (b"garbage\n", NoDaemon, "does not answer"),
    ],
)
def test_what_is_no_answer(
    tmp_path: Path, answer: bytes, error: type[Exception], said: str
) -> None:
    """Declined with its reason; an end or garbage is no daemon."""
    with (
        daemon(tmp_path / "s", answer),
        Dialogue(tmp_path / "s") as dialogue,
        pytest.raises(error, match=said),
    ):
        dialogue.ask("status")


def test_nobody_there(tmp_path: Path) -> None:
    """No folder, and a socket that nobody serves."""
    with pytest.raises(NoDaemon, match="no daemon answers"):
        Dialogue(tmp_path / "missing")
    with socket.socket(socket.AF_UNIX) as dead:
        (tmp_path / "s").mkdir()
        folder = os.open(tmp_path / "s", os.O_RDONLY)
        dead.bind(f"/proc/self/fd/{folder}/{state.SOCKET}")
        os.close(folder)
    with pytest.raises(NoDaemon):
        Dialogue(tmp_path / "s")


def test_several_must_be_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both folders are named; --state-dir chooses."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for name in ("XDG_RUNTIME_DIR", "RUNTIME_DIRECTORY", "FLUXLIT_STATE_DIR", "FLUXLIT_APP"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(NoDaemon, match="no daemon runs for this folder"):
        find({})
    held = [
        state.claim(Settings(target=f"{name}:app"), {"TMPDIR": str(tmp_path)}, tmp_path)
        for name in ("one", "two")
    ]
    listeners = [each.listen() for each in held if each]
    with pytest.raises(NoDaemon, match="several daemons") as caught:
        find({})
    paths = [each.path for each in held if each]
    assert all(str(path) in str(caught.value) for path in paths)
    assert find({"state_dir": str(paths[1])}) == paths[1]
    for listener, each in zip(listeners, held, strict=True):
        listener.close()
        assert each is not None
        each.release()
