"""What runs before everything else: hold the signals back and, as PID 1, split into an init and the daemon.

PID 1 inherits every orphan of the container and must reap it, but a process that calls
``waitpid(-1)`` steals the exit statuses of its own event loop's children (measured: asyncio then
reports 255 and trio 0 for a child that exited 7). So the two jobs are two processes.

Standard library only, imported before any thread exists. Call ``hold_signals()`` first, then
``split()``. What neither can cover is the time until their first statement: the kernel drops a
TERM for a PID 1 that has no handler yet.
"""

import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import NoReturn

HELD = frozenset(
    {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2}
)
"""The signals the daemon acts on; blocked until fluxlit.supervisor.signals receives them."""

_FAULTS = frozenset(
    {
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGABRT,
        signal.SIGTRAP,
        signal.SIGSYS,
    }
)
_UNBLOCKABLE = frozenset({signal.SIGKILL, signal.SIGSTOP})
_OF_THE_TERMINAL = frozenset({signal.SIGTTIN, signal.SIGTTOU, signal.SIGTSTP})
_CANNOT_FORK = 71


def hold_signals() -> None:
    """Block HELD: what arrives from now on waits in the kernel for the receiver, for any length of time."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)


def split() -> bool:
    """As PID 1 fork and return True in the child only; the parent becomes an init and never returns.

    The init forwards signals to the daemon, reaps everything, and exits with the daemon's status,
    or 128+n when signal n ended it. It takes no other part and holds about 10 MB.
    Elsewhere, or with FLUXLIT_INIT=off, it returns False and nothing happens but this: SIGCHLD gets
    its default action, since an inherited "ignore" makes the kernel throw exit statuses away.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if os.getpid() != 1 or os.environ.get("FLUXLIT_INIT") == "off":
        return False
    watched = signal.valid_signals() - _FAULTS - _UNBLOCKABLE
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    daemon = _fork()
    if daemon:
        _serve_as_init(daemon, watched)
    _leave_the_group_of_init()
    _hand_over("LISTEN_PID")
    _hand_over("WATCHDOG_PID")
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return True


def _fork() -> int:
    try:
        return os.fork()
    except OSError as exc:
        sys.stderr.write(f"fluxlit: cannot fork: {exc.strerror}\n")
        os._exit(_CANNOT_FORK)


def _hand_over(variable: str) -> None:
    # What a manager outside of the container meant for PID 1 is meant for the daemon, sd_listen_fds(3).
    if os.environ.get(variable) == "1":
        os.environ[variable] = str(os.getpid())


def _leave_the_group_of_init() -> None:
    # In one group, Ctrl-C would reach the daemon twice, from the terminal and forwarded by init,
    # and a second INT means "hurry". Alone in a group that is not in the foreground, a debugger
    # that reads the terminal would be stopped: so the terminal, if there is one, goes along.
    os.setpgid(0, 0)
    if os.isatty(0):
        # SIGTTOU is still blocked here, which is what allows a background group to do this; the
        # terminal may also belong to another session, and then it stays where it is.
        with suppress(OSError):
            os.tcsetpgrp(0, os.getpgrp())


def _serve_as_init(daemon: int, watched: Iterable[int]) -> NoReturn:
    kept = _OF_THE_TERMINAL | {signal.SIGCHLD}
    while True:
        number = signal.sigwaitinfo(watched).si_signo
        if number not in kept:
            # It may have exited in this moment: then SIGCHLD is next.
            with suppress(ProcessLookupError):
                os.kill(daemon, number)
        _reap(daemon)


def _reap(daemon: int) -> None:
    """Reap whatever has exited; when the daemon has, exit like it."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if pid == daemon:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)
