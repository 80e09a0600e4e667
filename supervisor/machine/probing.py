"""What probes mean: when an instance is ready, not ready any more, or hung; seconds throughout.

Counts are consecutive and live in the instance, so a new instance starts from nothing. A probe that
failed by our own fault (UNKNOWN) changes no count.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from fluxlit.config.settings import Sidecar

SLOWEST_STARTUP_POLL = 1.0
STARTUP_GROWTH = 1.5
TICKS_PER_SECOND = 100.0
"""USER_HZ of Linux: the unit of utime and stime in /proc/<pid>/stat."""
BUSY_SHARE = 0.1
"""Of one CPU; an idle Streamlit with its polling threads stays far below, a loop is near 1."""


class ProbeKind(StrEnum):
    """What a probe is asked for."""

    STARTUP = "startup"
    READINESS = "readiness"
    LIVENESS = "liveness"


class Outcome(StrEnum):
    """What a probe found; UNKNOWN is our own trouble, such as no file descriptors left."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Turn(StrEnum):
    """Where a readiness probe moves an instance."""

    STAY = "stay"
    TO_READY = "to ready"
    TO_UNREADY = "to unready"


@dataclass(frozen=True, slots=True)
class Activity:
    """The processes of an instance: a state letter for each thread, and their CPU time in ticks.

    ``waiting_in`` names the kernel functions they sleep in, for an operator.
    """

    states: str = ""
    cpu_ticks: int = 0
    waiting_in: tuple[str, ...] = ()

    @property
    def stopped(self) -> bool:
        """A process is stopped by a signal or a debugger; it cannot answer."""
        return "T" in self.states or "t" in self.states


@dataclass(frozen=True, slots=True)
class Finding:
    """What one probe found; ``activity`` is looked up only when it failed."""

    outcome: Outcome
    detail: str = ""
    activity: Activity | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """The consecutive counts of one instance."""

    startup_attempts: int = 0
    startup_detail: str = ""
    readiness_failures: int = 0
    readiness_passes: int = 0
    liveness_failures: int = 0
    failing_since: float = 0.0
    activity: Activity | None = None
    activity_at: float = 0.0


def startup_delay(attempts: int, policy: Sidecar) -> float:
    """Seconds until the next start-up probe: quick at first, as most starts take well below 1 s."""
    slowest = max(SLOWEST_STARTUP_POLL, policy.probe_interval)
    return min(slowest, policy.probe_interval * STARTUP_GROWTH ** min(attempts, 60))


def judge_readiness(health: Health, finding: Finding, policy: Sidecar) -> tuple[Health, Turn]:
    """Count a readiness probe; a failure of a stopped process needs no second one."""
    if finding.outcome is Outcome.UNKNOWN:
        return health, Turn.STAY
    if finding.outcome is Outcome.PASSED:
        passes = health.readiness_passes + 1
        turn = Turn.TO_READY if passes >= policy.readiness_successes else Turn.STAY
        return replace(health, readiness_passes=passes, readiness_failures=0), turn
    failures = health.readiness_failures + 1
    stopped = finding.activity is not None and finding.activity.stopped
    turn = Turn.TO_UNREADY if stopped or failures >= policy.readiness_failures else Turn.STAY
    return replace(health, readiness_failures=failures, readiness_passes=0), turn


def judge_liveness(
    health: Health, finding: Finding, at: float, policy: Sidecar
) -> tuple[Health, str | None]:
    """Count a liveness probe; the text says why the instance is hung, None that it is not (yet)."""
    if finding.outcome is Outcome.UNKNOWN:
        return health, None
    if finding.outcome is Outcome.PASSED:
        return replace(health, liveness_failures=0, activity=None), None
    failures = health.liveness_failures + 1
    since = health.failing_since if health.liveness_failures else at
    counted = replace(
        health,
        liveness_failures=failures,
        failing_since=since,
        activity=finding.activity,
        activity_at=at,
    )
    if failures < policy.liveness_failures:
        return counted, None
    return counted, _hung(health, finding, at, at - since, policy.busy_patience)


def _hung(
    before: Health, finding: Finding, at: float, failing: float, patience: float
) -> str | None:
    """Why an instance with enough failures counts as hung, or None while it is busy."""
    now = finding.activity
    if now is None:
        return "no answer"
    if now.stopped:
        return "its process is stopped (state T)"
    if failing >= patience:
        return f"no answer for {failing:.0f} s"
    if before.activity is None:
        # One sample tells nothing of CPU time; the next probe will.
        return None
    burnt = (now.cpu_ticks - before.activity.cpu_ticks) / TICKS_PER_SECOND
    if burnt >= BUSY_SHARE * (at - before.activity_at):
        return None
    return "no answer and no CPU time used"
