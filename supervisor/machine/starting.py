"""How an instance comes up, and how probes move it between READY and UNREADY."""

from dataclasses import replace

from fluxlit.config.settings import Sidecar
from fluxlit.status import InstancePhase
from fluxlit.supervisor.machine import probing
from fluxlit.supervisor.machine.budget import KILL_WAIT
from fluxlit.supervisor.machine.commands import Probe, Publish, Spawn, Unpublish
from fluxlit.supervisor.machine.ending import blame, condemn, end, terminate
from fluxlit.supervisor.machine.events import (
    DeadlinePassed,
    LivenessProbed,
    ReadinessProbed,
    RetireAsked,
    SpawnAsked,
    Spawned,
    SpawnRefused,
    StartupProbed,
)
from fluxlit.supervisor.machine.lives import Instance, Step, enter, unpublish
from fluxlit.supervisor.machine.probing import Outcome, ProbeKind, Turn
from fluxlit.supervisor.machine.verdict import Reason


def spawn(instance: Instance, event: SpawnAsked, _policy: Sidecar) -> Step:
    """The slot wants it: ask for the process."""
    return enter(instance, InstancePhase.SPAWNING, event.at), (Spawn(instance.id),)


def spawned(instance: Instance, event: Spawned, policy: Sidecar) -> Step:
    """The process exists: probe it until it answers or its time is over."""
    after = enter(
        instance,
        InstancePhase.STARTING,
        event.at,
        pid=event.pid,
        spawned_at=event.at,
        deadline=event.at + policy.start_timeout,
    )
    return after, (Probe(instance.id, ProbeKind.STARTUP, event.at + policy.probe_interval),)


def refused(instance: Instance, event: SpawnRefused, _policy: Sidecar) -> Step:
    """There will be no process."""
    reason = Reason.EXEC_FAILED if event.permanent else Reason.SPAWN_FAILED
    blamed = blame(instance, reason, event.reason, permanent=event.permanent)
    return end(replace(blamed, spawned_at=event.at), event.at)


def startup(instance: Instance, event: StartupProbed, policy: Sidecar) -> Step:
    """A start-up probe ended: ready at the first pass, else the next one, a little later."""
    if event.finding.outcome is Outcome.PASSED and event.endpoint:
        return _ready_first(instance, event, policy)
    attempts = instance.health.startup_attempts + 1
    health = replace(
        instance.health, startup_attempts=attempts, startup_detail=event.finding.detail
    )
    again = event.at + probing.startup_delay(attempts, policy)
    return replace(instance, health=health), (Probe(instance.id, ProbeKind.STARTUP, again),)


def _ready_first(instance: Instance, event: StartupProbed, policy: Sidecar) -> Step:
    at = event.at
    return enter(instance, InstancePhase.READY, at, endpoint=event.endpoint), (
        Publish(instance.id, at - instance.spawned_at),
        Probe(instance.id, ProbeKind.READINESS, at + policy.readiness_interval),
        Probe(instance.id, ProbeKind.LIVENESS, at + policy.liveness_interval),
    )


def start_timeout(instance: Instance, event: DeadlinePassed, policy: Sidecar) -> Step:
    """It never answered: end it."""
    return condemn(instance, event.at, Reason.START_TIMEOUT, instance.health.startup_detail, policy)


def readiness(instance: Instance, event: ReadinessProbed, policy: Sidecar) -> Step:
    """Count a readiness probe and follow its turn."""
    health, turn = probing.judge_readiness(instance.health, event.finding, policy)
    after = replace(instance, health=health)
    soon = max(event.at, event.began + policy.readiness_interval)
    again = Probe(instance.id, ProbeKind.READINESS, soon)
    if turn is Turn.TO_UNREADY and instance.phase is InstancePhase.READY:
        why = event.finding.detail or "readiness probes fail"
        return enter(after, InstancePhase.UNREADY, event.at), (Unpublish(instance.id, why), again)
    if turn is Turn.TO_READY and instance.phase is InstancePhase.UNREADY:
        seconds = event.at - instance.since
        return enter(after, InstancePhase.READY, event.at), (Publish(instance.id, seconds), again)
    return after, (again,)


def liveness(instance: Instance, event: LivenessProbed, policy: Sidecar) -> Step:
    """Count a liveness probe; a hung process is ended."""
    health, hung = probing.judge_liveness(instance.health, event.finding, event.at, policy)
    after = replace(instance, health=health)
    if hung:
        return condemn(after, event.at, Reason.HUNG, hung, policy)
    soon = max(event.at, event.began + policy.liveness_interval)
    return after, (Probe(instance.id, ProbeKind.LIVENESS, soon),)


def retire(instance: Instance, event: RetireAsked, _policy: Sidecar) -> Step:
    """No new users; those it has may stay until the deadline."""
    after = enter(
        instance, InstancePhase.DRAINING, event.at, deadline=event.until, reason=Reason.RECYCLED
    )
    return after, unpublish(instance, "")


def drained(instance: Instance, event: DeadlinePassed, policy: Sidecar) -> Step:
    """The time of its last users is over."""
    return terminate(instance, event.at, policy.stop_timeout, KILL_WAIT)
