"""Orphans are reaped, and nobody's exit status is stolen."""

import os
import subprocess

import anyio
import pytest

from fluxlit.supervisor import procfs
from fluxlit.supervisor.reaper import INTERVAL, OrphanReaper
from tests.programs import running

pytestmark = pytest.mark.usefixtures("subreaper")

STRAY = "env -i setsid --fork sleep 0.05;"
"""Leaves session and environment behind: nothing but the reaper can find it."""


def _zombie() -> subprocess.Popen[bytes]:
    child = subprocess.Popen(["/bin/sh", "-c", "exit 5"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    return child


def test_a_zombie_is_reaped_on_the_second_look() -> None:
    """The first look only notes it; a waiter that comes within the grace finds its status."""
    reaper = OrphanReaper(grace=5)
    child = _zombie()
    assert reaper.scan(100.0) == []
    assert reaper.scan(104.9) == []
    assert reaper.scan(105.0) == [(child.pid, 5)]
    child.returncode = 5


def test_a_zombie_that_was_waited_for_is_forgotten() -> None:
    """Its number may be used again: a new zombie has its own grace."""
    reaper = OrphanReaper(grace=5)
    child = _zombie()
    reaper.scan(100.0)
    assert child.wait() == 5
    assert reaper.scan(200.0) == []
    assert reaper._seen == {}


def test_what_is_owned_stays() -> None:
    """Leaders of services are kept as zombies, however long."""
    reaper = OrphanReaper(grace=0)
    child = _zombie()
    reaper.owned.add(child.pid)
    assert reaper.scan(0.0) == []
    assert reaper.scan(1e9) == []
    assert child.wait() == 5


def test_the_living_are_left_alone() -> None:
    """A child that runs is no orphan."""
    with subprocess.Popen(["/bin/sleep", "100"]) as child:
        assert OrphanReaper(grace=0).scan(0.0) == []
        child.kill()


@pytest.mark.autojump
async def test_it_looks_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """run() scans every INTERVAL seconds of the loop's clock."""
    looks: list[float] = []
    reaper = OrphanReaper()

    def scan(at: float) -> list[tuple[int, int]]:
        looks.append(at)
        return [(1, 0)]

    monkeypatch.setattr(reaper, "scan", scan)
    began = anyio.current_time()
    with anyio.move_on_after(INTERVAL * 3.5):
        await reaper.run()
    assert [round(at - began, 3) for at in looks] == [INTERVAL, INTERVAL * 2, INTERVAL * 3]


class _Rain:
    """Many services and foreign children at once, beside a reaper that looks all the time."""

    def __init__(self) -> None:
        self.reaper = OrphanReaper(grace=1.0)
        self.reaped: list[int] = []
        self.wrong: list[tuple[int, int]] = []
        self.over = anyio.Event()
        self._gate = anyio.Semaphore(8)

    async def serve(self, number: int) -> None:
        """One service that exits with ``number``; every second one leaves a stray."""
        script = f"{STRAY if number % 2 else ''} exit {number % 100}"
        async with self._gate, running(("/bin/sh", "-c", script), owned=self.reaper.owned) as child:
            self._note(number % 100, await child.exited())

    async def run_foreign(self, number: int) -> None:
        """One child of anyio's own, which the reaper knows nothing of."""
        async with self._gate:
            result = await anyio.run_process(["/bin/sh", "-c", f"exit {number}"], check=False)
        self._note(number, result.returncode)

    async def reap(self) -> None:
        """Look until all is over and no child is left."""
        while not self.over.is_set() or _children():
            self.reaped.extend(pid for pid, _ in self.reaper.scan(anyio.current_time()))
            await anyio.sleep(0.1)

    def _note(self, wanted: int, found: int) -> None:
        if found != wanted:
            self.wrong.append((wanted, found))


async def test_no_status_is_stolen_while_orphans_rain() -> None:
    """240 services with 120 strays, beside foreign children: every status right, no zombie left."""
    rain = _Rain()
    with anyio.fail_after(60):
        async with anyio.create_task_group() as looking:
            looking.start_soon(rain.reap)
            async with anyio.create_task_group() as tasks:
                for number in range(240):
                    tasks.start_soon(rain.serve, number)
                for number in range(20):
                    tasks.start_soon(rain.run_foreign, number)
            rain.over.set()
    assert rain.wrong == []
    # The KILL of its group catches a stray that has not left it yet; that one is reaped with the leader.
    assert 60 < len(rain.reaped) <= 120


def _children() -> list[procfs.Process]:
    return [each for each in procfs.processes() if each.parent == os.getpid()]
