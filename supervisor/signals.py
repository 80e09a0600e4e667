"""Signals become calls of one function, in one place, for the whole life of the daemon."""

import signal
from collections.abc import Callable

import anyio
from anyio.abc import TaskStatus

from fluxlit.supervisor.init import HELD


async def receive_signals(
    handler: Callable[[int], None], *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    """Call ``handler`` with the number of each signal in HELD until cancelled; it should only enqueue.

    Start it first and cancel it last: leaving restores the default actions, and a late TERM would
    then kill the cleanup. What hold_signals() kept back arrives at once after started(). Equal
    signals in quick succession may arrive as one. On trio it owns SIGINT: no KeyboardInterrupt.
    Main thread only, as Python demands of signal handlers.
    """
    with anyio.open_signal_receiver(*sorted(HELD)) as signals:
        before = signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
        try:
            task_status.started()
            async for number in signals:
                handler(number)
        finally:
            # If they were held before, they are held again: what comes now changes nothing any more
            # and must not turn our exit status into 143.
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
