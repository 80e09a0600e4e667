"""The status document."""

import json
import os

import anyio

from fluxlit.config.settings import Settings
from fluxlit.status import (
    DaemonPhase,
    Endpoint,
    InstancePhase,
    InstanceStatus,
    Snapshot,
    StatusBoard,
)
from fluxlit.supervisor.report import Reporter


async def test_the_document_says_what_the_board_says() -> None:
    """Phases, load, memory and the last failure; plain JSON."""
    board, now = StatusBoard(), anyio.current_time()
    instance = InstanceStatus(
        "ui-1", "ui", 0, 2, InstancePhase.READY, now - 5, Endpoint("127.0.0.1", 9), os.getpid()
    )
    board.publish(
        Snapshot(DaemonPhase.READY, now - 9, (instance,), 2, 3, now + 60, "it was killed")
    )
    with board.session("ui-1"), board.request("api"):
        document = await Reporter(Settings(), board, ("http://127.0.0.1:8000",))()
    found = json.loads(json.dumps(document))
    assert (found["phase"], found["restarts"], found["generation"]) == ("ready", 3, 2)
    assert found["last_failure"] == "it was killed"
    assert 59 < found["retry_after"] <= 60
    assert (found["sessions"], found["requests"]) == (1, 1)
    assert found["pid"] == os.getpid()
    (shown,) = found["instances"]
    assert (shown["sessions"], shown["requests"], shown["endpoint"]) == (1, 0, "127.0.0.1:9")
    assert shown["rss"] > 0
    assert 9 <= found["for_seconds"] < 60


async def test_an_instance_without_a_process() -> None:
    """Between two lives there is nothing to measure."""
    board = StatusBoard()
    board.publish(
        Snapshot(instances=(InstanceStatus("ui-1", "ui", 0, 1, InstancePhase.PENDING, 0.0),))
    )
    document = await Reporter(Settings(), board, ())()
    assert json.loads(json.dumps(document))["instances"][0]["pid"] is None
