"""The state directory: where it is, who holds it, what is left of it."""

import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fluxlit.config.settings import Gateway, Settings
from fluxlit.errors import LockedError, StateError
from fluxlit.supervisor import state

SETTINGS = Settings(gateway=Gateway(port=8000))
MARK = f"12-{'a' * 16}"

HOLDS = """
import os, sys
from pathlib import Path
from fluxlit.config.settings import Settings
from fluxlit.supervisor import state
held = state.claim(Settings(state_dir=sys.argv[1]), {}, Path("/"))
held.sign(sys.argv[2])
listener = held.listen()
print(os.getpid(), flush=True)
input()
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment whose temporary folder is ours."""
    return {"TMPDIR": str(tmp_path)}


def claimed(settings: Settings, environ: dict[str, str], directory: Path) -> state.State:
    """A claim that must succeed."""
    held = state.claim(settings, environ, directory)
    assert held is not None
    return held


def test_the_folder_is_private_and_goes_with_its_daemon(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """0700, the lock and the socket 0600, and nothing left after release."""
    held = claimed(SETTINGS, environ, tmp_path)
    with held.listen():
        assert held.path.parent == tmp_path
        assert stat.S_IMODE(held.path.stat().st_mode) == 0o700
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in held.path.iterdir()}
        assert modes == {state.LOCK: 0o600, state.SOCKET: 0o600}
        assert os.get_inheritable(held._lock) is False
        assert state.answers(held.path)
    held.release()
    assert list(tmp_path.iterdir()) == []


def test_a_second_daemon_is_told_who_is_first(environ: dict[str, str], tmp_path: Path) -> None:
    """One sentence with the pid, status 75; and the first is left alone."""
    held = claimed(SETTINGS, environ, tmp_path)
    held.sign("")
    with pytest.raises(LockedError, match=rf"\(pid {os.getpid()}\)") as caught:
        state.claim(SETTINGS, environ, tmp_path)
    assert int(caught.value.exit_status) == 75
    held.release()
    claimed(SETTINGS, environ, tmp_path).release()


@pytest.mark.parametrize(
    "note", ['{"pid": 1}', '{"pid": 1, "mark": "../x"}', "[", "", "[" * 4000, "\0" * 100]
)
def test_the_content_of_the_file_decides_nothing(
    environ: dict[str, str], tmp_path: Path, note: str
) -> None:
    """A file that names a living process, or holds garbage, is no lock."""
    settings = Settings(state_dir=str(tmp_path / "s"))
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / state.LOCK).write_text(note)
    held = claimed(settings, environ, tmp_path)
    assert held.former == ""
    held.release()


def test_after_a_kill_the_next_one_takes_over(tmp_path: Path) -> None:
    """Lock and socket of a killed daemon are replaced, and its mark is known for the sweep."""
    folder = tmp_path / "s"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(folder), MARK],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(LockedError, match=f"pid {process.pid}"):
            state.claim(Settings(state_dir=str(folder)), {}, tmp_path)
        process.kill()
    assert {each.name for each in folder.iterdir()} == {state.LOCK, state.SOCKET}
    assert not state.answers(folder)
    held = claimed(Settings(state_dir=str(folder)), {}, tmp_path)
    assert held.former == MARK
    with held.listen():
        assert state.answers(folder)
    held.release()
    assert not folder.exists() or list(folder.iterdir()) == []


def test_what_a_killed_daemon_left_can_be_removed_unless_it_is_held(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """The guardian tidies up, but never under another daemon."""
    held = claimed(SETTINGS, environ, tmp_path)
    held.listen().close()
    state.remove(str(held.path))
    assert (held.path / state.LOCK).exists()
    os.close(held._lock)
    os.close(held._folder)
    state.remove(str(held.path))
    assert list(tmp_path.iterdir()) == []
    state.remove(str(held.path))


def test_symbolic_links_in_the_way_are_not_followed(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """Of the folder: another place is used, or none. Of the lock: refused. Of the socket: replaced."""
    (place,) = state.places(SETTINGS, environ, tmp_path)
    (tmp_path / "victim").mkdir()
    place.path.symlink_to(tmp_path / "victim")
    assert state.claim(SETTINGS, environ, tmp_path) is None
    assert list((tmp_path / "victim").iterdir()) == []

    folder = tmp_path / "s"
    folder.mkdir()
    (folder / state.LOCK).symlink_to(tmp_path / "target")
    with pytest.raises(StateError):
        state.claim(Settings(state_dir="s"), environ, tmp_path)
    (folder / state.LOCK).unlink()
    (tmp_path / "target").write_text("kept")
    (folder / state.SOCKET).symlink_to(tmp_path / "target")
    held = claimed(Settings(state_dir="s"), environ, tmp_path)
    with held.listen():
        assert (tmp_path / "target").read_text() == "kept"
        assert stat.S_ISSOCK((folder / state.SOCKET).lstat().st_mode)
    held.release()


def test_a_folder_that_others_can_write_to_holds_a_private_one(tmp_path: Path) -> None:
    """An emptyDir of Kubernetes is 0777."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    held = claimed(Settings(state_dir=str(shared)), {}, tmp_path)
    assert held.path == shared / f"fluxlit-{os.geteuid()}"
    held.release()


def test_a_folder_that_somebody_else_prepared_is_not_used(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """Others could read what happens in it: then the daemon runs without."""
    (place,) = state.places(SETTINGS, environ, tmp_path)
    place.path.mkdir()
    place.path.chmod(0o777)
    assert state.claim(SETTINGS, environ, tmp_path) is None


def test_the_one_asked_for_must_do(tmp_path: Path) -> None:
    """A file in its place is one sentence with the path."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"file.* cannot be used: \w"):
        state.claim(Settings(state_dir="file"), {}, tmp_path)


def test_without_anything_writable_there_is_none(tmp_path: Path) -> None:
    """No TMPDIR to write to, no runtime folder: no error."""
    assert state.claim(SETTINGS, {"TMPDIR": str(tmp_path / "missing")}, tmp_path) is None
    nowhere = {"TMPDIR": "/proc", "XDG_RUNTIME_DIR": "/sys", "RUNTIME_DIRECTORY": "/proc/1/x"}
    assert state.claim(SETTINGS, nowhere, tmp_path) is None


def test_where_it_is(tmp_path: Path) -> None:
    """The folder of systemd first, then the user's, then the temporary one; the setting beats all."""
    given = {"RUNTIME_DIRECTORY": "/run/a:/run/b", "XDG_RUNTIME_DIR": "/run/user/1", "TMPDIR": "/t"}
    found = [str(place.path) for place in state.places(SETTINGS, given, tmp_path)]
    assert found[0] == "/run/a"
    assert found[1].startswith("/run/user/1/fluxlit-")
    assert found[2].startswith(f"/t/fluxlit-{os.geteuid()}-")
    (asked,) = state.places(replace(SETTINGS, state_dir="here"), given, tmp_path)
    assert asked.path == tmp_path / "here"


def test_different_daemons_never_meet(tmp_path: Path) -> None:
    """Another folder, target, port or socket is another name; the same is the same."""
    environ = {"TMPDIR": "/t"}

    def name(directory: Path = tmp_path, target: str = "app:app", **gateway: object) -> str:
        settings = Settings(target=target, gateway=Gateway(**{"port": 8000, **gateway}))  # type: ignore[arg-type]
        return next(state.places(settings, environ, directory)).path.name

    names = [
        name(),
        name(tmp_path.parent),
        name(target="b:app"),
        name(port=1),
        name(port=0),
        name(uds="/x"),
        name(fd=4),
    ]
    assert len(set(names)) == len(names)
    assert name() == name()


def test_a_daemon_is_found_from_its_folder(environ: dict[str, str], tmp_path: Path) -> None:
    """Even if it serves another target and port than the settings say."""
    other = replace(SETTINGS, target="other:app", gateway=Gateway(port=0))
    held = claimed(other, environ, tmp_path)
    with held.listen():
        assert state.neighbours(SETTINGS, environ, tmp_path) == [held.path]
        assert state.neighbours(SETTINGS, environ, tmp_path / "..") == []
    assert state.neighbours(SETTINGS, environ, tmp_path) == []
    held.release()


def test_a_path_longer_than_an_address(tmp_path: Path) -> None:
    """107 bytes are the limit of the kernel, not ours."""
    deep = tmp_path.joinpath(*["d" * 40] * 4)
    held = claimed(Settings(state_dir=str(deep)), {}, tmp_path)
    with held.listen():
        assert state.answers(deep)
    held.release()


def test_the_note_names_us(tmp_path: Path) -> None:
    """Pid and mark, readable JSON."""
    held = claimed(Settings(state_dir="s"), {}, tmp_path)
    held.sign(MARK)
    note = json.loads((tmp_path / "s" / state.LOCK).read_text())
    assert note == {"pid": os.getpid(), "mark": MARK}
    held.release()


def test_what_a_daemon_left_that_was_killed_while_it_began(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """An empty folder, and a socket that has no name yet."""
    (place,) = state.places(SETTINGS, environ, tmp_path)
    place.path.mkdir()
    state.remove(str(place.path))
    assert not place.path.exists()
    held = claimed(SETTINGS, environ, tmp_path)
    (place.path / f".{state.SOCKET}.1").touch()
    os.close(held._lock)
    os.close(held._folder)
    state.remove(str(place.path))
    assert not place.path.exists()
