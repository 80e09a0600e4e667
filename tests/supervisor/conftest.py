"""Fixtures for tests with real children: nothing may be left behind."""

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from fluxlit.supervisor import procfs, reaper


def _descriptors() -> dict[int, str]:
    found: dict[int, str] = {}
    for path in list(Path("/proc/self/fd").iterdir()):
        try:
            found[int(path.name)] = str(path.readlink())
        except OSError:
            continue
    return found


def _children() -> set[int]:
    return {each.pid for each in procfs.processes() if each.parent == os.getpid()}


@pytest.fixture(scope="session")
def warm() -> None:
    """The first uvloop of a process opens a pipe that libuv keeps for good."""
    uvloop.new_event_loop().close()


@pytest.fixture
def leak_free(warm: None) -> Iterator[None]:
    """Fails if the test leaves a child, a zombie or an open descriptor of this process behind."""
    before = _descriptors(), _children()
    yield
    assert (_descriptors(), _children()) == before


@pytest.fixture
def subreaper(leak_free: None) -> Iterator[None]:
    """This process adopts the orphans of its descendants while the test runs, and reaps them after it.

    What is still alive then is not reaped and fails the test through ``leak_free``.
    """
    assert reaper.become_subreaper()
    yield
    reaper.OrphanReaper(grace=0).scan(0)
    ctypes.CDLL(None).prctl(36, ctypes.c_ulong(0))
