"""When the daemon is killed outright, somebody must end what its services have started.

The parent death signal ends a service's leader, but not the leader's own children: measured, a
``sleep`` in a sidecar's process group outlives a ``kill -9`` of the daemon. Inside a container the
end of PID 1 ends everything; elsewhere this small process does. It is forked while the daemon is
still a bare interpreter, waits for the daemon's end, and kills what carries the daemon's mark.

Standard library only, but for init.
"""

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import suppress

from fluxlit.supervisor import init

MARK = "FLUXLIT_DAEMON"
"""The variable that every process of ours inherits; its value names one daemon."""
PATIENCE = 5.0
"""Seconds until the guardian gives up on processes that do not die (uninterruptible sleep)."""
NAP = 0.02
"""Seconds between two looks at what is left: a fork storm may have made new ones."""
SLOW_NAP = 0.5
"""Seconds between two looks at the daemon where the kernel has no pidfd (gVisor)."""

_guardian: int | None = None
_wire: int | None = None
"""Through it the guardian is told what to remove; our end of a pipe."""


def begin() -> None:
    """What every way to start the daemon does first: hold signals, split as PID 1, or be guarded.

    Where we are PID 1's child the end of PID 1 ends everything, and no guardian is needed.
    """
    init.hold_signals()
    if not init.split():
        guard()


def guard() -> None:
    """Fork the guardian of this process and mark our environment, which children inherit.

    Call it once, in the main thread, before any thread or event loop exists. Where no process can
    be forked the daemon goes on without: it fails later for a better reason.
    """
    global _guardian, _wire  # noqa: PLW0603 - a process has one guardian
    mark = f"{os.getpid()}-{os.urandom(8).hex()}"
    daemon = os.getpid()
    with suppress(OSError):
        heard, told = os.pipe()
        _guardian = os.fork()
        if _guardian == 0:
            os.close(told)
            _watch(daemon, f"{MARK}={mark}".encode(), heard)
        os.close(heard)
        _wire = told
    os.environ[MARK] = mark


def entrust(folder: str) -> None:
    """Have the state directory removed if the daemon cannot do it itself any more."""
    if _wire is not None:
        with suppress(OSError):
            os.write(_wire, os.fsencode(folder) + b"\0")


def sweep(mark: str) -> None:
    """Kill what an earlier daemon has left behind; ``mark`` is the value of its MARK."""
    if mark and mark != os.environ.get(MARK):
        _kill_all(f"{MARK}={mark}".encode())


def dismiss() -> None:
    """End the guardian, when nothing is left for it to do, and reap it."""
    global _guardian, _wire
    guardian, _guardian = _guardian, None
    wire, _wire = _wire, None
    if wire is not None:
        os.close(wire)
    if guardian is not None:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(guardian, signal.SIGKILL)
            os.waitpid(guardian, 0)


def _watch(daemon: int, mark: bytes, heard: int) -> None:
    """The guardian's whole life; never returns."""
    try:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        # Whoever reads our output must see its end when the daemon ends, not when we do.
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        _wait_for_the_end_of(daemon)
        _kill_all(mark)
        _remove(heard)
    finally:
        os._exit(0)


def _remove(heard: int) -> None:
    """Remove the state directory of a daemon that could not do so, unless another has it by now."""
    os.set_blocking(heard, False)
    folders = os.read(heard, 65_536).split(b"\0")
    from fluxlit.supervisor import state  # noqa: PLC0415 - only now: this process stays small

    for folder in folders[:-1]:
        state.remove(os.fsdecode(folder))


def _wait_for_the_end_of(daemon: int) -> None:
    try:
        watched = os.pidfd_open(daemon)
    except OSError:
        while os.getppid() == daemon:
            time.sleep(SLOW_NAP)
        return
    if os.getppid() == daemon:
        select.select([watched], [], [])


def _kill_all(mark: bytes) -> None:
    deadline = time.monotonic() + PATIENCE
    quiet = 0
    while quiet < 2 and time.monotonic() < deadline:  # twice: /proc is no snapshot
        found = list(marked(mark))
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        quiet = 0 if found else quiet + 1
        time.sleep(NAP)


def marked(mark: bytes) -> Iterator[int]:
    """The living processes whose environment holds ``mark`` (``NAME=value``), ourselves excepted."""
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib is a heavy import here
        if not name.isdigit() or int(name) == os.getpid():
            continue
        with suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:  # noqa: PTH123
            if mark in file.read().split(b"\0"):
                yield int(name)
