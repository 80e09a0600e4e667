"""What a service manager is told, and when: the rules of sd_notify(3) for our daemon.

READY once, STATUS at each change, STOPPING once, time to start and to stop while either takes
long, and the watchdog at half of its time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from fluxlit.status import DaemonPhase, InstancePhase, Snapshot

EXTEND_EVERY = 5.0
EXTEND_BY = 15.0
"""Seconds: three of our messages may be lost before the manager loses patience."""

_UP = frozenset({DaemonPhase.READY, DaemonPhase.DEGRADED})
_LEAVING = frozenset({DaemonPhase.LAME_DUCK, DaemonPhase.DRAINING, DaemonPhase.STOPPING})
_WORDS = {
    DaemonPhase.BOOT: "starting",
    DaemonPhase.LAME_DUCK: "serving on until load balancers have looked away",
    DaemonPhase.DRAINING: "finishing what is in flight",
    DaemonPhase.EXITED: "stopped",
}


@dataclass(frozen=True, slots=True)
class Notices:
    """What has been told so far; ``beat`` and ``extend`` are when the next is due."""

    status: str = ""
    ready: bool = False
    stopping: bool = False
    beat: float | None = None
    extend: float | None = None

    @property
    def due(self) -> float | None:
        """When something must be told although nothing changes."""
        return min((at for at in (self.beat, self.extend) if at is not None), default=None)


def step(
    before: Notices, seen: Snapshot, now: float, watchdog: float | None
) -> tuple[Notices, tuple[str, ...]]:
    """What to tell at ``now``, one datagram each; ``watchdog`` is its period in seconds, if there is one."""
    state = dict(_changes(before, seen))
    after = replace(
        before,
        ready=before.ready or "READY" in state,
        stopping=before.stopping or "STOPPING" in state,
        status=state.get("STATUS", before.status),
    )
    told = ["\n".join(f"{name}={value}" for name, value in state.items())] if state else []
    if watchdog is not None and (before.beat is None or before.beat <= now):
        told.append("WATCHDOG=1")
        after = replace(after, beat=now + watchdog / 2)
    if after.ready and not after.stopping:
        return replace(after, extend=None), tuple(told)
    if before.extend is not None and before.extend <= now:
        told.append(f"EXTEND_TIMEOUT_USEC={EXTEND_BY * 1e6:.0f}")
    if before.extend is None or before.extend <= now:
        after = replace(after, extend=now + EXTEND_EVERY)
    return after, tuple(told)


def _changes(before: Notices, seen: Snapshot) -> Iterator[tuple[str, str]]:
    if seen.daemon in _UP and not before.ready:
        yield "READY", "1"
    if seen.daemon in _LEAVING and not before.stopping:
        yield "STOPPING", "1"
    status = describe(seen)
    if status != before.status:
        yield "STATUS", status


def describe(seen: Snapshot) -> str:
    """One line on how things stand."""
    ready = sum(instance.phase is InstancePhase.READY for instance in seen.instances)
    default = f"{seen.daemon.value}, {ready} of {len(seen.instances)} instances ready"
    text = _WORDS.get(seen.daemon, default)
    if seen.last_failure and seen.daemon not in {DaemonPhase.READY, *_LEAVING}:
        text = f"{text}; {seen.last_failure}"
    # A line break would begin another assignment.
    return " ".join(text.split())
