"""Signals arrive as calls, none is lost, and the main thread's mask is left as it was."""

import os
import signal
import threading
from collections.abc import Iterator

import anyio
import pytest

from fluxlit.supervisor.init import HELD, hold_signals
from fluxlit.supervisor.signals import receive_signals

pytestmark = pytest.mark.usefixtures("leak_free", "mask")


@pytest.fixture
def mask() -> Iterator[None]:
    """Blocked signals and handlers are as before the test, and nothing is pending, after it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    handlers = {number: signal.getsignal(number) for number in HELD}
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    for number, handler in handlers.items():
        signal.signal(number, handler)


class _Inbox:
    """Collects signals and lets a test wait for the next one."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self._arrived = anyio.Event()

    def put(self, number: int) -> None:
        """The handler."""
        self.seen.append(number)
        self._arrived.set()

    async def next(self) -> int:
        """The signal that arrives next."""
        with anyio.fail_after(5):
            await self._arrived.wait()
        self._arrived = anyio.Event()
        return self.seen[-1]


async def test_each_signal_calls_the_handler() -> None:
    """All of HELD, INT included, which is no KeyboardInterrupt on any backend; again and again."""
    inbox = _Inbox()
    async with anyio.create_task_group() as tasks:
        await tasks.start(receive_signals, inbox.put)
        for number in sorted(HELD) * 2:
            os.kill(os.getpid(), number)
            assert await inbox.next() == number
        tasks.cancel_scope.cancel()
    assert inbox.seen == sorted(HELD) * 2


async def test_what_was_held_back_arrives_first() -> None:
    """Signals from before the loop existed are delivered once the receiver runs."""
    inbox = _Inbox()
    hold_signals()
    # To this thread: others of the test process may not hold it.
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    await anyio.wait_all_tasks_blocked()
    async with anyio.create_task_group() as tasks:
        await tasks.start(receive_signals, inbox.put)
        assert await inbox.next() == signal.SIGTERM
        tasks.cancel_scope.cancel()


async def test_a_late_signal_changes_nothing() -> None:
    """Where signals were held, a TERM after the receiver has ended does not kill the cleanup."""
    hold_signals()
    async with anyio.create_task_group() as tasks:
        await tasks.start(receive_signals, _Inbox().put)
        tasks.cancel_scope.cancel()
    for number in HELD:
        os.kill(os.getpid(), number)


async def test_elsewhere_all_is_left_as_it_was() -> None:
    """In somebody else's process neither mask nor handlers are changed for good."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    handlers = {number: signal.getsignal(number) for number in HELD}
    async with anyio.create_task_group() as tasks:
        await tasks.start(receive_signals, _Inbox().put)
        tasks.cancel_scope.cancel()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == mask
    assert {number: signal.getsignal(number) for number in HELD} == handlers
