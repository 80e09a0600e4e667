"""How the seconds from the first stop signal to the exit are shared out."""

from dataclasses import dataclass

from fluxlit.config.settings import Shutdown

AUTO_TOTAL = 25.0
"""Seconds when nothing is known of the platform: inside the 30 s of Kubernetes and ECS."""
KILL_WAIT = 2.0
"""Seconds for a process group to vanish after KILL; longer only in uninterruptible sleep."""
LEAST_DRAIN = 4.0
"""Seconds of drain that are asked for before the rest is shared out."""
LEAST_CHILD_STOP = 1.0
"""Seconds a child always gets between TERM and being given up."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Seconds for each part of the way down; ``margin`` closes the gateway and flushes the log."""

    lame_duck: float
    drain: float
    stop: float
    kill: float
    margin: float

    @property
    def total(self) -> float:
        """The sum of all parts."""
        return self.lame_duck + self.drain + self.stop + self.kill + self.margin

    @property
    def stopping(self) -> float:
        """From the first TERM to a child until the daemon must be gone."""
        return self.stop + self.kill + self.margin


def split(shutdown: Shutdown, stop_timeout: float) -> Budget:
    """Share ``shutdown.total`` out; what nobody asks for goes to the drain.

    A total too small for everybody shrinks all parts in proportion, but TERM and KILL together
    never get less than LEAST_CHILD_STOP (or the whole total, if that is less).
    """
    total = AUTO_TOTAL if shutdown.total is None else shutdown.total
    asked = Budget(shutdown.lame_duck, LEAST_DRAIN, stop_timeout, KILL_WAIT, max(1.0, total / 10))
    if asked.total <= total:
        return _scaled(asked, 1.0, 1.0, asked.drain + total - asked.total)
    child = asked.stop + asked.kill
    got = max(child * total / asked.total, min(LEAST_CHILD_STOP, total, child))
    others = (total - got) / (asked.total - child)
    return _scaled(asked, got / child, others, asked.drain * others)


def _scaled(asked: Budget, child: float, others: float, drain: float) -> Budget:
    return Budget(
        lame_duck=asked.lame_duck * others,
        drain=drain,
        stop=asked.stop * child,
        kill=asked.kill * child,
        margin=asked.margin * others,
    )
