"""Orphans of our services come to us, and nobody else reaps them.

``waitpid(-1)`` is no way to do it: it steals statuses from whoever started the child. So only a
child that stays a zombie is taken, since a real waiter reaps within milliseconds.
"""

import ctypes
import os
from contextlib import suppress

import anyio

from fluxlit.log import get_logger
from fluxlit.supervisor import procfs

log = get_logger("fluxlit.reaper")

INTERVAL = 2.0
"""Seconds between two looks; with GRACE no zombie gets older than 10 s."""

GRACE = 5.0
"""Seconds a child must have been seen as a zombie: longer than any waiter's delay."""

_PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> bool:
    """Have orphans of our descendants handed to us instead of PID 1; False where that is forbidden.

    Without it a grandchild that left its session is out of our reach as soon as its parent exits.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    refused: int = libc.prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1))
    return not refused


class OrphanReaper:
    """Reaps children that are nobody's, on the second look.

    ``owned`` are pids that are ours to keep as zombies (leaders of services, which pin their
    process group's number); fluxlit.supervisor.process.spawn adds to it and removes again.
    """

    def __init__(self, grace: float = GRACE) -> None:
        self.owned: set[int] = set()
        self._grace = grace
        self._seen: dict[tuple[int, int], float] = {}

    def scan(self, at: float) -> list[tuple[int, int]]:
        """Look once, at the monotonic second ``at``; gives pid and return code of each child reaped."""
        zombies = {(child.pid, child.started) for child in self._strangers()}
        self._seen = {zombie: self._seen.get(zombie, at) for zombie in zombies}
        due = [pid for (pid, _), since in self._seen.items() if at - since >= self._grace]
        return [reaped for pid in due if (reaped := _reap(pid))]

    async def run(self) -> None:
        """Look every INTERVAL seconds, until cancelled."""
        while True:
            await anyio.sleep(INTERVAL)
            for pid, returncode in self.scan(anyio.current_time()):
                log.debug("orphan.reaped", pid=pid, returncode=returncode)

    def _strangers(self) -> list[procfs.Process]:
        me = os.getpid()
        return [
            each
            for each in procfs.processes()
            if each.parent == me and not each.alive and each.pid not in self.owned
        ]


def _reap(pid: int) -> tuple[int, int] | None:
    with suppress(ChildProcessError):
        reaped, status = os.waitpid(pid, os.WNOHANG)
        if reaped:
            return pid, os.waitstatus_to_exitcode(status)
    return None
