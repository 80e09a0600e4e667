"""The state directory: a private folder with the daemon's lock and its control socket.

One daemon a folder: the lock is a flock, which the kernel gives back with the process, however that
ends. What stands in the file is never asked whether somebody lives; it names the process in a
sentence and tells the next daemon whose leftovers to end.

Where nobody says where it is, the folder is named after the working directory, the target and the
address, so that different daemons of one machine never meet. Standard library only: the guardian
uses it too.
"""

import fcntl
import hashlib
import json
import os
import re
import socket
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from fluxlit.config.settings import Settings
from fluxlit.errors import LockedError, StateError

LOCK = "lock"
SOCKET = "control"
PATIENCE = 0.3
"""Seconds to wait for a lock: the guardian of a killed daemon holds it while it tidies up."""
NAP = 0.02
TRIES = 20
"""How often a folder may vanish under our hands before that is an error."""
MOST_NOTE = 4096
_MARK = re.compile(r"[0-9]+-[0-9a-f]{16}")
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Place:
    """Where state may be kept; ``named`` by us after what is served, so made and removed by us."""

    path: Path
    named: bool


class State:
    """A state directory that this process holds; ``former`` is the mark of a daemon that was killed in it."""

    def __init__(self, path: Path, folder: int, lock: int, *, ours: bool) -> None:
        self.path = path
        self.former = _former(lock)
        self._folder = folder
        self._lock = lock
        self._ours = ours

    def __repr__(self) -> str:
        return f"<State {self.path}>"

    def sign(self, mark: str) -> None:
        """Note who holds the lock."""
        note = json.dumps({"pid": os.getpid(), "mark": mark}).encode()
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, note, 0)

    def listen(self) -> socket.socket:
        """The control socket: only its owner may connect, from the moment it can be seen."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        private = f".{SOCKET}.{os.getpid()}"
        try:
            listener.setblocking(False)
            # The mode of the inode becomes that of the file, less the umask.
            os.fchmod(listener.fileno(), 0o600)
            with suppress(FileNotFoundError):
                os.unlink(private, dir_fd=self._folder)
            # Through the descriptor: the folder is the one that was checked, and its path may be
            # longer than the 107 bytes of an address.
            listener.bind(f"/proc/self/fd/{self._folder}/{private}")
            listener.listen(16)
            # Over whatever is there: a dead daemon's socket, or somebody's symbolic link.
            os.rename(private, SOCKET, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except OSError:
            listener.close()
            raise
        return listener

    def release(self) -> None:
        """Remove what is ours and give the lock back, last."""
        files = os.listdir(self._folder)  # noqa: PTH208 - of the descriptor, not of a path
        unnamed = [each for each in files if each.startswith(f".{SOCKET}.")]
        for name in (SOCKET, *unnamed, LOCK):
            with suppress(OSError):
                os.unlink(name, dir_fd=self._folder)
        os.close(self._folder)
        if self._ours:
            with suppress(OSError):
                self.path.rmdir()
        os.close(self._lock)


def claim(settings: Settings, environ: Mapping[str, str], directory: Path) -> State | None:
    """Take the state directory; None where no folder can be written and none was asked for.

    Raises LockedError when another daemon has it, StateError when the one asked for is unusable.
    """
    for place in places(settings, environ, directory):
        try:
            return _claim(place)
        except OSError as error:
            if settings.state_dir:
                message = f"state_dir {place.path} cannot be used: {error.strerror or error}"
                raise StateError(message) from error
    return None


def places(settings: Settings, environ: Mapping[str, str], directory: Path) -> Iterator[Place]:
    """Where state may be kept, best first."""
    if settings.state_dir:
        yield _within(directory / settings.state_dir)
        return
    # systemd.exec(5): several folders are separated by colons.
    if given := environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]:
        yield _within(Path(given))
    name = f"{_of(str(directory.resolve()))}-{identity(settings)}"
    if given := environ.get("XDG_RUNTIME_DIR", ""):
        yield Place(Path(given) / f"fluxlit-{name}", named=True)
    temporary = Path(environ.get("TMPDIR") or "/tmp")  # noqa: S108 - a private folder within, checked
    yield Place(temporary / f"fluxlit-{os.geteuid()}-{name}", named=True)


def identity(settings: Settings) -> str:
    """What tells two daemons in one working directory apart; port 0 is always another one."""
    gateway = settings.gateway
    address = gateway.uds or gateway.fd or (gateway.host, gateway.port or f"of {os.getpid()}")
    return _of(f"{settings.target} {address}")


def neighbours(settings: Settings, environ: Mapping[str, str], directory: Path) -> list[Path]:
    """The folders of running daemons that were started here, whatever they serve; for the commands."""
    exact = list(places(settings, environ, directory))
    found = [place.path for place in exact if answers(place.path)]
    if found or settings.state_dir:
        return found[:1]
    patterns = (place.path for place in exact if place.named)
    return [
        path
        for pattern in patterns
        for path in sorted(pattern.parent.glob(f"{pattern.name.rpartition('-')[0]}-*"))
        if answers(path)
    ]


def answers(path: Path) -> bool:
    """Whether a daemon listens on the control socket of a folder that is ours."""
    try:
        connect(path).close()
    except OSError:
        return False
    return True


def connect(path: Path) -> socket.socket:
    """A blocking connection to the control socket in ``path``; raises OSError."""
    folder = os.open(path, _FOLDER)
    try:
        if os.geteuid() and os.fstat(folder).st_uid != os.geteuid():
            raise PermissionError(1, "the folder belongs to somebody else")
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(f"/proc/self/fd/{folder}/{SOCKET}")
        except OSError:
            connection.close()
            raise
        return connection
    finally:
        os.close(folder)


def remove(path: str) -> None:
    """Remove what a killed daemon has left in its folder, unless another one holds it; never raises."""
    with suppress(OSError, LockedError):
        place = Place(Path(path), Path(path).name.startswith("fluxlit-"))
        folder = os.open(path, _FOLDER)
        try:
            lock = os.open(LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        except OSError:
            os.close(folder)
            if place.named:
                place.path.rmdir()
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(folder)
            os.close(lock)
            return
        State(place.path, folder, lock, ours=place.named).release()


def _within(path: Path) -> Place:
    """The folder itself, or where others can write to it (an emptyDir, /tmp) a private one in it."""
    with suppress(OSError):
        if path.stat().st_mode & 0o022:
            return Place(path / f"fluxlit-{os.geteuid()}", named=True)
    return Place(path, named=False)


def _of(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:10]


def _claim(place: Place) -> State:
    for _ in range(TRIES):
        # Between any two of these steps a daemon that ends may remove the folder.
        with suppress(FileNotFoundError):
            made = _make(place)
            folder = os.open(place.path, _FOLDER | (os.O_NOFOLLOW if place.named else 0))
            try:
                lock = _lock(place.path, folder)
            except BaseException:
                os.close(folder)
                raise
            if lock is not None:
                return State(place.path, folder, lock, ours=place.named or made)
            os.close(folder)
    raise FileNotFoundError(2, "it is removed again and again")


def _make(place: Place) -> bool:
    if not place.named:
        place.path.parent.mkdir(parents=True, exist_ok=True)
    try:
        place.path.mkdir(mode=0o700)
    except FileExistsError:
        return False
    except FileNotFoundError as error:
        # Its parent is missing, which no second try will change.
        raise NotADirectoryError(20, f"{place.path.parent} does not exist") from error
    return True


def _lock(path: Path, folder: int) -> int | None:
    """Lock the folder; None if the file was removed meanwhile. Raises LockedError and OSError."""
    found = os.fstat(folder)
    if found.st_uid not in {os.geteuid(), 0} or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(1, "it is not private to this user")
    lock = os.open(LOCK, _FLAGS, 0o600, dir_fd=folder)
    try:
        _wait_for(lock, path)
        present = os.stat(LOCK, dir_fd=folder, follow_symlinks=False)
        if present.st_ino == os.fstat(lock).st_ino:
            return lock
    except FileNotFoundError:
        pass
    except BaseException:
        os.close(lock)
        raise
    os.close(lock)
    return None


def _wait_for(lock: int, path: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                who = f"pid {_note(lock).get('pid', 'unknown')}"
                message = f"another daemon ({who}) holds the lock of the state directory {path}"
                raise LockedError(message) from error
            time.sleep(NAP)
        else:
            return


def _former(lock: int) -> str:
    mark = str(_note(lock).get("mark", ""))
    return mark if _MARK.fullmatch(mark) else ""


def _note(lock: int) -> Mapping[str, object]:
    try:
        note = json.loads(os.pread(lock, MOST_NOTE, 0))
    except (OSError, ValueError, RecursionError):
        return {}
    return cast("dict[str, object]", note) if isinstance(note, dict) else {}
