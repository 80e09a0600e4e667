"""How long to wait before the next start, and when to stop trying; seconds throughout."""

from fluxlit.config.settings import Sidecar


def delay(failures: int, luck: float, policy: Sidecar) -> float:
    """Seconds before the start that follows the ``failures``-th failure in a row (from 1).

    Doubles from ``backoff_first`` up to ``backoff_longest``, with equal jitter: half is fixed, half
    is drawn by ``luck`` (from 0 up to 1), so that many daemons do not start in step and none spins.
    """
    # Beyond 2**60 the cap holds anyway, and a float would overflow after some thousand failures.
    doubled = policy.backoff_first * 2.0 ** min(failures - 1, 60)
    nominal = min(policy.backoff_longest, doubled)
    return nominal / 2 + luck * nominal / 2


def within(failures: tuple[float, ...], at: float, window: float) -> tuple[float, ...]:
    """The moments of failure that still count at ``at``: not older than ``window`` seconds."""
    return tuple(moment for moment in failures if at - moment < window)
