"""The daemon's own answers to probes: from memory, by state, with no I/O."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime

import anyio

from fluxlit.gateway.answers import NO_STORE, Answer
from fluxlit.protocol.headers import Header
from fluxlit.protocol.routes import Probe
from fluxlit.status import DaemonPhase, InstanceStatus, Snapshot

LIVENESS_BUDGET = 300.0
"""Seconds without a service until the daemon stops calling itself alive: a restart of the whole
container is the last remedy, and too early a one makes an outage longer."""

READY = frozenset({DaemonPhase.READY, DaemonPhase.DEGRADED})

Clock = Callable[[], float]


def passes(probe: Probe, snapshot: Snapshot, now: float) -> bool:
    """What a probe is told, by state; ``now`` in monotonic seconds.

    Ready: send new traffic here. Health: the daemon is alive and worth keeping.
    """
    if probe is Probe.READY:
        return snapshot.daemon in READY
    if snapshot.daemon is DaemonPhase.UNAVAILABLE:
        return now - snapshot.since <= LIVENESS_BUDGET
    return snapshot.daemon is not DaemonPhase.FAILED


def answer(probe: Probe, snapshot: Snapshot, *, wall: Clock = time.time) -> Answer:
    """The whole answer to a probe; times of day are derived from monotonic ones."""
    now = anyio.current_time()
    good = passes(probe, snapshot, now)
    body = json.dumps(_body(snapshot, now, wall(), good=good)).encode()
    headers: list[Header] = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        NO_STORE,
    ]
    return Answer(200 if good else 503, headers, body)


def _body(snapshot: Snapshot, now: float, wall: float, *, good: bool) -> dict[str, object]:
    body: dict[str, object] = {
        "status": "ok" if good else "unavailable",
        "state": snapshot.daemon.value,
        "since": _moment(wall - (now - snapshot.since)),
        "for_seconds": round(now - snapshot.since, 3),
        "instances": [_instance(instance, now) for instance in snapshot.instances],
        "generation": snapshot.generation,
        "restarts": snapshot.restarts,
    }
    if snapshot.retry_at is not None:
        body["retry_after"] = round(max(0.0, snapshot.retry_at - now), 3)
    if snapshot.last_failure:
        body["last_failure"] = snapshot.last_failure
    return body


def _instance(instance: InstanceStatus, now: float) -> dict[str, object]:
    return {
        "id": instance.id,
        "phase": instance.phase.value,
        "generation": instance.generation,
        "for_seconds": round(now - instance.since, 3),
    }


def _moment(seconds: float) -> str:
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
