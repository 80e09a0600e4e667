"""The backends of the suite, real and with clocks that jump to the next timer when all is idle.

Jumping clocks go with fakes only: a real child of 0.3 s under a timeout of 30 s would be cancelled
at once, because nothing but the timer is ready.
"""

import asyncio
import selectors
from collections.abc import Callable
from typing import Any

import uvloop
from trio.testing import MockClock

Backend = tuple[str, dict[str, Any]]


class _JumpSelector(selectors.DefaultSelector):
    """Never sleeps: when nothing is ready, moves the loop's clock to the next timer."""

    loop: "AutojumpLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready:
            self.loop.now += max(timeout, 0)
        return ready


class AutojumpLoop(asyncio.SelectorEventLoop):
    """An asyncio loop whose time is made, not measured."""

    now = 0.0

    def __init__(self) -> None:
        selector = _JumpSelector()
        super().__init__(selector)
        selector.loop = self

    def time(self) -> float:
        """The made time, in seconds."""
        return self.now


REAL: dict[str, Callable[[], Backend]] = {
    "asyncio": lambda: ("asyncio", {}),
    "uvloop": lambda: ("asyncio", {"loop_factory": uvloop.new_event_loop}),
    "trio": lambda: ("trio", {}),
}
JUMPING: dict[str, Callable[[], Backend]] = {
    "asyncio-autojump": lambda: ("asyncio", {"loop_factory": AutojumpLoop}),
    "trio-autojump": lambda: ("trio", {"clock": MockClock(autojump_threshold=0)}),
}
