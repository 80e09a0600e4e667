"""What /proc tells about processes and their sockets; a process that vanishes meanwhile reads as nothing.

Layouts: proc_pid_stat(5), proc_pid_fd(5), proc_pid_net(5) of the Linux man-pages.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from fluxlit.status import Endpoint

_DEAD = frozenset("ZXx")
_LISTEN = " 0A "  # TCP_LISTEN, in the column "st"
_PIECE = 65_536


@dataclass(frozen=True, slots=True)
class Process:
    """One line of /proc/<pid>/stat; ``state`` is its letter, ``started`` ticks since boot.

    ``cpu_ticks`` is the user and system time of all threads, in units of ``sysconf(SC_CLK_TCK)``.
    """

    pid: int
    state: str
    parent: int
    group: int
    cpu_ticks: int
    threads: int
    started: int

    @property
    def alive(self) -> bool:
        """Whether it can still do something: a zombie cannot."""
        return self.state not in _DEAD


def process(pid: int) -> Process | None:
    """The process ``pid`` as it is now, or None if there is none."""
    line = _read(f"/proc/{pid}/stat")
    return _parse_stat(pid, line) if line else None


def processes() -> list[Process]:
    """Every process that can be seen, zombies included."""
    return [found for pid in _numbers("/proc") if (found := process(pid))]


def in_group(group: int, among: Iterable[Process]) -> list[Process]:
    """Those of ``among`` that live in the process group ``group``."""
    return [each for each in among if each.group == group and each.alive]


def descendants(ancestor: int, among: Iterable[Process]) -> Iterator[Process]:
    """Children of ``ancestor``, their children and so on, as far as ``among`` shows them."""
    by_parent: dict[int, list[Process]] = {}
    for each in among:
        by_parent.setdefault(each.parent, []).append(each)
    waiting = by_parent.pop(ancestor, [])
    while waiting:
        each = waiting.pop()
        yield each
        waiting += by_parent.pop(each.pid, [])


def carries(pid: int, variable: str) -> bool:
    """Whether ``NAME=value`` stands in the environment with which ``pid`` was executed."""
    return variable.encode() in _read(f"/proc/{pid}/environ").split(b"\0")


def thread_states(pid: int) -> str:
    """One state letter for each thread of ``pid``, the first thread first."""
    tasks = f"/proc/{pid}/task"
    lines = (_read(f"{tasks}/{task}/stat") for task in sorted(_numbers(tasks)))
    return "".join(_parse_stat(0, line).state for line in lines if line)


def wait_channel(pid: int) -> str:
    """The kernel function in which the first thread of ``pid`` sleeps; empty if unknown or running."""
    return _read(f"/proc/{pid}/wchan").decode().removeprefix("0")


def socket_inodes(pid: int) -> set[int]:
    """The inodes of the sockets that ``pid`` holds open."""
    folder = f"/proc/{pid}/fd"
    links = (_link(f"{folder}/{number}") for number in _numbers(folder))
    return {int(link[8:-1]) for link in links if link.startswith("socket:[")}


def listening(pid: int, table: str) -> dict[int, Endpoint]:
    """Inode and address of each TCP socket that listens on loopback, in the network of ``pid``.

    ``table`` is tcp or tcp6. A listener on any address is given as 127.0.0.1. Reading a table takes
    the kernel 5 ms, however few sockets there are (measured): it walks the whole hash.
    """
    found: dict[int, Endpoint] = {}
    for line in _read(f"/proc/{pid}/net/{table}").decode().splitlines():
        # A busy machine has thousands of rows, nearly all of them past connections.
        if _LISTEN in line:
            row = line.split()
            address, _, port = row[1].partition(":")
            if host := _local_host(_address(address)):
                found[int(row[9])] = Endpoint(host, int(port, 16))
    return found


def _local_host(address: IPv4Address | IPv6Address) -> str | None:
    # A program of one IPv6 socket for both families shows ::ffff:127.0.0.1.
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_unspecified:
        return "127.0.0.1"
    return str(address) if address.is_loopback else None


def _address(text: str) -> IPv4Address | IPv6Address:
    # The kernel prints each 32-bit word of the address as a number of this machine's byte order.
    words = (int(text[start : start + 8], 16) for start in range(0, len(text), 8))
    return ip_address(b"".join(word.to_bytes(4, sys.byteorder) for word in words))


def _parse_stat(pid: int, line: bytes) -> Process:
    # The name in parentheses may itself hold spaces and parentheses.
    fields = line[line.rindex(b")") + 2 :].split()
    return Process(
        pid=pid,
        state=fields[0].decode(),
        parent=int(fields[1]),
        group=int(fields[2]),
        cpu_ticks=int(fields[11]) + int(fields[12]),
        threads=int(fields[17]),
        started=int(fields[19]),
    )


def _read(path: str) -> bytes:
    # Not pathlib here: a look at 100 processes takes a third of the time (measured), and it is
    # the event loop that waits for it.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return b"".join(iter(lambda: os.read(descriptor, _PIECE), b""))
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115 - as above
    except OSError:
        return ""


def _numbers(folder: str) -> list[int]:
    try:
        return [int(name) for name in os.listdir(folder) if name.isdigit()]  # noqa: PTH208 - as above
    except OSError:
        return []
