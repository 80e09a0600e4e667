"""Probes by state."""

import json

import anyio
import pytest

from fluxlit.gateway.ops import LIVENESS_BUDGET, answer, passes
from fluxlit.protocol.routes import Probe
from fluxlit.status import DaemonPhase, Snapshot
from tests.doubles.asgi import ask
from tests.gateway.support import board_of, gateway_of, instance

pytestmark = pytest.mark.autojump

LIVE = set(DaemonPhase) - {DaemonPhase.FAILED}
READY = {DaemonPhase.READY, DaemonPhase.DEGRADED}


@pytest.mark.parametrize("phase", list(DaemonPhase))
def test_what_each_state_answers(phase: DaemonPhase) -> None:
    """Ready only when traffic should come; alive in all but FAILED."""
    snapshot = Snapshot(phase, since=10.0)
    assert passes(Probe.READY, snapshot, 11.0) is (phase in READY)
    assert passes(Probe.HEALTH, snapshot, 11.0) is (phase in LIVE)


def test_a_daemon_that_cannot_heal_says_so_in_the_end() -> None:
    """After 300 s without a service the platform may try a new container."""
    snapshot = Snapshot(DaemonPhase.UNAVAILABLE, since=10.0)
    assert passes(Probe.HEALTH, snapshot, 10.0 + LIVENESS_BUDGET)
    assert not passes(Probe.HEALTH, snapshot, 10.1 + LIVENESS_BUDGET)


async def test_the_body_tells_an_operator_what_goes_on() -> None:
    """State, since when, instances, generation, restarts, next try, last failure."""
    now = anyio.current_time()
    snapshot = Snapshot(
        DaemonPhase.UNAVAILABLE, now - 2.5, (instance(),), 3, 7, now + 4.0, "it exited with 1"
    )
    given = answer(Probe.READY, snapshot, wall=lambda: 1_800_000_002.5)
    body = json.loads(given.body)
    started = body.pop("instances")
    assert body == {
        "status": "unavailable",
        "state": "unavailable",
        "since": "2027-01-15T08:00:00.000Z",
        "for_seconds": 2.5,
        "generation": 3,
        "restarts": 7,
        "retry_after": 4.0,
        "last_failure": "it exited with 1",
    }
    assert [(i["id"], i["phase"], i["generation"]) for i in started] == [("ui-1", "ready", 1)]


@pytest.mark.parametrize("path", ["/api/healthz", "/api/readyz", "/api/health", "/api/ready"])
async def test_f98_probes_by_get_and_head(path: str) -> None:
    """The same status and length; HEAD without a body; nobody keeps the answer."""
    gateway = gateway_of(board=board_of(Snapshot(DaemonPhase.STARTING)))
    got = await ask(gateway, path)
    head = await ask(gateway, path, method="HEAD")
    assert got.status == head.status == (200 if "health" in path else 503)
    assert got.headers["cache-control"] == "no-store"
    assert json.loads(got.body)["state"] == "starting"
    assert head.body == b""
    assert head.complete


async def test_probes_pass_every_gate() -> None:
    """No Host, a bad one, an odd query, a stranger: platforms ask by address."""
    gateway = gateway_of()
    for headers in ([("Host", "")], [("Host", "a@b"), ("Host", "c")], [("Connection", "host")]):
        assert (await ask(gateway, "/api/readyz?x=%zz", headers=headers)).status == 200


async def test_probes_are_not_written_to() -> None:
    """405 with Allow."""
    talk = await ask(gateway_of(), "/api/healthz", method="POST")
    assert talk.status == 405
    assert talk.headers["allow"] == "GET, HEAD"
