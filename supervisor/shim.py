"""The last steps before a service's own program: runs as a script, ``shim.py PARENT PROGRAM ARGUMENT…``.

What must be set in the child itself is set here and not in a ``preexec_fn``, which runs Python
between fork and exec: it can deadlock when the daemon has threads and forces the slow fork
(measured: 22.5 ms instead of 0.2 ms in a process of 800 MB).

Everything goes through libc: importing ``signal`` or ``typing`` costs from half to all of what a
bare interpreter takes to start (measured: 6.3 ms), and Python 3.11 has no ``prctl`` of its own.

Exit statuses when the program cannot run: 127 it does not exist (its interpreter neither), 126 it may not or
cannot be executed, 71 the system is short of something now; 1 when the daemon died meanwhile.
"""

import ctypes
import os
import resource
import sys
from errno import EAGAIN, EMFILE, ENFILE, ENOENT, ENOMEM, ENOTDIR, ETXTBSY

# Checkers take it for typing.TYPE_CHECKING, whose module takes longer to import than Python to start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

NOT_FOUND = 127
NOT_EXECUTABLE = 126
SHORT_OF_RESOURCES = 71
ORPHANED = 1

OOM_PENALTY = 500
"""Added to oom_score_adj (at most 1000): the kernel takes the sidecar before the daemon."""

_PR_SET_PDEATHSIG = 1
_SIGKILL = 9
_SIG_SETMASK = 2
_SIGNALS = range(1, 65)
_NO_SIGNALS = bytes(128)  # a whole sigset_t of glibc and musl
_MISSING = frozenset({ENOENT, ENOTDIR})
_TRANSIENT = frozenset({EAGAIN, ENOMEM, EMFILE, ENFILE, ETXTBSY})


def main(parent: int, command: list[str]) -> "NoReturn":
    """Prepare this process and become ``command``; never returns."""
    libc = ctypes.CDLL(None)
    _die_with(parent, libc)
    _forget_signals(libc)
    _lower_limits()
    _become(command)


def _die_with(parent: int, libc: ctypes.CDLL) -> None:
    libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(_SIGKILL))
    # The daemon may have died before the line above: then no signal will ever come.
    if os.getppid() != parent:
        os._exit(ORPHANED)


def _forget_signals(libc: ctypes.CDLL) -> None:
    # A blocked mask and ignored signals survive exec: a service spawned while TERM is blocked would
    # never see it, and Python itself has just set SIGPIPE to be ignored.
    for number in _SIGNALS:
        libc.signal(number, None)
    libc.sigprocmask(_SIG_SETMASK, _NO_SIGNALS, None)


def _lower_limits() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    # Some sandboxes mount /proc read-only; the service is worth more than its score.
    try:
        _raise_oom_score()
    except OSError:
        return


def _raise_oom_score() -> None:
    # Not pathlib: importing it takes longer than all of this.
    descriptor = os.open("/proc/self/oom_score_adj", os.O_RDWR)
    try:
        score = min(1000, int(os.read(descriptor, 16)) + OOM_PENALTY)
        os.write(descriptor, str(score).encode())
    finally:
        os.close(descriptor)


def _become(command: list[str]) -> "NoReturn":
    try:
        os.execvp(command[0], command)  # noqa: S606 - no shell is the point
    except OSError as exc:
        os.write(2, f"fluxlit: cannot run {command[0]}: {exc.strerror}\n".encode(errors="replace"))
        os._exit(_status_of(exc.errno))


def _status_of(error: int | None) -> int:
    if error in _MISSING:
        return NOT_FOUND
    return SHORT_OF_RESOURCES if error in _TRANSIENT else NOT_EXECUTABLE


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
