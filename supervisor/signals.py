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

    Start it first and cancel it last. What hold_signals() kept back arrives at once after
    started(). Equal signals in quick succession may arrive as one. On trio it owns SIGINT: no
    KeyboardInterrupt. Main thread only, as Python demands of signal handlers.

    When it ends in a process that held its signals, all further ones are ignored: the default
    action would turn a late TERM into exit status 143. Elsewhere everything is left as it was.
    """
    held: set[int] = set()
    try:
        with anyio.open_signal_receiver(*sorted(HELD)) as signals:
            held = set(signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD) & HELD)
            task_status.started()
            async for number in signals:
                handler(number)
    finally:
        # Blocking them again would not do: threads started meanwhile have them unblocked.
        for late in held:
            signal.signal(late, signal.SIG_IGN)
