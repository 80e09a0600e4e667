"""What processes use: memory and CPU time, from /proc; what has ended meanwhile counts as nothing."""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fluxlit.supervisor import procfs

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """A process tree at one moment: bytes, seconds of CPU, and seconds since its first process began.

    ``pss`` shares memory that several processes map among them; None where the kernel does not tell.
    """

    processes: int = 0
    rss: int = 0
    pss: int | None = None
    cpu: float = 0.0
    uptime: float = 0.0


def usage(roots: Iterable[int]) -> dict[int, Usage]:
    """What each process uses together with its group and its descendants, one look at /proc for all."""
    everything = procfs.processes()
    return {root: _of_tree(root, everything) for root in roots}


def usage_of(pid: int) -> Usage:
    """What one process uses, without what it has started."""
    found = procfs.process(pid)
    return _total([found]) if found else Usage()


def _of_tree(root: int, everything: list[procfs.Process]) -> Usage:
    tree = {each.pid: each for each in everything if each.pid == root}
    tree |= {each.pid: each for each in procfs.in_group(root, everything)}
    tree |= {each.pid: each for each in procfs.descendants(root, everything)}
    return _total([each for each in tree.values() if each.alive])


def _total(tree: list[procfs.Process]) -> Usage:
    if not tree:
        return Usage()
    memory = [_memory(each.pid) for each in tree]
    shares = [share for _, share in memory if share is not None]
    since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
    return Usage(
        processes=len(tree),
        rss=sum(resident for resident, _ in memory),
        pss=sum(shares) if shares else None,
        cpu=sum(each.cpu_ticks for each in tree) / _TICKS,
        uptime=max(0.0, since_boot - min(each.started for each in tree) / _TICKS),
    )


def _memory(pid: int) -> tuple[int, int | None]:
    """Resident and proportional bytes (proc_pid_smaps(5)); the latter needs the right to ptrace."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
        sizes = {name: value for name, _, value in (line.partition(":") for line in fields)}
        if "Rss" in sizes and "Pss" in sizes:
            return _kilobytes(sizes["Rss"]), _kilobytes(sizes["Pss"])
    with suppress(OSError):
        _, resident, *_ = Path(f"/proc/{pid}/statm").read_text().split()
        return int(resident) * _PAGE, None
    return 0, None


def _kilobytes(text: str) -> int:
    return int(text.removesuffix("kB")) * 1024
